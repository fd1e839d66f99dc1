//! The register tiles. These loops do all multiply-adds of a convolution.

#![allow(clippy::needless_range_loop)] // Index loops over fixed arrays are unrolled into registers.

use crate::element::{Element, Simd};

/// Rows of weights in the largest tile.
pub(crate) const ROWS: usize = 6;
/// Vectors of positions in the widest tile.
pub(crate) const VECTORS: usize = 4;

/// The width of the widest tile with these rows, in vectors. The accumulators, one row of the panel
/// and two weights (the compiler loads one in advance) must fit the registers. Eight accumulators
/// are enough to hide the latency of a multiply-add.
pub(crate) const fn widest(rows: usize, registers: usize) -> usize {
    match rows {
        _ if registers >= 32 => 4,
        1..=2 => 4,
        3 => 3,
        _ => 2,
    }
}

/// The width of the widest tile of dot products with these rows, in offsets. Rows are read from
/// memory one by one and need no registers of their own.
pub(crate) const fn widest_dot(rows: usize, registers: usize) -> usize {
    match rows {
        _ if registers >= 32 => 4,
        1..=3 => 4,
        4 => 3,
        _ => 2,
    }
}

/// The width of the next tile, where `remaining` vectors are not computed yet. A tile of one vector
/// stalls on the latency of its own results, so the last two tiles divide the rest evenly.
pub(crate) fn next_width(remaining: usize, widest: usize) -> usize {
    if remaining == widest + 1 { remaining.div_ceil(2) } else { remaining.min(widest) }
}

/// A tile of a product: `out[i][p] (+)= sum over k of weights[k][i] * panel[offsets[k] + p]` for
/// `M` rows and `N` vectors of positions.
pub(crate) struct Tile<T> {
    pub weights: *const T,
    pub panel: *const T,
    pub offsets: *const u32,
    pub depth: usize,
    pub out: *mut T,
    /// Elements between rows of `out`.
    pub stride: usize,
    pub add: bool,
}

#[inline(always)]
pub(crate) unsafe fn tile<T: Element, S: Simd<T>, const M: usize, const N: usize>(t: &Tile<T>) {
    // SAFETY: the caller's pointers cover `depth` offsets, `depth * M` weights, and `N` vectors at
    // each offset.
    unsafe {
        let mut sums = [[S::splat(T::ZERO); N]; M];
        let mut weights = t.weights;
        for k in 0..t.depth {
            let at = t.panel.add(*t.offsets.add(k) as usize);
            let mut inputs = [S::splat(T::ZERO); N];
            for j in 0..N {
                inputs[j] = S::load(at.add(j * S::LANES));
            }
            for i in 0..M {
                let weight = S::splat(*weights.add(i));
                for j in 0..N {
                    sums[i][j] = S::fma(weight, inputs[j], sums[i][j]);
                }
            }
            weights = weights.add(M);
        }
        for i in 0..M {
            for j in 0..N {
                let at = t.out.add(i * t.stride + j * S::LANES);
                let sum = if t.add { S::add(S::load(at), sums[i][j]) } else { sums[i][j] };
                S::store(at, sum);
            }
        }
    }
}

/// A tile of dot products: `out[i][j] (+)= sum over positions p of rows[i][p] * panel[offsets[j] +
/// p]` for `M` rows and `N` offsets, over `count` runs of `len` positions, `span` apart.
pub(crate) struct Dot<T> {
    pub rows: *const T,
    /// Elements between rows.
    pub plane: usize,
    pub panel: *const T,
    pub offsets: *const u32,
    pub count: usize,
    pub span: usize,
    pub len: usize,
    pub out: *mut T,
    /// Elements between rows of `out`.
    pub stride: usize,
    pub add: bool,
}

