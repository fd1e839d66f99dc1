//! Element by element.

use crate::real::{Real, wide};
use crate::view::View;
use std::ops::Range;

/// Calls `f` with each plane of `x` and of `out`.
///
/// # Safety
/// Views must be of equal shape and hold these images; nobody else may use the output's meanwhile.
unsafe fn each<T: Real>(x: View<T>, out: View<T>, images: Range<usize>, f: impl Fn(&[T], &mut [T])) {
    for (image, channel) in out.planes(images) {
        // SAFETY: the caller's promise.
        let (x, out) = unsafe { (x.read(image, channel), out.write(image, channel)) };
        wide(|| f(x, out));
    }
}

/// out = x, or out + x.
///
/// # Safety
/// Views must be of equal shape and hold these images; nobody else may use the output's meanwhile.
pub unsafe fn copy<T: Real>(x: View<T>, out: View<T>, add: bool, images: Range<usize>) {
    // SAFETY: the caller's promise.
    unsafe {
        each(x, out, images, |x, out| match add {
            true => out.iter_mut().zip(x).for_each(|(out, x)| *out = *out + *x),
            false => out.copy_from_slice(x),
        });
    }
}

/// Zeros.
///
/// # Safety
/// As [`copy`].
pub unsafe fn zero<T: Real>(out: View<T>, images: Range<usize>) {
    for (image, channel) in out.planes(images) {
        // SAFETY: the caller's promise.
        unsafe { out.write(image, channel).fill(T::ZERO) };
    }
}

/// max(x, 0).
///
/// # Safety
/// As [`copy`].
pub unsafe fn relu<T: Real>(x: View<T>, out: View<T>, images: Range<usize>) {
    let clip = |x: T| if x < T::ZERO { T::ZERO } else { x };
    // SAFETY: the caller's promise.
    unsafe { each(x, out, images, |x, out| out.iter_mut().zip(x).for_each(|(out, x)| *out = clip(*x))) }
}

/// 1 / (1 + exp(-x)).
///
/// # Safety
/// As [`copy`].
pub unsafe fn sigmoid<T: Real>(x: View<T>, out: View<T>, images: Range<usize>) {
    let sigmoid = |x: T| T::ONE / (T::ONE + (T::ZERO - x).exp());
    // SAFETY: the caller's promise.
    unsafe { each(x, out, images, |x, out| out.iter_mut().zip(x).for_each(|(out, x)| *out = sigmoid(*x))) }
}

/// The gradient of [`sigmoid`]'s input from its result, written or added.
///
/// # Safety
/// As [`copy`], for `into`.
pub unsafe fn sigmoid_backward<T: Real>(
    of: View<T>,
    result: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (g, y, into) =
            unsafe { (of.read(image, channel), result.read(image, channel), into.write(image, channel)) };
        for ((into, g), y) in into.iter_mut().zip(g).zip(y) {
            let value = *g * *y * (T::ONE - *y);
            *into = if add { *into + value } else { value };
        }
    }
}

/// x times one value per image and channel.
///
/// # Safety
/// As [`copy`]; `gate` must have planes of one element.
pub unsafe fn gate<T: Real>(x: View<T>, gate: View<T>, out: View<T>, images: Range<usize>) {
    for (image, channel) in out.planes(images) {
        // SAFETY: the caller's promise.
        let (x, gate, out) =
            unsafe { (x.read(image, channel), gate.read(image, channel)[0], out.write(image, channel)) };
        wide(|| out.iter_mut().zip(x).for_each(|(out, x)| *out = *x * gate));
    }
}

/// The gradient of what was gated, written or added.
///
/// # Safety
/// As [`gate`], for `into`.
pub unsafe fn gate_backward_x<T: Real>(of: View<T>, gate: View<T>, into: View<T>, add: bool, images: Range<usize>) {
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (g, gate, into) =
            unsafe { (of.read(image, channel), gate.read(image, channel)[0], into.write(image, channel)) };
        wide(|| match add {
            true => into.iter_mut().zip(g).for_each(|(into, g)| *into = *into + *g * gate),
            false => into.iter_mut().zip(g).for_each(|(into, g)| *into = *g * gate),
        });
    }
}

/// The gradient of the gate, written or added.
///
/// # Safety
/// As [`gate`], for `into`, which must have planes of one element.
pub unsafe fn gate_backward_gate<T: Real>(of: View<T>, x: View<T>, into: View<T>, add: bool, images: Range<usize>) {
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (g, x, into) =
            unsafe { (of.read(image, channel), x.read(image, channel), &mut into.write(image, channel)[0]) };
        let sum = T::from_f64(g.iter().zip(x).map(|(g, x)| g.to_f64() * x.to_f64()).sum());
        *into = if add { *into + sum } else { sum };
    }
}
