//! The epilogue of a convolution, which copies results to their planes. Forward it adds a bias and
//! a residual, applies a ReLU, or takes the sums that a batch norm needs. Backward it accumulates.
//! When a gradient is complete, it also masks it by a ReLU's output and takes the sums that the
//! backward pass of the batch norm before that ReLU needs.

use crate::real::{Real, Simd};

/// Results are stored.
pub(crate) const STORE: usize = 0;
/// Results are added to the elements of the plane.
pub(crate) const ADD: usize = 1;
/// Results are stored, and their sum and sum of squares are taken.
pub(crate) const SUMS: usize = 2;
/// Results are stored after bias, residual and ReLU.
pub(crate) const BIAS_RESIDUAL_RELU: usize = 3;
/// Results complete a gradient, which is stored. The gradient dy is masked by a ReLU's output, and
/// the sums of dy and of dy * (x - mean) are taken.
pub(crate) const MASKED_STORE: usize = 4;
/// As `MASKED_STORE`, but results are added to the elements of the plane first.
pub(crate) const MASKED_ADD: usize = 5;
/// The number of modes.
pub(crate) const MODES: usize = 6;

/// Vectors that are summed in `T` before the sums are widened to f64.
const SHORT: usize = 32;

/// The epilogue of `rows` rows of `cols` results of one plane.
pub(crate) struct TileEpilogue<T> {
    pub from: *const T,
    /// Elements between rows of results. The rows of the plane are contiguous.
    pub pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub into: *mut T,
    /// Writable elements of the plane from `into` on.
    pub room: usize,
    pub bias: T,
    /// The element of the residual that corresponds to `into`, or null.
    pub residual: *const T,
    pub relu: bool,
    /// The elements of the ReLU's output and of the norm's input that correspond to `into`; null
    /// except in the masked modes.
    pub gate: *const T,
    pub x: *const T,
    pub mean: T,
    /// The sum, and the sum of squares or of products.
    pub sums: [*mut f64; 2],
    /// Elements between what is accessed and what is prefetched.
    pub prefetch_distance: usize,
}

#[inline(always)]
pub(crate) unsafe fn tile_epilogue<T: Real, S: Simd<T>, const MODE: usize>(f: &TileEpilogue<T>) {
    let is_masked = MODE == MASKED_STORE || MODE == MASKED_ADD;
    let mut sum = [0.0, 0.0];
    // SAFETY: the caller's pointers cover the rows. A whole vector is written only within `room`.
    // Its elements beyond the end of a row are overwritten when the next row is written.
    unsafe {
        let zero = S::splat(T::ZERO);
        let mean = S::splat(f.mean);
        let mut part = zero;
        let mut products = zero;
        let mut count = 0;
        for y in 0..f.rows {
            let from = f.from.add(y * f.pitch);
            let start = y * f.cols;
            let mut x = 0;
            while x < f.cols {
                let n = S::LANES.min(f.cols - x);
                let at = start + x;
                let fits = at + S::LANES <= f.room;
                S::prefetch(f.into.wrapping_add(at + f.prefetch_distance));
                let mut v =
                    if n == S::LANES { S::load(from.add(x)) } else { S::load_part(from.add(x), n) };
                let load =
                    |from: *const T| if fits { S::load(from) } else { S::load_part(from, n) };
                let mut factor = v;
                match MODE {
                    ADD | MASKED_ADD => v = S::add(load(f.into.add(at)), v),
                    BIAS_RESIDUAL_RELU => {
                        v = S::add(v, S::splat(f.bias));
                        if !f.residual.is_null() {
                            S::prefetch(f.residual.wrapping_add(at + f.prefetch_distance));
                            v = S::add(v, S::load_n(f.residual.add(at), n));
                        }
                        if f.relu {
                            v = S::relu(v);
                        }
                    }
                    _ => {}
                }
                if is_masked {
                    S::prefetch(f.gate.wrapping_add(at + f.prefetch_distance));
                    S::prefetch(f.x.wrapping_add(at + f.prefetch_distance));
                    v = S::where_positive(load(f.gate.add(at)), v);
                    factor = S::sub(load(f.x.add(at)), mean);
                }
                if is_masked || MODE == SUMS {
                    // Lanes beyond the end of the row belong to the next row, which counts them.
                    let own = if n == S::LANES { v } else { S::first(v, n) };
                    part = S::add(part, own);
                    products = S::fma(own, factor, products);
                    count += 1;
                    if count == SHORT {
                        sum = [sum[0] + S::sum_f64(part), sum[1] + S::sum_f64(products)];
                        (part, products, count) = (zero, zero, 0);
                    }
                }
                if fits {
                    S::store(f.into.add(at), v);
                } else {
                    S::store_part(f.into.add(at), v, n);
                }
                x += S::LANES;
            }
        }
        if is_masked || MODE == SUMS {
            *f.sums[0] += sum[0] + S::sum_f64(part);
            *f.sums[1] += sum[1] + S::sum_f64(products);
        }
    }
}

/// A strided scatter: the gradient of one phase of a strided convolution's input, whose elements
/// are `step` apart.
pub(crate) struct StridedScatter<T> {
    pub from: *const T,
    pub pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub into: *mut T,
    pub step: usize,
    /// Elements between the rows that are written.
    pub into_pitch: usize,
}

#[inline(always)]
pub(crate) unsafe fn strided_scatter<T: Real, S: Simd<T>, const MODE: usize>(
    f: &StridedScatter<T>,
) {
    for y in 0..f.rows {
        // SAFETY: the caller's pointers cover the rows.
        unsafe {
            let from = f.from.add(y * f.pitch);
            let into = f.into.add(y * f.into_pitch);
            if f.step == 2 {
                scatter_every_second::<T, S, MODE>(from, into, f.cols);
                continue;
            }
            for x in 0..f.cols {
                let value = *from.add(x);
                let at = into.add(x * f.step);
                *at = if MODE == ADD { *at + value } else { value };
            }
        }
    }
}

/// Scatters to every second element of a row. The elements between them, which belong to other
/// phases, are read and written back unchanged.
#[inline(always)]
unsafe fn scatter_every_second<T: Real, S: Simd<T>, const MODE: usize>(
    from: *const T,
    into: *mut T,
    cols: usize,
) {
    // SAFETY: the caller's pointers cover the row; nothing after its last element is accessed.
    unsafe {
        let mut x = 0;
        while x < cols {
            let into = into.add(2 * x);
            let n =
                [0, S::LANES].map(|first| (2 * (cols - x) - 1).saturating_sub(first).min(S::LANES));
            let there = [0, 1].map(|i| match n[i] {
                0 => S::splat(T::ZERO),
                n => S::load_n(into.add(i * S::LANES), n),
            });
            let mut values = S::load_n(from.add(x), S::LANES.min(cols - x));
            if MODE == ADD {
                values = S::add(values, S::deinterleave_even(there[0], there[1]));
            }
            let all = S::interleave(values, S::deinterleave_odd(there[0], there[1]));
            for i in [0, 1] {
                if n[i] > 0 {
                    S::store_n(into.add(i * S::LANES), all[i], n[i]);
                }
            }
            x += S::LANES;
        }
    }
}
