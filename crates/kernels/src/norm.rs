//! Batch norm: its sums, its output, and its gradients. The caller computes the mean, variance,
//! scale, shift and running statistics from the sums, which are a few numbers per channel.
//!
//! Sums over at most 256 elements are taken in `T`; these sums are added in f64.

use std::marker::PhantomData;
use std::ops::Range;

use crate::conv::Gradient;
use crate::pointwise::copy_from;
use crate::real::{Real, Simd};
use crate::vector_loop::{LoopBody, for_each_vector};
use crate::view::View;

/// The most elements that are summed in `T`.
const SHORT: usize = 256;

/// A tensor that is added to a norm's output before the ReLU, optionally with a scale and shift per
/// channel.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T> {
    /// The tensor, which has the shape of the norm's input.
    pub view: View<T>,
    /// The scale and the shift of each channel.
    pub affine: Option<(&'a [T], &'a [T])>,
}

/// Adds each channel's sum to `sums[..channels]` and each channel's sum of squares to
/// `sums[channels..]`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn sums<T: Real>(x: View<T>, images: Range<usize>, sums: &mut [f64]) {
    assert_eq!(sums.len(), 2 * x.channels);
    let (sum, squares) = sums.split_at_mut(x.channels);
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let sums = PlaneSums {
                    x: x.plane(image, channel),
                    len: x.plane_len(),
                    sums: [&raw mut sum[channel], &raw mut squares[channel]],
                };
                (T::kernels().sums)(&sums);
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
pub unsafe fn normalize<T: Real>(
    x: View<T>,
    scale: &[T],
    shift: &[T],
    residual: Option<Residual<T>>,
    relu: bool,
    out: View<T>,
    images: Range<usize>,
) {
    assert!(x.same_shape(&out) && residual.is_none_or(|residual| residual.view.same_shape(&out)));
    assert_eq!((scale.len(), shift.len()), (x.channels, x.channels));
    for image in images {
        for channel in 0..x.channels {
            let (second, extra) = match residual {
                Some(Residual { affine: Some((scale, shift)), .. }) => {
                    (scale[channel], shift[channel])
                }
                _ => (T::ONE, T::ZERO),
            };
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let normalize = Normalize {
                    x: x.plane(image, channel),
                    residual: residual
                        .map_or(std::ptr::null(), |r| r.view.plane(image, channel).cast_const()),
                    out: out.plane(image, channel),
                    len: x.plane_len(),
                    scale: scale[channel],
                    shift: shift[channel] + extra,
                    residual_scale: second,
                    relu,
                };
                (T::kernels().normalize[usize::from(residual.is_some())])(&normalize);
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
pub unsafe fn backward_sums<T: Real>(
    gradient: View<T>,
    relu: Option<View<T>>,
    x: View<T>,
    mean: &[T],
    images: Range<usize>,
    [sum, products]: [&mut [f64]; 2],
) {
    assert!(x.same_shape(&gradient) && relu.is_none_or(|relu| relu.same_shape(&x)));
    assert_eq!([mean.len(), sum.len(), products.len()], [x.channels; 3]);
    for image in images {
        for channel in 0..x.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let sums = BackwardSums {
                    gradient: gradient.plane(image, channel),
                    gate: relu
                        .map_or(std::ptr::null(), |relu| relu.plane(image, channel).cast_const()),
                    x: x.plane(image, channel),
                    mean: mean[channel],
                    len: x.plane_len(),
                    sums: [&raw mut sum[channel], &raw mut products[channel]],
                };
                (T::kernels().backward_sums[usize::from(relu.is_some())])(&sums);
            }
        }
    }
}

/// Writes, or accumulates, the gradient of a norm's input. Needed only where the input is not the
/// output of a convolution, whose backward pass computes this gradient as it reads it.
///
/// # Safety
/// The contract at [`View`]; `into` may be any of the gradient's views.
pub unsafe fn input_gradient<T: Real>(
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
                copy_from(
                    gradient.kind(),
                    gradient.source(image, channel),
                    into.plane(image, channel),
                    into.plane_len(),
                    add,
                );
            }
        }
    }
}

/// The arguments of [`sums_of`].
pub(crate) struct PlaneSums<T> {
    x: *const T,
    len: usize,
    sums: [*mut f64; 2],
}

/// The loop body that takes a sum and a sum of products, lane by lane.
struct Pair<T: Real, S: Simd<T>, const RELU: usize> {
    /// The second factor of the product; the first is the gradient.
    x: *const T,
    gradient: *mut T,
    gate: *const T,
    mean: S::V,
    sum: S::V,
    products: S::V,
    marker: PhantomData<T>,
}

