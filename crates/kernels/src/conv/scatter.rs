//! The loops that write the gradient of a strided convolution's input.

use crate::stored::{Lanes, Storage};

/// A strided scatter: the gradient of one phase of a strided convolution's input, whose elements
/// are `step` apart.
pub(crate) struct StridedScatter<T: Storage> {
    pub from: *const T::Real,
    pub pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub into: *mut T,
    pub step: usize,
    /// Elements between the rows that are written.
    pub into_pitch: usize,
}

#[inline(always)]
pub(crate) unsafe fn strided_scatter<T: Storage, S: Lanes<T>, const ADD: bool>(
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
                *at = T::stored(if ADD { (*at).real() + value } else { value });
            }
        }
    }
}

/// Scatters to every second element of a row. The elements between them, which belong to other
/// phases, are read and written back unchanged.
#[inline(always)]
unsafe fn scatter_every_second<T: Storage, S: Lanes<T>, const ADD: bool>(
    from: *const T::Real,
    into: *mut T,
    cols: usize,
) {
    // SAFETY: the caller's pointers cover the row; nothing after its last element is accessed.
    unsafe {
        let mut x = 0;
        while x < cols {
            let into = into.add(2 * x);
            // No closures: they would be compiled without the instruction set.
            let all = 2 * (cols - x) - 1;
            let n = [all.min(S::LANES), all.saturating_sub(S::LANES).min(S::LANES)];
            let there = [S::read_n(into, n[0]), S::read_up_to(into.wrapping_add(S::LANES), n[1])];
            let mut values = S::load_n(from.add(x), S::LANES.min(cols - x));
            if ADD {
                values = S::add(values, S::deinterleave_even(there[0], there[1]));
            }
            let all = S::interleave(values, S::deinterleave_odd(there[0], there[1]));
            for i in [0, 1] {
                if n[i] > 0 {
                    S::write_n(into.add(i * S::LANES), all[i], n[i]);
                }
            }
            x += S::LANES;
        }
    }
}
