//! Elementwise operations: sums, ReLU, sigmoid, gates, copies. A result may alias an argument.

use std::ops::Range;

use crate::conv::pack::{ONE, PlaneSource, RELU, SUM};
use crate::real::{Real, Simd};
use crate::vector_loop::{LoopBody, for_each_vector};
use crate::view::View;

/// Writes the sum of `terms` into `out`, or accumulates it. `out` may be the first term, or either
/// of two.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn add<T: Real>(terms: &[View<T>], out: View<T>, add: bool, images: Range<usize>) {
    assert!(terms.iter().all(|term| term.same_shape(&out)));
    for image in images {
        for (i, pair) in terms.chunks(2).enumerate() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let mut source = PlaneSource::one(pair[0].plane(image, 0));
                source.second =
                    pair.get(1).map_or(std::ptr::null(), |term| term.plane(image, 0).cast_const());
                let kind = if pair.len() == 2 { SUM } else { ONE };
                copy_from(kind, source, out.plane(image, 0), out.image_len(), add || i > 0);
            }
        }
    }
}

/// Computes `out = max(x, 0)`; NaN stays NaN.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn relu<T: Real>(x: View<T>, out: View<T>, images: Range<usize>) {
    assert!(x.same_shape(&out));
    for image in images {
        // SAFETY: the contract at `View` covers these planes.
        unsafe {
            let copy = PlaneCopy::new(
                PlaneSource::one(x.plane(image, 0)),
                out.plane(image, 0),
                out.image_len(),
            );
            (T::kernels().relu)(&copy);
        }
    }
}

/// Writes, or accumulates, the gradient of a ReLU's input: the gradient where the ReLU's output is
/// positive, else zero.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn relu_backward<T: Real>(
    gradient: View<T>,
    output: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(gradient.same_shape(&into) && output.same_shape(&into));
    for image in images {
        // SAFETY: the contract at `View` covers these planes.
        unsafe {
            let source = PlaneSource {
                second: output.plane(image, 0),
                ..PlaneSource::one(gradient.plane(image, 0))
            };
            copy_from(RELU, source, into.plane(image, 0), into.image_len(), add);
        }
    }
}

/// Computes `out = 1 / (1 + exp(-x))`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sigmoid<T: Real>(x: View<T>, out: View<T>, images: Range<usize>) {
    assert!(x.same_shape(&out));
    for image in images {
        for i in 0..x.image_len() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let value = *x.plane(image, 0).add(i);
                *out.plane(image, 0).add(i) = T::ONE / (T::ONE + (T::ZERO - value).exp());
            }
        }
    }
}

/// Writes, or accumulates, the gradient of a sigmoid's input: `gradient * output * (1 - output)`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sigmoid_backward<T: Real>(
    gradient: View<T>,
    output: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(gradient.same_shape(&output) && into.same_shape(&output));
    for image in images {
        for i in 0..output.image_len() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let y = *output.plane(image, 0).add(i);
                let value = *gradient.plane(image, 0).add(i) * y * (T::ONE - y);
                let at = into.plane(image, 0).add(i);
                *at = if add { *at + value } else { value };
            }
        }
    }
}

/// Writes, or accumulates, `x` times one value of `gate` (`[channels][1][1]`) per channel and
/// image. With the gradient of the output as `x`, this is the gradient of `x`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn gate<T: Real>(
    x: View<T>,
    gate: View<T>,
    out: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(x.same_shape(&out) && gate.image_len() == x.channels && gate.channels == x.channels);
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let mut source = PlaneSource::one(x.plane(image, channel));
                source.first_factor = *gate.plane(image, channel);
                let copy = PlaneCopy::new(source, out.plane(image, channel), out.plane_len());
                (T::kernels().scale[usize::from(add)])(&copy);
            }
        }
    }
}

/// Writes, or accumulates, the gradient of each gate: the sum over its plane of `gradient * x`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn gate_backward<T: Real>(
    gradient: View<T>,
    x: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(
        x.same_shape(&gradient) && into.image_len() == x.channels && into.channels == x.channels
    );
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let mut sum = 0.0;
                let a = gradient.plane(image, channel);
                let b = x.plane(image, channel);
                (T::kernels().product_sum)(&ProductSum { a, b, len: x.plane_len(), sum: &mut sum });
                let at = into.plane(image, channel);
                let value = T::from_f64(sum);
                *at = if add { *at + value } else { value };
            }
        }
    }
}

