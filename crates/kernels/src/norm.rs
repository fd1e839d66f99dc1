//! Batch norm, with the ReLU behind it and the sum between them.
//!
//! Sums are taken in the numbers' own kind over short runs and in f64 across runs: fast, and as accurate as f64 throughout
//! where it matters.

use crate::conv::Gradient;
use crate::real::{Real, wide};
use crate::view::View;
use std::ops::Range;

/// Elements that are summed before f64 takes over, and sums side by side within a run.
const RUN: usize = 256;
const LANES: usize = 16;

/// Adds to `sums` (2 * channels) the sum of each channel over these images and, behind all of those, of its squares.
///
/// # Safety
/// The view must hold these images, and nobody may write to them meanwhile.
pub unsafe fn sums<T: Real>(x: View<T>, images: Range<usize>, sums: &mut [f64]) {
    // SAFETY: the caller's promise.
    unsafe { add_sums(x, images, sums) }
}

pub(crate) unsafe fn add_sums<T: Real>(x: View<T>, images: Range<usize>, sums: &mut [f64]) {
    let (first, second) = sums.split_at_mut(x.channels);
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let x = unsafe { x.read(image, channel) };
        let (sum, squares) = wide(|| runs(x, x, |a, _| (a, a * a)));
        first[channel] += sum;
        second[channel] += squares;
    }
}

/// Two sums over pairs of elements.
#[inline(always)]
fn runs<T: Real>(a: &[T], b: &[T], terms: impl Fn(T, T) -> (T, T)) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut lanes = [[T::ZERO; LANES]; 2];
        let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest = whole_a.remainder().iter().zip(whole_b.remainder());
        for (a, b) in whole_a.zip(whole_b) {
            for i in 0..LANES {
                let (x, y) = terms(a[i], b[i]);
                lanes[0][i] = lanes[0][i] + x;
                lanes[1][i] = lanes[1][i] + y;
            }
        }
        for (a, b) in rest {
            let (x, y) = terms(*a, *b);
            lanes[0][0] = lanes[0][0] + x;
            lanes[1][0] = lanes[1][0] + y;
        }
        first += lanes[0].into_iter().map(T::to_f64).sum::<f64>();
        second += lanes[1].into_iter().map(T::to_f64).sum::<f64>();
    }
    (first, second)
}

/// What is added to a norm's result.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T> {
    #[allow(missing_docs)]
    pub of: View<T>,
    /// Scale and shift per channel, if it is a norm's input.
    pub affine: Option<(&'a [T], &'a [T])>,
}

/// out = relu(x * scale + shift + residual), scale and shift per channel.
///
/// # Safety
/// Views must be of equal shape and hold these images; nobody else may use the output's meanwhile.
pub unsafe fn normalise<T: Real>(
    x: View<T>,
    (scale, shift): (&[T], &[T]),
    residual: Option<Residual<T>>,
    relu: bool,
    out: View<T>,
    images: Range<usize>,
) {
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let (x, r, out) = unsafe {
            (x.read(image, channel), residual.map(|r| r.of.read(image, channel)), out.write(image, channel))
        };
        let (scale, shift) = (scale[channel], shift[channel]);
        let affine = residual.and_then(|r| r.affine).map(|(scale, shift)| (scale[channel], shift[channel]));
        let clip = |y: T| if relu && y < T::ZERO { T::ZERO } else { y };
        wide(|| match (r, affine) {
            (None, _) => out.iter_mut().zip(x).for_each(|(out, x)| *out = clip(*x * scale + shift)),
            (Some(r), None) => {
                out.iter_mut().zip(x).zip(r).for_each(|((out, x), r)| *out = clip(*x * scale + shift + *r));
            }
            (Some(r), Some((scale2, shift2))) => {
                let shift = shift + shift2;
                out.iter_mut().zip(x).zip(r).for_each(|((out, x), r)| *out = clip(*x * scale + *r * scale2 + shift));
            }
        });
    }
}

