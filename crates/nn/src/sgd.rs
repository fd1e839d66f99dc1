//! Stochastic gradient descent over the flat buffers.

use crate::{NnError, Params};
use libtorch::SgdStep;
use tch::Tensor;

/// The optimizer. Its state (momentum) lies in [`Params`].
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// L2 decay.
    pub weight_decay: f64,
    /// Whether the decay pulls convolution and linear weights only, or every trained value.
    pub decay_weights_only: bool,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
}

/// What differs from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    #[allow(missing_docs)]
    pub lr: f64,
    #[allow(missing_docs)]
    pub momentum: f64,
    /// True for the first step of a training run, whose momentum buffer holds nothing yet.
    pub first: bool,
    /// Skips the step where it is 1 (see [`crate::LossScaler`]).
    pub found_inf: Option<&'a Tensor>,
}

impl Sgd {
    /// Updates all trained values from the gradient buffer.
    pub fn step(&self, params: &mut Params, rates: Rates) -> Result<(), NnError> {
        let Rates { lr, momentum, first, found_inf } = rates;
        let nesterov = self.nesterov && momentum > 0.0;
        let step = |weight_decay: f64| SgdStep { lr, momentum, weight_decay, nesterov };
        let end = params.weights_end;
        let Params { values, grads, momentum, .. } = params;
        if !self.decay_weights_only || self.weight_decay == 0.0 {
            return Ok(libtorch::fused_sgd(values, grads, momentum, step(self.weight_decay), first, found_inf)?);
        }
        let all = values.numel() as i64;
        for (start, length, decay) in [(0, end, self.weight_decay), (end, all - end, 0.0)] {
            let piece = |flat: &Tensor| flat.narrow(0, start, length);
            let (mut values, mut grads, mut momentum) = (piece(values), piece(grads), piece(momentum));
            libtorch::fused_sgd(&mut values, &mut grads, &mut momentum, step(decay), first, found_inf)?;
        }
        Ok(())
    }
}
