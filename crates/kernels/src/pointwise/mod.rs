//! Elementwise operations: sums, ReLU, sigmoid, gates, copies. A result may alias an argument.
//! `loops` has the loops over one plane.

pub(crate) mod loops;

use std::ops::Range;

use crate::dispatch::Real;
use crate::dispatch::Stored;
use crate::element::Element;
use crate::source::{Masked, One, Sum};
use crate::stored::Storage;
use crate::view::View;
use loops::{PlaneCopy, PlaneSum, Product, Scale};

/// Writes the sum of `terms` into `out`, or accumulates it. `out` may be the first term, or either
/// of two.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn add<T: Stored>(terms: &[View<T>], out: View<T>, add: bool, images: Range<usize>) {
    assert!(terms.iter().all(|term| term.same_shape(&out)));
    for image in images {
        for (i, pair) in terms.chunks(2).enumerate() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let copies = &T::kernels().copy;
                let first = pair[0].plane(image, 0).cast_const();
                let second = pair.get(1).map(|term| term.plane(image, 0).cast_const());
                let len = out.image_len();
                let into = out.plane(image, 0);
                let add = add || i > 0;
                match second {
                    None => (copies.one.of(add))(&PlaneCopy { source: One(first), into, len }),
                    Some(second) => {
                        let source = Sum(first, second);
                        (copies.sum.of(add))(&PlaneCopy { source, into, len });
                    }
                }
            }
        }
    }
}

/// Computes `out = max(x, 0)`; NaN stays NaN.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn relu<T: Stored>(x: View<T>, out: View<T>, images: Range<usize>) {
    assert!(x.same_shape(&out));
    for image in images {
        // SAFETY: the contract at `View` covers these planes.
        unsafe {
            let source = One(x.plane(image, 0).cast_const());
            let into = out.plane(image, 0);
            (T::kernels().relu)(&PlaneCopy { source, into, len: out.image_len() });
        }
    }
}

/// Writes, or accumulates, the gradient of a ReLU's input: the gradient where the ReLU's output is
/// positive, else zero.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn relu_backward<T: Stored>(
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
            let of = gradient.plane(image, 0).cast_const();
            let source = Masked { of, gate: output.plane(image, 0) };
            let len = into.image_len();
            let into = into.plane(image, 0);
            (T::kernels().copy.masked.of(add))(&PlaneCopy { source, into, len });
        }
    }
}

/// Computes `out = 1 / (1 + exp(-x))`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sigmoid<T: Stored>(x: View<T>, out: View<T>, images: Range<usize>) {
    assert!(x.same_shape(&out));
    for image in images {
        for i in 0..x.image_len() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let value = (*x.plane(image, 0).add(i)).real();
                let (zero, one) = (T::Real::ZERO, T::Real::ONE);
                *out.plane(image, 0).add(i) = T::stored(one / (one + (zero - value).exp()));
            }
        }
    }
}

/// Writes, or accumulates, the gradient of a sigmoid's input: `gradient * output * (1 - output)`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sigmoid_backward<T: Stored>(
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
                let y = (*output.plane(image, 0).add(i)).real();
                let dy = (*gradient.plane(image, 0).add(i)).real();
                let value = dy * y * (T::Real::ONE - y);
                let at = into.plane(image, 0).add(i);
                *at = T::stored(if add { (*at).real() + value } else { value });
            }
        }
    }
}

/// Writes, or accumulates, `x` times one value of `gate` (`[channels][1][1]`) per channel and
/// image. With the gradient of the output as `x`, this is the gradient of `x`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn gate<T: Stored, G: Storage<Real = T::Real>>(
    x: View<T>,
    gate: View<G>,
    out: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(x.same_shape(&out) && gate.image_len() == x.channels && gate.channels == x.channels);
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let scale = Scale {
                    of: x.plane(image, channel),
                    factor: (*gate.plane(image, channel)).real(),
                    into: out.plane(image, channel),
                    len: out.plane_len(),
                };
                (T::kernels().scale.of(add))(&scale);
            }
        }
    }
}

/// Writes, or accumulates, `x` times `factors`, element by element.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn multiply<T: Stored, G: Storage<Real = T::Real>>(
    x: View<T>,
    factors: View<G>,
    out: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(x.same_shape(&out) && x.same_shape(&factors));
    for image in images {
        for i in 0..x.image_len() {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let value =
                    (*x.plane(image, 0).add(i)).real() * (*factors.plane(image, 0).add(i)).real();
                let at = out.plane(image, 0).add(i);
                *at = T::stored(if add { (*at).real() + value } else { value });
            }
        }
    }
}

/// Writes, or accumulates, the gradient of each gate: the sum over its plane of `gradient * x`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn gate_backward<T: Stored>(
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
                let a = gradient.plane(image, channel).cast_const();
                let of = Product(a, x.plane(image, channel));
                let products = PlaneSum { of, len: x.plane_len(), sum: &mut sum };
                (T::kernels().product_sum)(&products);
                let at = into.plane(image, channel);
                let value = T::Real::from_f64(sum);
                *at = T::stored(if add { (*at).real() + value } else { value });
            }
        }
    }
}

/// The dot product of two slices.
pub fn dot<R: Real>(a: &[R], b: &[R]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut sum = 0.0;
    let of = Product(a.as_ptr(), b.as_ptr());
    // SAFETY: both slices have this length.
    unsafe { (R::real_kernels().product_sum)(&PlaneSum { of, len: a.len(), sum: &mut sum }) };
    sum
}
