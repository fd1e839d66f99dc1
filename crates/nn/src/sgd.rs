//! Stochastic gradient descent over the flat buffers.

use crate::{NnError, Params};
use libtorch::SgdStep;

/// The optimizer. Its state (momentum) lies in [`Params`].
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// L2 decay on every trained value.
    pub weight_decay: f64,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
}

impl Sgd {
    /// Updates all trained values from the gradient buffer. `first` is true for the first step of a training run, whose
    /// momentum buffer holds nothing yet.
    pub fn step(&self, params: &mut Params, lr: f64, momentum: f64, first: bool) -> Result<(), NnError> {
        let step = SgdStep { lr, momentum, weight_decay: self.weight_decay, nesterov: self.nesterov && momentum > 0.0 };
        let Params { values, grads, momentum, .. } = params;
        Ok(libtorch::fused_sgd(values, grads, momentum, step, first)?)
    }
}
