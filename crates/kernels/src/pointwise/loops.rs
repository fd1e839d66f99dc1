//! The loops of elementwise operations over one plane.

use crate::element::Element;
use crate::source::{One, Source};
use crate::stored::{Lanes, Storage};
use crate::vector_loop::{LoopBody, for_each_vector};

/// The arguments of [`copy_plane`] and [`relu_plane`].
pub(crate) struct PlaneCopy<T, P> {
    pub source: P,
    pub into: *mut T,
    pub len: usize,
}

struct Copying<'a, T, P, const ADD: bool>(&'a PlaneCopy<T, P>);

impl<T: Storage, S: Lanes<T>, P: Source<T>, const ADD: bool> LoopBody<T, S>
    for Copying<'_, T, P, ADD>
{
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let v = self.0.source.load::<S>(i, n);
            let at = self.0.into.add(i);
            S::write_n(at, if ADD { S::add(S::read_n(at, n), v) } else { v }, n);
        }
    }
}

/// Writes, or accumulates, the plane of a source.
#[inline(always)]
pub(crate) unsafe fn copy_plane<T: Storage, S: Lanes<T>, P: Source<T>, const ADD: bool>(
    copy: &PlaneCopy<T, P>,
) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Copying::<T, P, ADD>(copy), copy.len) }
}

struct Rectifying<'a, T>(&'a PlaneCopy<T, One<T>>);

impl<T: Storage, S: Lanes<T>> LoopBody<T, S> for Rectifying<'_, T> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe { S::write_n(self.0.into.add(i), S::relu(self.0.source.load::<S>(i, n)), n) }
    }
}

#[inline(always)]
pub(crate) unsafe fn relu_plane<T: Storage, S: Lanes<T>>(copy: &PlaneCopy<T, One<T>>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Rectifying(copy), copy.len) }
}

/// The arguments of [`scale_plane`].
pub(crate) struct Scale<T: Storage> {
    pub of: *const T,
    pub factor: T::Real,
    pub into: *mut T,
    pub len: usize,
}

/// The loop body of [`scale_plane`].
struct Scaling<'a, T: Storage, const ADD: bool>(&'a Scale<T>);

impl<T: Storage, S: Lanes<T>, const ADD: bool> LoopBody<T, S> for Scaling<'_, T, ADD> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let v = S::read_n(self.0.of.add(i), n);
            let at = self.0.into.add(i);
            let factor = S::splat(self.0.factor);
            let scaled = if ADD { S::fma(v, factor, S::read_n(at, n)) } else { S::mul(v, factor) };
            S::write_n(at, scaled, n);
        }
    }
}

/// Writes, or accumulates, a plane times a factor.
#[inline(always)]
pub(crate) unsafe fn scale_plane<T: Storage, S: Lanes<T>, const ADD: bool>(scale: &Scale<T>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Scaling::<T, ADD>(scale), scale.len) }
}

/// What a sum over a plane adds up.
pub(crate) trait Summand<T: Storage>: Copy {
    /// Adds `n` lanes from element `i` on.
    unsafe fn add_to<S: Lanes<T>>(&self, sum: S::V, i: usize, n: usize) -> S::V;
}

/// The products of the elements of two planes.
#[derive(Clone, Copy)]
pub(crate) struct Product<T>(pub *const T, pub *const T);

impl<T: Storage> Summand<T> for Product<T> {
    #[inline(always)]
    unsafe fn add_to<S: Lanes<T>>(&self, sum: S::V, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n of both planes.
        unsafe { S::fma(S::read_n(self.0.add(i), n), S::read_n(self.1.add(i), n), sum) }
    }
}

impl<T: Storage> Summand<T> for One<T> {
    #[inline(always)]
    unsafe fn add_to<S: Lanes<T>>(&self, sum: S::V, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n.
        unsafe { S::add(sum, self.load::<S>(i, n)) }
    }
}

/// The arguments of [`sum_of`].
pub(crate) struct PlaneSum<F> {
    pub of: F,
    pub len: usize,
    pub sum: *mut f64,
}

struct Summing<T: Storage, S: Lanes<T>, F> {
    of: F,
    start: usize,
    sum: S::V,
}

impl<T: Storage, S: Lanes<T>, F: Summand<T>> LoopBody<T, S> for Summing<T, S, F> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        self.sum = unsafe { self.of.add_to::<S>(self.sum, self.start + i, n) };
    }
}

/// Takes a sum over a plane: in `T` over short ranges, whose sums are added in f64.
#[inline(always)]
pub(crate) unsafe fn sum_of<T: Storage, S: Lanes<T>, F: Summand<T>>(plane: &PlaneSum<F>) {
    const SHORT: usize = 256;
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe {
        for start in (0..plane.len).step_by(SHORT) {
            let mut body = Summing::<T, S, F> { of: plane.of, start, sum: S::splat(T::Real::ZERO) };
            for_each_vector::<T, S, _>(&mut body, SHORT.min(plane.len - start));
            *plane.sum += S::sum_f64(body.sum);
        }
    }
}
