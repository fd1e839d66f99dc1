//! Group norm: each image is normalized over the pixels of groups of neighboring channels. The
//! backward pass takes the statistics again, which costs less than keeping them.

use std::ops::Range;

use super::loops::{NoTerm, Normalize, PlaneSums, Products, Squares};
use crate::dispatch::Stored;
use crate::element::Element;
use crate::pointwise::loops::PlaneCopy;
use crate::source::NormPlane;
use crate::view::View;

/// A group norm with its trained values, one of each for a channel.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm<'a, R> {
    pub groups: usize,
    pub eps: f64,
    pub weight: &'a [R],
    pub bias: &'a [R],
}

/// The mean of a group of one image, and 1 / sqrt(variance + eps).
#[derive(Clone, Copy)]
struct Statistics {
    mean: f64,
    inverse: f64,
}

impl<R> GroupNorm<'_, R> {
    /// The channels of a group.
    fn channels(&self, group: usize) -> Range<usize> {
        let each = self.weight.len() / self.groups;
        group * each..(group + 1) * each
    }

    fn check<T>(&self, x: View<T>) {
        assert!(self.groups > 0 && x.channels.is_multiple_of(self.groups));
        assert_eq!([self.weight.len(), self.bias.len()], [x.channels; 2]);
    }
}

/// Normalizes some groups of `x` into `out`.
///
/// # Safety
/// The contract at [`View`]; `out` may be `x`.
pub unsafe fn forward<T: Stored>(
    of: GroupNorm<T::Real>,
    x: View<T>,
    out: View<T>,
    images: Range<usize>,
    groups: Range<usize>,
) {
    of.check(x);
    assert!(x.same_shape(&out) && groups.end <= of.groups);
    for image in images {
        for group in groups.clone() {
            let channels = of.channels(group);
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let Statistics { mean, inverse } = statistics(x, image, &channels, of.eps);
                for channel in channels {
                    let scale = of.weight[channel].to_f64() * inverse;
                    let shift = of.bias[channel].to_f64() - mean * scale;
                    (T::kernels().normalize.plain)(&Normalize {
                        x: x.plane(image, channel),
                        term: NoTerm,
                        out: out.plane(image, channel),
                        len: x.plane_len(),
                        scale: T::Real::from_f64(scale),
                        shift: T::Real::from_f64(shift),
                        relu: false,
                    });
                }
            }
        }
    }
}

/// Adds the gradients of weights and biases to `weight` and `bias`, and writes, or accumulates, the
/// gradient of the input.
///
/// # Safety
/// The contract at [`View`]; `into` may be the gradient.
pub unsafe fn backward<T: Stored>(
    of: GroupNorm<T::Real>,
    [gradient, x]: [View<T>; 2],
    [weight, bias]: [&mut [T::Real]; 2],
    (into, add): (View<T>, bool),
    images: Range<usize>,
) {
    of.check(x);
    assert!(x.same_shape(&gradient) && x.same_shape(&into));
    assert_eq!([weight.len(), bias.len()], [x.channels; 2]);
    for image in images {
        for group in 0..of.groups {
            let channels = of.channels(group);
            let n = (channels.len() * x.plane_len()) as f64;
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let Statistics { mean, inverse } = statistics(x, image, &channels, of.eps);
                let mean = T::Real::from_f64(mean);
                // The sums over the group of the gradient times the weight, and of that times the
                // normalized input.
                let [mut sum, mut product] = [0.0; 2];
                for channel in channels.clone() {
                    let (dy, dy_x) = sums(gradient, x, image, channel, mean);
                    sum += of.weight[channel].to_f64() * dy;
                    product += of.weight[channel].to_f64() * dy_x * inverse;
                    weight[channel] += T::Real::from_f64(dy_x * inverse);
                    bias[channel] += T::Real::from_f64(dy);
                }
                let x_coefficient = -inverse * inverse * product / n;
                let constant = -inverse * sum / n - x_coefficient * mean.to_f64();
                for channel in channels {
                    let source = NormPlane {
                        dy: gradient.plane(image, channel).cast_const(),
                        x: x.plane(image, channel),
                        dy_coefficient: T::Real::from_f64(of.weight[channel].to_f64() * inverse),
                        x_coefficient: T::Real::from_f64(x_coefficient),
                        constant: T::Real::from_f64(constant),
                    };
                    let len = x.plane_len();
                    let into = into.plane(image, channel);
                    (T::kernels().copy.norm.of(add))(&PlaneCopy { source, into, len });
                }
            }
        }
    }
}

/// The statistics of a group, whose planes are contiguous.
unsafe fn statistics<T: Stored>(
    x: View<T>,
    image: usize,
    channels: &Range<usize>,
    eps: f64,
) -> Statistics {
    let [mut sum, mut squares] = [0.0; 2];
    let len = channels.len() * x.plane_len();
    // SAFETY: the caller guarantees the planes.
    unsafe {
        let of = Squares(x.plane(image, channels.start));
        (T::kernels().sums.squares)(&PlaneSums { of, len, sums: [&raw mut sum, &raw mut squares] });
    }
    let mean = sum / len as f64;
    let variance = (squares / len as f64 - mean * mean).max(0.0);
    Statistics { mean, inverse: 1.0 / (variance + eps).sqrt() }
}

/// The sums over a channel of the gradient, and of the gradient times the distance from the mean.
unsafe fn sums<T: Stored>(
    gradient: View<T>,
    x: View<T>,
    image: usize,
    channel: usize,
    mean: T::Real,
) -> (f64, f64) {
    let [mut sum, mut products] = [0.0; 2];
    // SAFETY: the caller guarantees the planes.
    unsafe {
        let gradient = gradient.plane(image, channel);
        let of = Products { gradient, x: x.plane(image, channel), mean };
        let sums = [&raw mut sum, &raw mut products];
        (T::kernels().sums.products)(&PlaneSums { of, len: x.plane_len(), sums });
    }
    (sum, products)
}
