//! The loops that write the gradient of a strided convolution's input.

use crate::element::{Element, Simd};

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
pub(crate) unsafe fn strided_scatter<T: Element, S: Simd<T>, const ADD: bool>(
    f: &StridedScatter<T>,
) {
    for y in 0..f.rows {
        // SAFETY: the caller's pointers cover the rows.
        unsafe {
            let from = f.from.add(y * f.pitch);
            let into = f.into.add(y * f.into_pitch);
            if f.step == 2 {
                scatter_every_second::<T, S, ADD>(from, into, f.cols);
                continue;
            }
            for x in 0..f.cols {
                let value = *from.add(x);
                let at = into.add(x * f.step);
                *at = if ADD { *at + value } else { value };
            }
        }
    }
}

/// Scatters to every second element of a row. The elements between them, which belong to other
/// phases, are read and written back unchanged.
#[inline(always)]
unsafe fn scatter_every_second<T: Element, S: Simd<T>, const ADD: bool>(
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
            if ADD {
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
