//! Stochastic gradient descent, as torch.optim.SGD without dampening.

use crate::real::{Real, Simd};
use crate::sweep::{Lanes, sweep};

/// The optimiser's numbers at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f64,
    /// How much of the last step's direction is kept; 0 needs no buffer.
    pub momentum: f64,
    /// Added to the gradient, times the weights.
    pub weight_decay: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
    /// Whether the buffer is still empty: the first step's direction is the gradient.
    pub first: bool,
}

/// Moves `weights` by one step, and leaves zeros in `gradient`. `buffer` is empty without momentum; otherwise all three
/// have the same length.
pub fn step<T: Real>(weights: &mut [T], gradient: &mut [T], buffer: &mut [T], sgd: &Sgd) {
    assert_eq!(weights.len(), gradient.len());
    let momentum = sgd.momentum != 0.0;
    assert_eq!(buffer.len(), if momentum { weights.len() } else { 0 });
    let step = Step {
        weights: weights.as_mut_ptr(),
        gradient: gradient.as_mut_ptr(),
        buffer: if momentum { buffer.as_mut_ptr() } else { std::ptr::null_mut() },
        len: weights.len(),
        rate: T::from_f64(-sgd.rate),
        momentum: T::from_f64(sgd.momentum),
        weight_decay: T::from_f64(sgd.weight_decay),
        nesterov: sgd.nesterov,
        first: sgd.first,
    };
    // SAFETY: the slices have `len` elements.
    unsafe { (T::kernels().sgd)(&step) }
}

pub(crate) struct Step<T> {
    weights: *mut T,
    gradient: *mut T,
    buffer: *mut T,
    len: usize,
    rate: T,
    momentum: T,
    weight_decay: T,
    nesterov: bool,
    first: bool,
}

struct Stepping<'a, T>(&'a Step<T>);

impl<T: Real, S: Simd<T>> Lanes<T, S> for Stepping<'_, T> {
    #[inline(always)]
    unsafe fn at(&mut self, i: usize, n: usize) {
        let s = self.0;
        // SAFETY: the caller's promise about lanes i..i + n.
        unsafe {
            let weights = S::load_n(s.weights.add(i), n);
            let mut direction = S::fma(S::splat(s.weight_decay), weights, S::load_n(s.gradient.add(i), n));
            S::store_n(s.gradient.add(i), S::splat(T::ZERO), n);
            if !s.buffer.is_null() {
                let at = s.buffer.add(i);
                let momentum = S::splat(s.momentum);
                let kept = if s.first { direction } else { S::fma(momentum, S::load_n(at, n), direction) };
                S::store_n(at, kept, n);
                direction = if s.nesterov { S::fma(momentum, kept, direction) } else { kept };
            }
            S::store_n(s.weights.add(i), S::fma(S::splat(s.rate), direction, weights), n);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn step_of<T: Real, S: Simd<T>>(step: &Step<T>) {
    // SAFETY: the caller's promise.
    unsafe { sweep::<T, S, _>(&mut Stepping(step), step.len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_are_those_of_the_formula_and_leave_no_gradient() {
        for nesterov in [false, true] {
            let mut sgd = Sgd { rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov, first: true };
            let start: Vec<f64> = (0..13).map(|i| f64::from(i) - 6.0).collect();
            let (mut weights, mut buffer, mut expected, mut kept) =
                (start.clone(), vec![7.0; 13], start, vec![0.0; 13]);
            for t in 0..3 {
                let mut gradient: Vec<f64> = (0..13).map(|i| f64::from(i * t) * 0.3 - 1.0).collect();
                for i in 0..13 {
                    let g = gradient[i] + 0.01 * expected[i];
                    kept[i] = if t == 0 { g } else { 0.9 * kept[i] + g };
                    expected[i] -= 0.1 * if nesterov { g + 0.9 * kept[i] } else { kept[i] };
                }
                step(&mut weights, &mut gradient, &mut buffer, &sgd);
                assert_eq!(gradient, [0.0; 13]);
                sgd.first = false;
            }
            for (weight, expected) in weights.iter().zip(&expected) {
                assert!((weight - expected).abs() < 1e-12);
            }
        }
    }
}
