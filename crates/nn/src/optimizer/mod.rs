//! Optimizers over the flat buffers: by our kernels where the planned step trains, else by libtorch.
//! Their state is part of [`Params`].

mod clip;
mod moments;
mod parts;
pub mod sgd;

use crate::Params;
use parts::Part;
use res2lab_error::Error;
use res2lab_libtorch::FusedSgd;
use sgd::Rates;
use tch::Tensor;

/// An optimizer, and the parts of the network that it treats alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    pub method: Method,
    /// L2 penalty of SGD and RMSprop; decoupled decay of AdamW; a part of LAMB's update.
    pub weight_decay: f64,
    /// Whether the decay applies to the weights of convolutions and linear layers only, or to every
    /// trained value.
    pub decay_weights_only: bool,
    /// Factor of the learning rate from one layer to the layer before it, counted in timm's groups
    /// (the stem, each block, the head). 1 is off.
    pub layer_decay: f64,
}

/// The rule of an optimizer. The momentum, or the share of the mean of gradients that AdamW and LAMB
/// keep, is one of the [`Rates`] of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// torch.optim.SGD with dampening 0.
    Sgd { nesterov: bool },
    /// torch.optim.AdamW.
    AdamW { beta2: f64, eps: f64 },
    /// timm's `Lamb`.
    Lamb(Lamb),
    /// timm's `RMSpropTF`.
    RmsPropTf { alpha: f64, eps: f64 },
}

/// The constants of LAMB (You et al. 2020), as timm's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    pub beta2: f64,
    pub eps: f64,
    /// Norm to which a larger gradient of the whole network is scaled down; 0 is off.
    pub max_grad_norm: f64,
    /// Whether the trust ratio is at most 1.
    pub trust_clip: bool,
    /// Whether tensors without weight decay have a trust ratio too.
    pub always_adapt: bool,
}

impl Optimizer {
    /// Allocates the state that the method needs beside the momentum.
    pub fn start(&self, params: &mut Params) {
        match self.method {
            Method::Sgd { .. } => {}
            Method::AdamW { .. } | Method::Lamb(_) => params.start_second(0.0),
            // As TensorFlow's, so that the first steps are not large.
            Method::RmsPropTf { .. } => params.start_second(1.0),
        }
    }

    /// Updates all trained values from the gradient buffer.
    ///
    /// `step` counts the steps of a training run from 0. SGD's step is skipped if `found_inf` is 1
    /// (see [`crate::LossScaler`]); the other methods are not for float16.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn step(
        &self,
        params: &mut Params,
        rates: Rates,
        step: usize,
        found_inf: Option<&Tensor>,
    ) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        match self.method {
            Method::Sgd { nesterov } => {
                let Rates { lr, momentum } = rates;
                let nesterov = nesterov && momentum > 0.0;
                let first = step == 0;
                for (range, part) in self.ranges(params) {
                    let lr = lr * part.lr_scale;
                    let weight_decay = part.weight_decay;
                    let of_part = FusedSgd { lr, momentum, weight_decay, nesterov, first };
                    sgd::step_range(params, range, of_part, found_inf)?;
                }
            }
            Method::AdamW { beta2, eps } => {
                let adam = moments::Adam::new(rates, beta2, eps, step);
                for (range, part) in self.ranges(params) {
                    moments::adamw(params, range, part, &adam);
                }
            }
            Method::RmsPropTf { alpha, eps } => {
                for (range, part) in self.ranges(params) {
                    moments::rmsprop_tf(params, range, part, rates, [alpha, eps]);
                }
            }
            Method::Lamb(lamb) => {
                let adam = moments::Adam::new(rates, lamb.beta2, lamb.eps, step);
                moments::lamb(params, &self.parts(params), &lamb, &adam);
            }
        }
        params.refresh_half();
        Ok(())
    }

    /// How each trained tensor is treated.
    fn parts(&self, params: &Params) -> Vec<Part> {
        let decay = |is_weight: bool| {
            if is_weight || !self.decay_weights_only { self.weight_decay } else { 0.0 }
        };
        parts::of(params, self.layer_decay, decay)
    }

    /// The longest ranges of the flat buffers that are treated alike.
    fn ranges(&self, params: &Params) -> Vec<(std::ops::Range<i64>, Part)> {
        parts::merged(&self.parts(params), params.values.numel() as i64)
    }
}
