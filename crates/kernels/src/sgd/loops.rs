//! The loop of an SGD step.

use crate::element::Element;
use crate::stored::{Lanes, Storage};
use crate::vector_loop::{LoopBody, for_each_vector};

/// The constants of one step, as in torch.optim.SGD.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep<T> {
    pub lr: T,
    pub momentum: T,
    pub weight_decay: T,
    pub nesterov: bool,
    /// Whether this is the first step, which overwrites the momentum buffer with the gradient.
    pub first: bool,
}

/// The arguments of [`step`]: the constants, and buffers of `len` elements.
pub(crate) struct Flat<T> {
    pub(super) step: SgdStep<T>,
    pub(super) values: *mut T,
    pub(super) grads: *const T,
    pub(super) momentum: *mut T,
    pub(super) len: usize,
}

/// The loop body of [`step`], with the constants in vectors.
struct Stepping<'a, T: Element + Storage<Real = T>, S: Lanes<T>> {
    flat: &'a Flat<T>,
    lr: S::V,
    momentum: S::V,
    weight_decay: S::V,
}

impl<T: Element + Storage<Real = T>, S: Lanes<T>> LoopBody<T, S> for Stepping<'_, T, S> {
    #[inline(always)]
    unsafe fn vector(&mut self, i: usize, n: usize) {
        let Flat { step, values, grads, momentum, .. } = self.flat;
        // SAFETY: every plane has elements i..i + n (see `LoopBody`).
        unsafe {
            let value = S::load_n(values.add(i), n);
            let old = S::load_n(momentum.add(i), n);
            let d = S::fma(self.weight_decay, value, S::load_n(grads.add(i), n));
            let m = if step.first { d } else { S::fma(self.momentum, old, d) };
            let change = if step.nesterov { S::fma(self.momentum, m, d) } else { m };
            S::store_n(momentum.add(i), m, n);
            S::store_n(values.add(i), S::sub(value, S::mul(self.lr, change)), n);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn step<T: Element + Storage<Real = T>, S: Lanes<T>>(flat: &Flat<T>) {
    let SgdStep { lr, momentum, weight_decay, .. } = flat.step;
    // SAFETY: the caller guarantees `len` elements in every plane.
    unsafe {
        let lr = S::splat(lr);
        let momentum = S::splat(momentum);
        let weight_decay = S::splat(weight_decay);
        for_each_vector::<T, S, _>(
            &mut Stepping::<T, S> { flat, lr, momentum, weight_decay },
            flat.len,
        );
    }
}
