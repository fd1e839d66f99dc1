//! Batch norm: its sums, its output, and its gradients. The caller computes the mean, variance,
//! scale, shift and running statistics from the sums, which are a few numbers per channel.
//!
//! `loops` has the loops over one plane. [`group`] has the group norm.

pub mod group;
pub(crate) mod loops;

use std::ops::Range;

use crate::conv::gradient::{Gradient, GradientPlane};
use crate::dispatch::Stored;
use crate::element::Element;
use crate::pointwise::loops::PlaneCopy;
use crate::view::View;
use loops::{MaskedProducts, NoTerm, Normalize, PlaneSums, Products, Squares, Term};

/// A tensor that is added to a norm's output before the ReLU, optionally with a scale and shift per
/// channel.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T: Stored> {
    /// The tensor, which has the shape of the norm's input.
    pub view: View<T>,
    /// The scale and the shift of each channel.
    pub affine: Option<Affine<'a, T::Real>>,
}

/// A scale and a shift per channel.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, R> {
    pub scale: &'a [R],
    pub shift: &'a [R],
}

/// Adds each channel's sum to `sums[..channels]` and each channel's sum of squares to
/// `sums[channels..]`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sums<T: Stored>(x: View<T>, images: Range<usize>, sums: &mut [f64]) {
    assert_eq!(sums.len(), 2 * x.channels);
    let (sum, squares) = sums.split_at_mut(x.channels);
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let sums = PlaneSums {
                    of: Squares(x.plane(image, channel)),
                    len: x.plane_len(),
                    sums: [&raw mut sum[channel], &raw mut squares[channel]],
                };
                (T::kernels().sums.squares)(&sums);
            }
        }
    }
}

/// Computes `out = relu(x * scale + shift + residual * residual_scale + residual_shift)` with
/// scales and shifts per channel. The ReLU and the residual are optional. `out` may be `x` or the
/// residual.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn normalize<T: Stored>(
    x: View<T>,
    Affine { scale, shift }: Affine<T::Real>,
    residual: Option<Residual<T>>,
    relu: bool,
    out: View<T>,
    images: Range<usize>,
) {
    assert!(x.same_shape(&out) && residual.is_none_or(|residual| residual.view.same_shape(&out)));
    assert_eq!((scale.len(), shift.len()), (x.channels, x.channels));
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let normalize = Normalize {
                    x: x.plane(image, channel),
                    term: NoTerm,
                    out: out.plane(image, channel),
                    len: x.plane_len(),
                    scale: scale[channel],
                    shift: shift[channel],
                    relu,
                };
                let Some(residual) = residual else {
                    (T::kernels().normalize.plain)(&normalize);
                    continue;
                };
                let (factor, extra) = residual.affine.map_or((T::Real::ONE, T::Real::ZERO), |of| {
                    (of.scale[channel], of.shift[channel])
                });
                let plane = residual.view.plane(image, channel).cast_const();
                let shift = normalize.shift + extra;
                let normalize = normalize.with(Term { plane, factor }, shift);
                (T::kernels().normalize.residual)(&normalize);
            }
        }
    }
}

/// Adds the sum of each channel's gradient dy to the first sums, and the sum of dy * (x - mean) to
/// the second. With a ReLU, dy is first masked in place: it becomes zero where the ReLU's output is
/// not positive.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn backward_sums<T: Stored>(
    gradient: View<T>,
    relu: Option<View<T>>,
    x: View<T>,
    mean: &[T::Real],
    images: Range<usize>,
    [sum, products]: [&mut [f64]; 2],
) {
    assert!(x.same_shape(&gradient) && relu.is_none_or(|relu| relu.same_shape(&x)));
    assert_eq!([mean.len(), sum.len(), products.len()], [x.channels; 3]);
    for image in images {
        for channel in 0..x.channels {
            let sums = [&raw mut sum[channel], &raw mut products[channel]];
            let len = x.plane_len();
            let mean = mean[channel];
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let gradient = gradient.plane(image, channel);
                let x = x.plane(image, channel).cast_const();
                match relu.map(|relu| relu.plane(image, channel).cast_const()) {
                    None => {
                        let of = Products { gradient, x, mean };
                        (T::kernels().sums.products)(&PlaneSums { of, len, sums });
                    }
                    Some(gate) => {
                        let of = MaskedProducts { gradient, gate, x, mean };
                        (T::kernels().sums.masked_products)(&PlaneSums { of, len, sums });
                    }
                }
            }
        }
    }
}

/// Writes, or accumulates, the gradient of a norm's input. Needed only where the input is not the
/// output of a convolution, whose backward pass computes this gradient as it reads it.
///
/// # Safety
/// The contract at [`View`]; `into` may be any of the gradient's views.
pub unsafe fn input_gradient<T: Stored>(
    gradient: &Gradient<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    gradient.check();
    assert!(into.same_shape(&gradient.of));
    for image in images {
        for channel in 0..into.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let len = into.plane_len();
                let into = into.plane(image, channel);
                let copies = &T::kernels().copy;
                match gradient.plane(image, channel) {
                    GradientPlane::One(source) => {
                        (copies.one.of(add))(&PlaneCopy { source, into, len });
                    }
                    GradientPlane::Norm(source) => {
                        (copies.norm.of(add))(&PlaneCopy { source, into, len });
                    }
                }
            }
        }
    }
}