#[inline(always)]
pub(crate) unsafe fn dot<T: Element, S: Simd<T>, const M: usize, const N: usize>(d: &Dot<T>) {
    // SAFETY: the caller's pointers cover `N` offsets, and the runs in each of `M` rows and at each
    // offset.
    unsafe {
        let mut sums = [[S::splat(T::ZERO); N]; M];
        let mut panels = [d.panel; N];
        for j in 0..N {
            panels[j] = d.panel.add(*d.offsets.add(j) as usize);
        }
        for run in 0..d.count {
            let start = run * d.span;
            let whole = start + d.len / S::LANES * S::LANES;
            let mut p = start;
            while p < whole {
                let mut inputs = [S::splat(T::ZERO); N];
                for j in 0..N {
                    inputs[j] = S::load(panels[j].add(p));
                }
                for i in 0..M {
                    let row = S::load(d.rows.add(i * d.plane + p));
                    for j in 0..N {
                        sums[i][j] = S::fma(row, inputs[j], sums[i][j]);
                    }
                }
                p += S::LANES;
            }
            // Elements after a run belong to another strip or are stale; they must not be added.
            let rest = d.len % S::LANES;
            if rest > 0 {
                let mut inputs = [S::splat(T::ZERO); N];
                for j in 0..N {
                    inputs[j] = S::load_part(panels[j].add(p), rest);
                }
                for i in 0..M {
                    let row = S::load_part(d.rows.add(i * d.plane + p), rest);
                    for j in 0..N {
                        sums[i][j] = S::fma(row, inputs[j], sums[i][j]);
                    }
                }
            }
        }
        for i in 0..M {
            let out = d.out.add(i * d.stride);
            if N == 4 {
                S::four_sums(
                    [sums[i][0], sums[i][1 % N], sums[i][2 % N], sums[i][3 % N]],
                    out,
                    d.add,
                );
                continue;
            }
            for j in 0..N {
                let there = if d.add { *out.add(j) } else { T::ZERO };
                *out.add(j) = there + S::sum(sums[i][j]);
            }
        }
    }
}

/// A tile of outer products: `out[i][j] (+)= sum over positions p of rows[i][p] * transposed[p][j]`
/// for `M` rows and `columns` elements of `N` vectors.
pub(crate) struct Outer<T> {
    pub rows: *const T,
    /// Elements between rows.
    pub plane: usize,
    /// `N` vectors for each position.
    pub transposed: *const T,
    pub len: usize,
    pub out: *mut T,
    /// Elements between rows of `out`.
    pub stride: usize,
    pub columns: usize,
    pub add: bool,
}

#[inline(always)]
pub(crate) unsafe fn outer<T: Element, S: Simd<T>, const M: usize, const N: usize>(o: &Outer<T>) {
    // SAFETY: the caller's pointers cover `len` positions of `M` rows and of `N` vectors, and
    // `columns` elements of `M` rows of results.
    unsafe {
        for i in 0..M {
            S::prefetch(o.out.add(i * o.stride));
            S::prefetch(o.out.wrapping_add(i * o.stride + N * S::LANES - 1));
        }
        let mut sums = [[S::splat(T::ZERO); N]; M];
        for p in 0..o.len {
            let at = o.transposed.add(p * N * S::LANES);
            let mut inputs = [S::splat(T::ZERO); N];
            for j in 0..N {
                inputs[j] = S::load(at.add(j * S::LANES));
            }
            for i in 0..M {
                let factor = S::splat(*o.rows.add(i * o.plane + p));
                for j in 0..N {
                    sums[i][j] = S::fma(factor, inputs[j], sums[i][j]);
                }
            }
        }
        // Only the last vector may be a partial one.
        let rest = o.columns - (N - 1) * S::LANES;
        for i in 0..M {
            for j in 0..N {
                let at = o.out.add(i * o.stride + j * S::LANES);
                if j < N - 1 || rest == S::LANES {
                    let sum = if o.add { S::add(S::load(at), sums[i][j]) } else { sums[i][j] };
                    S::store(at, sum);
                } else {
                    let sum =
                        if o.add { S::add(S::load_part(at, rest), sums[i][j]) } else { sums[i][j] };
                    S::store_part(at, sum, rest);
                }
            }
        }
    }
}

/// A transposition of channels of a panel, after which the channels of a position are contiguous.
pub(crate) struct Transpose<T> {
    pub panel: *const T,
    /// Elements between channels.
    pub plane: usize,
    pub channels: usize,
    pub len: usize,
    pub into: *mut T,
    /// Elements between positions, a whole number of vectors. Elements after the channels become
    /// zeros.
    pub width: usize,
}

#[inline(always)]
pub(crate) unsafe fn transpose<T: Element, S: Simd<T>>(t: &Transpose<T>) {
    let whole = t.len / S::LANES * S::LANES;
    for first in (0..t.width).step_by(S::LANES) {
        let channels = t.channels.saturating_sub(first).min(S::LANES);
        let from = t.panel.wrapping_add(first * t.plane);
        // SAFETY: the caller guarantees planes of `len` elements, and room in `into` for `len`
        // widths.
        unsafe {
            let squares = if channels == S::LANES { whole } else { 0 };
            for p in (0..squares).step_by(S::LANES) {
                for row in 0..S::LANES {
                    S::prefetch(from.wrapping_add((S::LANES + row) * t.plane + p));
                }
                S::transpose(from.add(p), t.plane, t.into.add(p * t.width + first), t.width);
            }
            for p in squares..t.len {
                for row in 0..S::LANES {
                    let value = if row < channels { *from.add(row * t.plane + p) } else { T::ZERO };
                    *t.into.add(p * t.width + first + row) = value;
                }
            }
        }
    }
}
