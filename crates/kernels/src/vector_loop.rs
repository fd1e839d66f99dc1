//! The vectorized loop over the elements of a plane: whole vectors, then a shorter last one.

use crate::stored::{Lanes, Storage};

/// The body of a vectorized loop. A trait and not a closure, because only a method can be marked
/// `inline(always)`, which a function that is compiled for AVX2 needs.
pub(crate) trait LoopBody<T: Storage, S: Lanes<T>> {
    /// Handles elements i..i + n, where n is `S::LANES` or, for the last vector, less.
    unsafe fn vector(&mut self, i: usize, n: usize);
}

/// Calls the body for elements 0..len, one vector at a time, in rising order.
#[inline(always)]
pub(crate) unsafe fn for_each_vector<T: Storage, S: Lanes<T>, B: LoopBody<T, S>>(
    body: &mut B,
    len: usize,
) {
    let mut i = 0;
    // SAFETY: the caller guarantees that the body may access elements 0..len.
    unsafe {
        while i + S::LANES <= len {
            body.vector(i, S::LANES);
            i += S::LANES;
        }
        if i < len {
            body.vector(i, len - i);
        }
    }
}
