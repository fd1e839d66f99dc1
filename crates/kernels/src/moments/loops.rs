//! The loops of optimizers with a mean of squared gradients. They consist of additions, products,
//! quotients and square roots that are each rounded, so that all instruction sets give equal bits;
//! the compiler turns them into vectors.

use std::cell::Cell;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use crate::element::{Element, Simd};

/// The shares of the means of gradients and of their squares that a step keeps, and those that it
/// renews. The latter are given, since 1 - beta2 in float32 would be wrong in its fifth digit.
#[derive(Clone, Copy, Debug)]
pub struct Betas<T> {
    pub beta2: T,
    pub new1: T,
    pub new2: T,
}

impl<T: Element> Betas<T> {
    /// The shares of a step.
    pub fn new(beta1: f64, beta2: f64) -> Betas<T> {
        let [beta2, new1, new2] = [beta2, 1.0 - beta1, 1.0 - beta2].map(T::from_f64);
        Betas { beta2, new1, new2 }
    }

    /// Both means after a step.
    #[inline(always)]
    fn step(&self, first: T, second: T, grad: T) -> [T; 2] {
        [first + self.new1 * (grad - first), self.beta2 * second + self.new2 * (grad * grad)]
    }
}

/// The constants of a step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamW<T> {
    /// What weight decay leaves of a value: 1 - lr * weight decay.
    pub keep: T,
    pub betas: Betas<T>,
    /// The learning rate over the correction of the first mean, 1 - beta1^t.
    pub step_size: T,
    /// The square root of 1 - beta2^t.
    pub root_correction: T,
    pub eps: T,
}

/// The constants of a step of LAMB on one tensor.
#[derive(Clone, Copy, Debug)]
pub struct Lamb<T> {
    pub lr: T,
    /// By which all gradients are divided.
    pub grad_scale: T,
    pub betas: Betas<T>,
    /// 1 - beta1^t.
    pub correction: T,
    /// The square root of 1 - beta2^t.
    pub root_correction: T,
    pub eps: T,
    pub weight_decay: T,
}

/// The constants of a step of RMSprop.
#[derive(Clone, Copy, Debug)]
pub struct RmsPropTf<T> {
    pub lr: T,
    /// The share of the mean of squares that a step renews, 1 - alpha.
    pub new: T,
    /// Added before the square root.
    pub eps: T,
    pub momentum: T,
    /// L2 penalty.
    pub weight_decay: T,
}

/// The arguments of a loop: constants, and buffers of `len` elements.
pub(crate) struct Flat<T, C> {
    pub(super) constants: C,
    pub(super) values: *mut T,
    pub(super) grads: *const T,
    pub(super) first: *mut T,
    pub(super) second: *mut T,
    pub(super) len: usize,
}

/// A step of [`Lamb`], and the sums of the squares of values and update that it leaves.
pub(crate) type LambStep<T> = (Lamb<T>, Cell<[f64; 2]>);

/// The numbers of one element.
struct One<'a, T> {
    value: &'a mut T,
    grad: T,
    first: &'a mut T,
    second: &'a mut T,
}

impl<T: Element, C> Flat<T, C> {
    /// Calls `work` with each element and its index.
    #[inline(always)]
    unsafe fn for_each(&self, mut work: impl FnMut(usize, One<T>)) {
        // SAFETY: the caller guarantees `len` elements in every buffer.
        let (values, grads, first, second) = unsafe {
            (
                from_raw_parts_mut(self.values, self.len),
                from_raw_parts(self.grads, self.len),
                from_raw_parts_mut(self.first, self.len),
                from_raw_parts_mut(self.second, self.len),
            )
        };
        let all = values.iter_mut().zip(grads).zip(first.iter_mut().zip(second.iter_mut()));
        for (i, ((value, &grad), (first, second))) in all.enumerate() {
            work(i, One { value, grad, first, second });
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn adamw<T: Element, S: Simd<T>>(flat: &Flat<T, AdamW<T>>) {
    let AdamW { keep, betas, step_size, root_correction, eps } = flat.constants;
    // SAFETY: the caller guarantees the buffers.
    unsafe {
        flat.for_each(|_, at| {
            let [first, second] = betas.step(*at.first, *at.second, at.grad);
            *at.first = first;
            *at.second = second;
            let root = second.sqrt() / root_correction + eps;
            *at.value = *at.value * keep - step_size * (first / root);
        });
    }
}

#[inline(always)]
pub(crate) unsafe fn rmsprop_tf<T: Element, S: Simd<T>>(flat: &Flat<T, RmsPropTf<T>>) {
    let RmsPropTf { lr, new, eps, momentum, weight_decay } = flat.constants;
    // SAFETY: the caller guarantees the buffers.
    unsafe {
        flat.for_each(|_, at| {
            let grad = at.grad + weight_decay * *at.value;
            let second = *at.second + new * (grad * grad - *at.second);
            *at.second = second;
            let first = momentum * *at.first + lr * (grad / (second + eps).sqrt());
            *at.first = first;
            *at.value = *at.value - first;
        });
    }
}

/// The number of partial sums, each of every `LANES`-th element.
const LANES: usize = 8;

/// Updates the means, and sums the squares of the values and of their update.
#[inline(always)]
pub(crate) unsafe fn lamb_means<T: Element, S: Simd<T>>(flat: &Flat<T, LambStep<T>>) {
    let step = flat.constants.0;
    let mut of_values = [0.0; LANES];
    let mut of_update = [0.0; LANES];
    // SAFETY: the caller guarantees the buffers.
    unsafe {
        flat.for_each(|i, at| {
            let grad = at.grad / step.grad_scale;
            let [first, second] = step.betas.step(*at.first, *at.second, grad);
            *at.first = first;
            *at.second = second;
            let update = step.update(*at.value, first, second).to_f64();
            let value = at.value.to_f64();
            of_values[i % LANES] += value * value;
            of_update[i % LANES] += update * update;
        });
    }
    flat.constants.1.set([of_values, of_update].map(|lanes| lanes.iter().sum()));
}

/// Moves the values by their update.
#[inline(always)]
pub(crate) unsafe fn lamb_values<T: Element, S: Simd<T>>(flat: &Flat<T, LambStep<T>>) {
    let step = flat.constants.0;
    // SAFETY: the caller guarantees the buffers.
    unsafe {
        flat.for_each(|_, at| {
            let update = step.update(*at.value, *at.first, *at.second);
            *at.value = *at.value - step.lr * update;
        });
    }
}

impl<T: Element> Lamb<T> {
    #[inline(always)]
    fn update(&self, value: T, first: T, second: T) -> T {
        let root = second.sqrt() / self.root_correction + self.eps;
        (first / self.correction) / root + self.weight_decay * value
    }
}

/// The sum of squares, of every `LANES`-th element by itself first.
pub(super) fn square_sum<T: Element>(values: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            let value = value.to_f64();
            *lane += value * value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        let value = value.to_f64();
        *lane += value * value;
    }
    lanes.iter().sum()
}
