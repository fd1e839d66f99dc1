//! One pass over the elements of a plane, in whole vectors and a last part of one.

use crate::real::{Real, Simd};

/// What happens to lanes i..i + n. A trait and not a closure, because only a method can be asked to
/// be inlined into a function that is compiled for AVX2.
pub(crate) trait Lanes<T: Real, S: Simd<T>> {
    unsafe fn at(&mut self, i: usize, n: usize);
}

/// Visits elements 0..len in rising order.
#[inline(always)]
pub(crate) unsafe fn sweep<T: Real, S: Simd<T>, L: Lanes<T, S>>(lanes: &mut L, len: usize) {
    let mut i = 0;
    // SAFETY: the caller's promise about elements 0..len.
    unsafe {
        while i + S::LANES <= len {
            lanes.at(i, S::LANES);
            i += S::LANES;
        }
        if i < len {
            lanes.at(i, len - i);
        }
    }
}
