//! Sources: tensors that are combined element by element as they are read.

use crate::stored::{Lanes, Storage};

/// One or several planes and an elementwise operation on them.
pub(crate) trait Source<T: Storage>: Copy {
    /// Whether every value is one that `T` stores, so that it needs no rounding.
    const IS_STORED: bool;

    /// The same source, beginning `n` elements later.
    fn skip(self, n: usize) -> Self;

    /// Prefetches the cache line of element `i` of every plane. Any element is allowed.
    unsafe fn prefetch<S: Lanes<T>>(&self, i: usize);

    /// Computes `n` lanes from element `i` on; the other lanes are zero.
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> S::V;
}

/// A source whose elements can be read with gaps between them.
pub(crate) trait StridedSource<T: Storage>: Source<T> {
    /// Computes element `i`.
    unsafe fn element(&self, i: usize) -> T::Real;

    /// Computes `n` elements from the first on that are two apart. Nothing after the last one is
    /// read.
    unsafe fn load_every_second<S: Lanes<T>>(&self, n: usize) -> S::V;
}

/// One plane.
#[derive(Clone, Copy)]
pub(crate) struct One<T>(pub *const T);

/// The sum of two planes.
#[derive(Clone, Copy)]
pub(crate) struct Sum<T>(pub *const T, pub *const T);

/// A plane, masked by the ReLU's output `gate`.
#[derive(Clone, Copy)]
pub(crate) struct Masked<T> {
    pub of: *const T,
    pub gate: *const T,
}

/// The backward pass of a batch norm: `dy_coefficient * dy + x_coefficient * x + constant`.
#[derive(Clone, Copy)]
pub(crate) struct NormPlane<T: Storage> {
    pub dy: *const T,
    pub x: *const T,
    pub dy_coefficient: T::Real,
    pub x_coefficient: T::Real,
    pub constant: T::Real,
}

impl<T: Storage> Source<T> for One<T> {
    const IS_STORED: bool = true;

    fn skip(self, n: usize) -> Self {
        One(self.0.wrapping_add(n))
    }

    #[inline(always)]
    unsafe fn prefetch<S: Lanes<T>>(&self, i: usize) {
        // SAFETY: any address may be prefetched.
        unsafe { S::prefetch(self.0.wrapping_add(i)) }
    }

    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n.
        unsafe { S::read_n(self.0.add(i), n) }
    }
}

impl<T: Storage> StridedSource<T> for One<T> {
    #[inline(always)]
    unsafe fn element(&self, i: usize) -> T::Real {
        // SAFETY: the caller guarantees element `i`.
        unsafe { *self.0.add(i) }.real()
    }

    #[inline(always)]
    unsafe fn load_every_second<S: Lanes<T>>(&self, n: usize) -> S::V {
        // SAFETY: the caller guarantees the elements from the first to the last one.
        unsafe { S::read_every_second(self.0, n) }
    }
}

impl<T: Storage> Source<T> for Sum<T> {
    const IS_STORED: bool = false;

    fn skip(self, n: usize) -> Self {
        Sum(self.0.wrapping_add(n), self.1.wrapping_add(n))
    }

    #[inline(always)]
    unsafe fn prefetch<S: Lanes<T>>(&self, i: usize) {
        // SAFETY: any address may be prefetched.
        unsafe {
            S::prefetch(self.0.wrapping_add(i));
            S::prefetch(self.1.wrapping_add(i));
        }
    }

    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n of both planes.
        unsafe { S::add(S::read_n(self.0.add(i), n), S::read_n(self.1.add(i), n)) }
    }
}

impl<T: Storage> StridedSource<T> for Sum<T> {
    #[inline(always)]
    unsafe fn element(&self, i: usize) -> T::Real {
        // SAFETY: the caller guarantees element `i` of both planes.
        unsafe { (*self.0.add(i)).real() + (*self.1.add(i)).real() }
    }

    #[inline(always)]
    unsafe fn load_every_second<S: Lanes<T>>(&self, n: usize) -> S::V {
        // SAFETY: the caller guarantees the elements from the first to the last one.
        unsafe { S::add(S::read_every_second(self.0, n), S::read_every_second(self.1, n)) }
    }
}

impl<T: Storage> Source<T> for Masked<T> {
    const IS_STORED: bool = true;

    fn skip(self, n: usize) -> Self {
        Masked { of: self.of.wrapping_add(n), gate: self.gate.wrapping_add(n) }
    }

    #[inline(always)]
    unsafe fn prefetch<S: Lanes<T>>(&self, i: usize) {
        // SAFETY: any address may be prefetched.
        unsafe {
            S::prefetch(self.of.wrapping_add(i));
            S::prefetch(self.gate.wrapping_add(i));
        }
    }

    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n of both planes.
        unsafe { S::where_positive(S::read_n(self.gate.add(i), n), S::read_n(self.of.add(i), n)) }
    }
}

impl<T: Storage> Source<T> for NormPlane<T> {
    const IS_STORED: bool = false;

    fn skip(self, n: usize) -> Self {
        NormPlane { dy: self.dy.wrapping_add(n), x: self.x.wrapping_add(n), ..self }
    }

    #[inline(always)]
    unsafe fn prefetch<S: Lanes<T>>(&self, i: usize) {
        // SAFETY: any address may be prefetched.
        unsafe {
            S::prefetch(self.dy.wrapping_add(i));
            S::prefetch(self.x.wrapping_add(i));
        }
    }

    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n of both planes.
        unsafe {
            let dy = S::read_n(self.dy.add(i), n);
            let x = S::read_n(self.x.add(i), n);
            let rest = S::fma(S::splat(self.x_coefficient), x, S::splat(self.constant));
            let all = S::fma(S::splat(self.dy_coefficient), dy, rest);
            if n == S::LANES { all } else { S::first(all, n) }
        }
    }
}