/// The arguments of a kernel that maps a plane source to a plane.
pub(crate) struct PlaneCopy<T> {
    source: PlaneSource<T>,
    into: *mut T,
    len: usize,
}

impl<T> PlaneCopy<T> {
    pub(crate) fn new(source: PlaneSource<T>, into: *mut T, len: usize) -> Self {
        PlaneCopy { source, into, len }
    }
}

/// Writes, or accumulates, the plane of a source of this kind.
///
/// # Safety
/// The source's planes and `into` have `len` elements.
pub(crate) unsafe fn copy_from<T: Real>(
    kind: usize,
    source: PlaneSource<T>,
    into: *mut T,
    len: usize,
    add: bool,
) {
    // SAFETY: the contract at `View` covers these planes.
    unsafe { (T::kernels().copy[kind][usize::from(add)])(&PlaneCopy { source, into, len }) }
}

struct Copying<'a, T, const KIND: usize, const ADD: usize>(&'a PlaneCopy<T>);

impl<T: Real, S: Simd<T>, const KIND: usize, const ADD: usize> LoopBody<T, S>
    for Copying<'_, T, KIND, ADD>
{
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let v = self.0.source.load::<S, KIND>(i, n);
            let at = self.0.into.add(i);
            S::store_n(at, if ADD == 1 { S::add(S::load_n(at, n), v) } else { v }, n);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn copy_plane<T: Real, S: Simd<T>, const KIND: usize, const ADD: usize>(
    copy: &PlaneCopy<T>,
) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Copying::<T, KIND, ADD>(copy), copy.len) }
}

struct Rectifying<'a, T>(&'a PlaneCopy<T>);

impl<T: Real, S: Simd<T>> LoopBody<T, S> for Rectifying<'_, T> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe { S::store_n(self.0.into.add(i), S::relu(self.0.source.load::<S, ONE>(i, n)), n) }
    }
}

#[inline(always)]
pub(crate) unsafe fn relu_plane<T: Real, S: Simd<T>>(copy: &PlaneCopy<T>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Rectifying(copy), copy.len) }
}

/// The loop body of [`scale_plane`]: multiplies by the source's `first_factor`.
struct Scaling<'a, T, const ADD: usize>(&'a PlaneCopy<T>);

impl<T: Real, S: Simd<T>, const ADD: usize> LoopBody<T, S> for Scaling<'_, T, ADD> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let v = self.0.source.load::<S, ONE>(i, n);
            let at = self.0.into.add(i);
            let factor = S::splat(self.0.source.first_factor);
            S::store_n(
                at,
                if ADD == 1 { S::fma(v, factor, S::load_n(at, n)) } else { S::mul(v, factor) },
                n,
            );
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn scale_plane<T: Real, S: Simd<T>, const ADD: usize>(copy: &PlaneCopy<T>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { for_each_vector::<T, S, _>(&mut Scaling::<T, ADD>(copy), copy.len) }
}

/// The dot product of two slices.
pub fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut sum = 0.0;
    let products = ProductSum { a: a.as_ptr(), b: b.as_ptr(), len: a.len(), sum: &mut sum };
    // SAFETY: both slices have this length.
    unsafe { (T::kernels().product_sum)(&products) };
    sum
}

/// The arguments of a dot product of two planes, or of a sum over one plane where `b` is null.
pub(crate) struct ProductSum<T> {
    pub a: *const T,
    pub b: *const T,
    pub len: usize,
    pub sum: *mut f64,
}

struct Products<'a, T: Real, S: Simd<T>> {
    planes: &'a ProductSum<T>,
    start: usize,
    sum: S::V,
}

impl<T: Real, S: Simd<T>> LoopBody<T, S> for Products<'_, T, S> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let a = S::load_n(self.planes.a.add(self.start + i), n);
            self.sum = match self.planes.b.is_null() {
                true => S::add(self.sum, a),
                false => S::fma(a, S::load_n(self.planes.b.add(self.start + i), n), self.sum),
            };
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn product_sum_of<T: Real, S: Simd<T>>(planes: &ProductSum<T>) {
    const SHORT: usize = 256;
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe {
        for start in (0..planes.len).step_by(SHORT) {
            let mut products = Products::<T, S> { planes, start, sum: S::splat(T::ZERO) };
            for_each_vector::<T, S, _>(&mut products, SHORT.min(planes.len - start));
            *planes.sum += S::sum_f64(products.sum);
        }
    }
}