/// Adds to `sums` (2 * channels) each channel's sum of g and, behind all of those, of g * (x - mean), where g is the gradient
/// `of` the result through its ReLU.
///
/// # Safety
/// Views must be of equal shape and hold these images, and nobody may write to them meanwhile.
pub unsafe fn backward_sums<T: Real>(
    of: View<T>,
    relu: Option<View<T>>,
    x: View<T>,
    mean: &[T],
    images: Range<usize>,
    sums: &mut [f64],
) {
    let (first, second) = sums.split_at_mut(x.channels);
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let (g, y, x) = unsafe {
            (of.read(image, channel), relu.map(|y| y.read(image, channel)), x.read(image, channel))
        };
        let mean = mean[channel];
        let (sum, products) = wide(|| match y {
            None => runs(g, x, |g, x| (g, g * (x - mean))),
            Some(y) => masked_runs(g, y, x, mean),
        });
        first[channel] += sum;
        second[channel] += products;
    }
}

#[inline(always)]
fn masked_runs<T: Real>(g: &[T], y: &[T], x: &[T], mean: T) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for ((g, y), x) in g.chunks(RUN).zip(y.chunks(RUN)).zip(x.chunks(RUN)) {
        let mut lanes = [[T::ZERO; LANES]; 2];
        let whole = g.len() - g.len() % LANES;
        for start in (0..whole).step_by(LANES) {
            let (g, y, x) = (&g[start..start + LANES], &y[start..start + LANES], &x[start..start + LANES]);
            for i in 0..LANES {
                let g = if y[i] > T::ZERO { g[i] } else { T::ZERO };
                lanes[0][i] = lanes[0][i] + g;
                lanes[1][i] = lanes[1][i] + g * (x[i] - mean);
            }
        }
        for i in whole..g.len() {
            let g = if y[i] > T::ZERO { g[i] } else { T::ZERO };
            lanes[0][0] = lanes[0][0] + g;
            lanes[1][0] = lanes[1][0] + g * (x[i] - mean);
        }
        first += lanes[0].into_iter().map(T::to_f64).sum::<f64>();
        second += lanes[1].into_iter().map(T::to_f64).sum::<f64>();
    }
    (first, second)
}

/// The gradient through a ReLU (or as it is), written or added to `into`.
///
/// # Safety
/// Views must be of equal shape and hold these images; nobody else may use those of `into` meanwhile.
pub unsafe fn masked<T: Real>(of: View<T>, relu: Option<View<T>>, into: View<T>, add: bool, images: Range<usize>) {
    // SAFETY: the caller's promise.
    unsafe { input_gradient(&Gradient { of, relu, norm: None }, into, add, images) }
}

/// The gradient of a norm's input, where that is no convolution's result.
///
/// # Safety
/// As [`masked`].
pub unsafe fn input_gradient<T: Real>(from: &Gradient<T>, into: View<T>, add: bool, images: Range<usize>) {
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (g, y, x, into) = unsafe {
            let read = |view: &View<T>| view.read(image, channel);
            let x = from.norm.as_ref().map(|norm| read(&norm.x));
            (read(&from.of), from.relu.as_ref().map(read), x, into.write(image, channel))
        };
        let (a, b, c) = from
            .norm
            .as_ref()
            .map_or((T::ONE, T::ZERO, T::ZERO), |norm| (norm.a[channel], norm.b[channel], norm.c[channel]));
        // Without a norm b is zero, and anything finite does for x.
        let x = x.unwrap_or(g);
        let put = |into: &mut T, value: T| *into = if add { *into + value } else { value };
        wide(|| match (y, from.norm.is_some()) {
            (None, false) => into.iter_mut().zip(g).for_each(|(into, g)| put(into, *g)),
            (Some(y), false) => {
                let masked = g.iter().zip(y).map(|(g, y)| if *y > T::ZERO { *g } else { T::ZERO });
                into.iter_mut().zip(masked).for_each(|(into, g)| put(into, g));
            }
            (None, true) => {
                into.iter_mut().zip(g).zip(x).for_each(|((into, g), x)| put(into, a * *g + b * *x + c));
            }
            (Some(y), true) => {
                for (((into, g), y), x) in into.iter_mut().zip(g).zip(y).zip(x) {
                    let g = if *y > T::ZERO { *g } else { T::ZERO };
                    put(into, a * g + b * *x + c);
                }
            }
        });
    }
}
