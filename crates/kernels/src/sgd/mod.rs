//! Stochastic gradient descent, in one pass over values, gradients and momentum.

pub(crate) mod loops;

pub use loops::SgdStep;

use crate::dispatch::Real;
use loops::Flat;

/// Runs one SGD step: d = gradient + weight_decay * value; m = momentum * m + d; value -= lr * m,
/// or value -= lr * (d + momentum * m) with Nesterov momentum.
///
/// # Panics
/// If the three slices differ in length.
pub fn sgd<T: Real>(step: &SgdStep<T>, values: &mut [T], grads: &[T], momentum: &mut [T]) {
    assert!(values.len() == grads.len() && values.len() == momentum.len());
    let len = grads.len();
    let values = values.as_mut_ptr();
    let grads = grads.as_ptr();
    let momentum = momentum.as_mut_ptr();
    // SAFETY: the three slices have this length, and the mutable borrows are exclusive.
    unsafe { (T::real_kernels().sgd)(&Flat { step: *step, values, grads, momentum, len }) }
}
