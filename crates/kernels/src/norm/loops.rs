//! The loops of a batch norm over one plane.
//!
//! Sums over at most 256 elements are taken in `T`; these sums are added in f64.

use crate::element::Element;
use crate::stored::{Lanes, Storage};
use crate::vector_loop::{LoopBody, for_each_vector};

/// The most elements that are summed in `T`.
const SHORT: usize = 256;

/// The two factors of a sum of products, of which the first is also summed by itself.
pub(crate) trait Factors<T: Storage>: Copy {
    /// Computes `n` lanes of both factors from element `i` on.
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> [S::V; 2];
}

/// x and x.
#[derive(Clone, Copy)]
pub(crate) struct Squares<T>(pub *const T);

/// The gradient and x - mean.
#[derive(Clone, Copy)]
pub(crate) struct Products<T: Storage> {
    pub gradient: *const T,
    pub x: *const T,
    pub mean: T::Real,
}

/// The gradient and x - mean. The gradient is masked by the ReLU's output `gate`, in place.
#[derive(Clone, Copy)]
pub(crate) struct MaskedProducts<T: Storage> {
    pub gradient: *mut T,
    pub gate: *const T,
    pub x: *const T,
    pub mean: T::Real,
}

impl<T: Storage> Factors<T> for Squares<T> {
    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> [S::V; 2] {
        // SAFETY: the caller guarantees elements i..i + n.
        let x = unsafe { S::read_n(self.0.add(i), n) };
        [x, x]
    }
}

impl<T: Storage> Factors<T> for Products<T> {
    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> [S::V; 2] {
        // SAFETY: the caller guarantees elements i..i + n of both planes.
        unsafe {
            let x = S::read_n(self.x.add(i), n);
            [S::read_n(self.gradient.add(i), n), S::sub(x, S::splat(self.mean))]
        }
    }
}

impl<T: Storage> Factors<T> for MaskedProducts<T> {
    #[inline(always)]
    unsafe fn load<S: Lanes<T>>(&self, i: usize, n: usize) -> [S::V; 2] {
        // SAFETY: the caller guarantees elements i..i + n of all planes.
        unsafe {
            let x = S::read_n(self.x.add(i), n);
            let gate = S::read_n(self.gate.add(i), n);
            let masked = S::where_positive(gate, S::read_n(self.gradient.add(i), n));
            S::write_n(self.gradient.add(i), masked, n);
            [masked, S::sub(x, S::splat(self.mean))]
        }
    }
}

/// The arguments of [`sums_of`].
pub(crate) struct PlaneSums<F> {
    pub of: F,
    pub len: usize,
    /// The addresses to which the sum and the sum of products are added.
    pub sums: [*mut f64; 2],
}

/// The loop body that takes a sum and a sum of products, lane by lane.
struct Pair<T: Storage, S: Lanes<T>, F> {
    of: F,
    start: usize,
    sum: S::V,
    products: S::V,
}

impl<T: Storage, S: Lanes<T>, F: Factors<T>> LoopBody<T, S> for Pair<T, S, F> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let [first, second] = self.of.load::<S>(self.start + i, n);
            self.sum = S::add(self.sum, first);
            self.products = S::fma(first, second, self.products);
        }
    }
}

/// Takes both sums of a plane: in `T` over short ranges, whose sums are added in f64.
#[inline(always)]
pub(crate) unsafe fn sums_of<T: Storage, S: Lanes<T>, F: Factors<T>>(s: &PlaneSums<F>) {
    let of = s.of;
    let mut sum = 0.0;
    let mut products = 0.0;
    // SAFETY: the caller's planes have `len` elements.
    unsafe {
        let zero = S::splat(T::Real::ZERO);
        for start in (0..s.len).step_by(SHORT) {
            let mut pair = Pair::<T, S, F> { of, start, sum: zero, products: zero };
            for_each_vector::<T, S, _>(&mut pair, SHORT.min(s.len - start));
            sum += S::sum_f64(pair.sum);
            products += S::sum_f64(pair.products);
        }
        *s.sums[0] += sum;
        *s.sums[1] += products;
    }
}

/// The term that is added to a norm's result.
pub(crate) trait Added<T: Storage>: Copy {
    /// Adds `n` lanes from element `i` on.
    unsafe fn add_to<S: Lanes<T>>(&self, v: S::V, i: usize, n: usize) -> S::V;
}

/// No term.
#[derive(Clone, Copy)]
pub(crate) struct NoTerm;

/// A plane times a factor.
#[derive(Clone, Copy)]
pub(crate) struct Term<T: Storage> {
    pub plane: *const T,
    pub factor: T::Real,
}

impl<T: Storage> Added<T> for NoTerm {
    #[inline(always)]
    unsafe fn add_to<S: Lanes<T>>(&self, v: S::V, _: usize, _: usize) -> S::V {
        v
    }
}

impl<T: Storage> Added<T> for Term<T> {
    #[inline(always)]
    unsafe fn add_to<S: Lanes<T>>(&self, v: S::V, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n.
        unsafe { S::fma(S::read_n(self.plane.add(i), n), S::splat(self.factor), v) }
    }
}

/// The arguments of [`normalize_plane`]: `out = relu(x * scale + shift + term)`.
#[derive(Clone, Copy)]
pub(crate) struct Normalize<T: Storage, A> {
    pub x: *const T,
    pub term: A,
    pub out: *mut T,
    pub len: usize,
    pub scale: T::Real,
    pub shift: T::Real,
    pub relu: bool,
}

impl<T: Storage> Normalize<T, NoTerm> {
    /// The same with a term and another shift.
    pub(crate) fn with(self, term: Term<T>, shift: T::Real) -> Normalize<T, Term<T>> {
        let Normalize { x, out, len, scale, relu, .. } = self;
        Normalize { x, term, out, len, scale, shift, relu }
    }
}

impl<T: Storage, S: Lanes<T>, A: Added<T>> LoopBody<T, S> for Normalize<T, A> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let x = S::read_n(self.x.add(i), n);
            let v = S::fma(x, S::splat(self.scale), S::splat(self.shift));
            let v = self.term.add_to::<S>(v, i, n);
            S::write_n(self.out.add(i), if self.relu { S::relu(v) } else { v }, n);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn normalize_plane<T: Storage, S: Lanes<T>, A: Added<T>>(
    plane: &Normalize<T, A>,
) {
    let mut body = *plane;
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut body, plane.len) }
}
