//! Optimizers that keep a mean of squared gradients: AdamW, LAMB and RMSprop as TensorFlow's, each
//! in one or two passes over flat buffers.

pub(crate) mod loops;

pub use loops::{AdamW, Betas, Lamb, RmsPropTf};

use crate::dispatch::Real;
use loops::Flat;
use std::cell::Cell;

/// Equally long slices of the state of an optimizer.
#[derive(Debug)]
pub struct State<'a, T> {
    pub values: &'a mut [T],
    pub grads: &'a [T],
    /// Means of gradients, or momentum.
    pub first: &'a mut [T],
    /// Means of squared gradients.
    pub second: &'a mut [T],
}

impl<T: Real> State<'_, T> {
    fn flat<C>(&mut self, constants: C) -> Flat<T, C> {
        let len = self.grads.len();
        assert!(self.values.len() == len && self.first.len() == len && self.second.len() == len);
        Flat {
            constants,
            values: self.values.as_mut_ptr(),
            grads: self.grads.as_ptr(),
            first: self.first.as_mut_ptr(),
            second: self.second.as_mut_ptr(),
            len,
        }
    }
}

/// Runs one step of torch.optim.AdamW.
///
/// # Panics
/// If the slices differ in length.
pub fn adamw<T: Real>(step: &AdamW<T>, mut state: State<T>) {
    let flat = state.flat(*step);
    // SAFETY: the slices have this length, and the mutable borrows are exclusive.
    unsafe { (T::real_kernels().moments.adamw)(&flat) }
}

/// Runs one step of timm's `RMSpropTF`.
///
/// # Panics
/// If the slices differ in length.
pub fn rmsprop_tf<T: Real>(step: &RmsPropTf<T>, mut state: State<T>) {
    let flat = state.flat(*step);
    // SAFETY: the slices have this length, and the mutable borrows are exclusive.
    unsafe { (T::real_kernels().moments.rmsprop_tf)(&flat) }
}

/// Runs one step of timm's `Lamb` on one tensor. `trust` turns the norms of the values and of their
/// update into the factor of the update.
///
/// # Panics
/// If the slices differ in length.
pub fn lamb<T: Real>(step: &Lamb<T>, mut state: State<T>, trust: impl Fn(f64, f64) -> f64) {
    let mut flat = state.flat((*step, Cell::default()));
    // SAFETY: the slices have this length, and the mutable borrows are exclusive.
    unsafe { (T::real_kernels().moments.lamb_means)(&flat) };
    let [of_values, of_update] = flat.constants.1.get().map(f64::sqrt);
    flat.constants.0.lr = step.lr * T::from_f64(trust(of_values, of_update));
    // SAFETY: as above.
    unsafe { (T::real_kernels().moments.lamb_values)(&flat) };
}

/// The sum of the squares, taken in float64 in an order that only the length determines.
pub fn square_sum<T: Real>(values: &[T]) -> f64 {
    loops::square_sum(values)
}

/// Adaptive gradient clipping as timm's `adaptive_clip_grad`: the gradient of each of `units` equal
/// parts is scaled down where its norm exceeds `factor` times the norm of the part's values.
///
/// # Panics
/// If the slices differ in length, or are not divisible.
pub fn clip_units<T: Real>(values: &[T], grads: &mut [T], units: usize, factor: f64) {
    /// The least norm of values that counts.
    const LEAST_VALUE: f64 = 1e-3;
    const LEAST_GRADIENT: f64 = 1e-6;
    assert!(values.len() == grads.len() && values.len().is_multiple_of(units.max(1)));
    let each = (values.len() / units.max(1)).max(1);
    for (values, grads) in values.chunks_exact(each).zip(grads.chunks_exact_mut(each)) {
        let most = square_sum(values).sqrt().max(LEAST_VALUE) * factor;
        let norm = square_sum(grads).sqrt();
        if norm >= most {
            let scale = T::from_f64(most / norm.max(LEAST_GRADIENT));
            grads.iter_mut().for_each(|g| *g = *g * scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_set::{InstructionSet, use_instruction_set};

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect()
    }

    #[test]
    fn steps_have_the_same_bits_with_every_instruction_set() {
        let step = AdamW {
            keep: 0.99,
            betas: Betas::new(0.9, 0.999),
            step_size: 0.1,
            root_correction: 0.3,
            eps: 1e-8,
        };
        let lamb_step = Lamb {
            lr: 0.1,
            grad_scale: 0.5,
            betas: Betas::new(0.9, 0.999),
            correction: 0.1,
            root_correction: 0.3,
            eps: 1e-6,
            weight_decay: 0.01,
        };
        let rmsprop =
            RmsPropTf { lr: 0.1, new: 0.1, eps: 1e-10, momentum: 0.9, weight_decay: 0.01 };
        let run = |set: InstructionSet| {
            use_instruction_set(set);
            let n = 83;
            let [mut values, mut first, mut second] = [0.0, 1.0, 2.0].map(|at| wave(n, at));
            second.iter_mut().for_each(|x| *x = x.abs());
            let grads = wave(n, 3.0);
            let mut with = |work: &dyn Fn(State<f32>)| {
                work(State {
                    values: &mut values,
                    grads: &grads,
                    first: &mut first,
                    second: &mut second,
                });
            };
            with(&|state| adamw(&step, state));
            with(&|state| lamb(&lamb_step, state, |values, update| values / update));
            with(&|state| rmsprop_tf(&rmsprop, state));
            [values, first, second].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let before = crate::instruction_set::current();
        let plain = run(InstructionSet::Plain);
        for set in [InstructionSet::Avx2, InstructionSet::Avx512] {
            if set.is_available() {
                assert_eq!(run(set), plain, "{}", set.name());
            }
        }
        use_instruction_set(before);
    }

    #[test]
    fn units_are_clipped_to_their_share_of_the_values() {
        // Norms 5 and 0 of the values: the bounds are 0.5 and a tenth of 1e-3.
        let values = [3.0_f64, 4.0, 0.0, 0.0];
        let mut grads = [0.6_f64, 0.8, 0.3, 0.4];
        clip_units(&values, &mut grads, 2, 0.1);
        for (found, expected) in grads.iter().zip([0.3, 0.4, 6e-5, 8e-5]) {
            assert!((found - expected).abs() <= 1e-12, "{grads:?}");
        }
        let mut small = [0.1, 0.2, 0.0, 0.0];
        clip_units(&values, &mut small, 2, 0.1);
        assert_eq!(small, [0.1, 0.2, 0.0, 0.0]);
    }
}