/// The value of `RELU` with which both factors are `x`.
const SQUARES: usize = 2;

impl<T: Real, S: Simd<T>, const RELU: usize> LoopBody<T, S> for Pair<T, S, RELU> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let x = S::load_n(self.x.add(i), n);
            let (g, factor) = match RELU {
                SQUARES => (x, x),
                _ => {
                    let mut g = S::load_n(self.gradient.add(i), n);
                    if RELU == 1 {
                        g = S::where_positive(S::load_n(self.gate.add(i), n), g);
                        S::store_n(self.gradient.add(i), g, n);
                    }
                    (g, S::sub(x, self.mean))
                }
            };
            self.sum = S::add(self.sum, g);
            self.products = S::fma(g, factor, self.products);
        }
    }
}

/// Takes both sums of a plane: in `T` over short ranges, whose sums are added in f64.
#[inline(always)]
unsafe fn pair<T: Real, S: Simd<T>, const RELU: usize>(s: &BackwardSums<T>) {
    // SAFETY: the caller's planes have `len` elements, and pointers beyond the end are not read.
    unsafe {
        let zero = S::splat(T::ZERO);
        let mean = S::splat(s.mean);
        let marker = PhantomData;
        let mut sum = 0.0;
        let mut products = 0.0;
        let mut start = 0;
        while start < s.len {
            let part = SHORT.min(s.len - start);
            let x = s.x.wrapping_add(start);
            let gradient = s.gradient.wrapping_add(start);
            let gate = s.gate.wrapping_add(start);
            let mut pair =
                Pair::<T, S, RELU> { x, gradient, gate, mean, sum: zero, products: zero, marker };
            for_each_vector::<T, S, _>(&mut pair, part);
            sum += S::sum_f64(pair.sum);
            products += S::sum_f64(pair.products);
            start += SHORT;
        }
        *s.sums[0] += sum;
        *s.sums[1] += products;
    }
}

#[inline(always)]
pub(crate) unsafe fn sums_of<T: Real, S: Simd<T>>(s: &PlaneSums<T>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe {
        let none = std::ptr::null_mut();
        let PlaneSums { x, len, sums } = *s;
        pair::<T, S, SQUARES>(&BackwardSums {
            x,
            gradient: none,
            gate: none,
            mean: T::ZERO,
            len,
            sums,
        });
    }
}

/// The arguments of [`backward_sums_of`].
pub(crate) struct BackwardSums<T> {
    gradient: *mut T,
    /// The ReLU's output, or null.
    gate: *const T,
    x: *const T,
    mean: T,
    len: usize,
    sums: [*mut f64; 2],
}

#[inline(always)]
pub(crate) unsafe fn backward_sums_of<T: Real, S: Simd<T>, const RELU: usize>(s: &BackwardSums<T>) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe { pair::<T, S, RELU>(s) }
}

/// The arguments of [`normalize_plane`].
pub(crate) struct Normalize<T> {
    x: *const T,
    residual: *const T,
    out: *mut T,
    len: usize,
    scale: T,
    shift: T,
    residual_scale: T,
    relu: bool,
}

struct Affine<'a, T: Real, S: Simd<T>, const RESIDUAL: usize> {
    plane: &'a Normalize<T>,
    scale: S::V,
    shift: S::V,
    residual_scale: S::V,
}

impl<T: Real, S: Simd<T>, const RESIDUAL: usize> LoopBody<T, S> for Affine<'_, T, S, RESIDUAL> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let mut v = S::fma(S::load_n(self.plane.x.add(i), n), self.scale, self.shift);
            if RESIDUAL == 1 {
                v = S::fma(S::load_n(self.plane.residual.add(i), n), self.residual_scale, v);
            }
            S::store_n(self.plane.out.add(i), if self.plane.relu { S::relu(v) } else { v }, n);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn normalize_plane<T: Real, S: Simd<T>, const RESIDUAL: usize>(
    plane: &Normalize<T>,
) {
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe {
        let scale = S::splat(plane.scale);
        let shift = S::splat(plane.shift);
        let residual_scale = S::splat(plane.residual_scale);
        let mut affine = Affine::<T, S, RESIDUAL> { plane, scale, shift, residual_scale };
        for_each_vector::<T, S, _>(&mut affine, plane.len);
    }
}
