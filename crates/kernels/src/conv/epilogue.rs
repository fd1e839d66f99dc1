//! The epilogue of a convolution, which copies results to their planes. Forward it adds a bias and
//! a residual, applies a ReLU, or takes the sums that a batch norm needs. Backward it accumulates.
//! When a gradient is complete, it also masks it by a ReLU's output and takes the sums that the
//! backward pass of the batch norm before that ReLU needs.

use crate::real::{Real, Simd};

/// Stored.
pub(crate) const STORE: usize = 0;
/// Added to what is there.
pub(crate) const ADD: usize = 1;
/// Stored, with their sum and sum of squares.
pub(crate) const SUMS: usize = 2;
/// Stored with bias, residual and ReLU.
pub(crate) const EXTRA: usize = 3;
/// A gradient, stored or added, that is complete with this: masked by a ReLU's output, with its sum
/// and the sum of it times `x - mean`.
pub(crate) const LAST_STORE: usize = 4;
pub(crate) const LAST_ADD: usize = 5;
pub(crate) const MODES: usize = 6;

/// Whole vectors whose sums may be taken in `T` before they are widened.
const SHORT: usize = 32;

/// The epilogue of `rows` rows of `cols` results of one plane.
pub(crate) struct TileEpilogue<T> {
    pub from: *const T,
    /// Elements between rows of results; the plane has none between its own.
    pub pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub into: *mut T,
    /// Elements of the plane from `into` on.
    pub room: usize,
    pub bias: T,
    /// At the same place as `into`, or null.
    pub residual: *const T,
    pub relu: bool,
    /// The ReLU's output, and what the norm before it read, at the same place as `into`; null but
    /// for the last two modes.
    pub gate: *const T,
    pub x: *const T,
    pub mean: T,
    /// Sum, and sum of squares or products.
    pub sums: [*mut f64; 2],
    /// Elements between what is accessed and what is prefetched.
    pub prefetch_distance: usize,
}

#[inline(always)]
pub(crate) unsafe fn tile_epilogue<T: Real, S: Simd<T>, const MODE: usize>(f: &TileEpilogue<T>) {
    let is_last = MODE == LAST_STORE || MODE == LAST_ADD;
    let mut sum = [0.0, 0.0];
    // SAFETY: the caller's pointers cover the rows; whole vectors are written where the plane has
    // room, in rising order, so that what lies after a row is written later.
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
                    ADD | LAST_ADD => v = S::add(load(f.into.add(at)), v),
                    EXTRA => {
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
                if is_last {
                    S::prefetch(f.gate.wrapping_add(at + f.prefetch_distance));
                    S::prefetch(f.x.wrapping_add(at + f.prefetch_distance));
                    v = S::where_positive(load(f.gate.add(at)), v);
                    factor = S::sub(load(f.x.add(at)), mean);
                }
                if is_last || MODE == SUMS {
                    // Lanes after the row's end count when their row comes.
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
        if is_last || MODE == SUMS {
            *f.sums[0] += sum[0] + S::sum_f64(part);
            *f.sums[1] += sum[1] + S::sum_f64(products);
        }
    }
}

/// Results of one phase of a strided convolution's input, each `step` elements from the next.
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

/// Every second element of a row. What lies between them, other phases' results, is read and
/// written as it is.
#[inline(always)]
unsafe fn scatter_every_second<T: Real, S: Simd<T>, const MODE: usize>(
    from: *const T,
    into: *mut T,
    cols: usize,
) {
    // SAFETY: the caller's rows; nothing after the last element is touched.
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
