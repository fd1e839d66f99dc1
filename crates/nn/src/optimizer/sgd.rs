//! Stochastic gradient descent over the flat buffers.

use crate::Params;
use res2lab_error::Error;
use res2lab_libtorch::FusedSgd;
use res2lab_planned::{SgdStep, flat};
use std::ops::Range;
use tch::{Kind, Tensor};

/// SGD by itself, for what needs no other optimizer. Its state (momentum) is part of [`Params`].
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// L2 decay.
    pub weight_decay: f64,
    /// Whether the decay applies to the weights of convolutions and linear layers only, or to every
    /// trained value.
    pub decay_weights_only: bool,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

/// The learning rate and the momentum of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub lr: f64,
    pub momentum: f64,
}

impl Sgd {
    /// Updates all trained values from the gradient buffer.
    ///
    /// `first` marks the first step of a training run, which overwrites the momentum buffer. The
    /// step is skipped if `found_inf` is 1 (see [`crate::LossScaler`]).
    pub fn step(
        &self,
        params: &mut Params,
        rates: Rates,
        first: bool,
        found_inf: Option<&Tensor>,
    ) -> Result<(), Error> {
        let end = params.weights_end;
        let all = params.values.numel() as i64;
        let mut step = |range: Range<i64>, weight_decay: f64| {
            let Rates { lr, momentum } = rates;
            let nesterov = self.nesterov && momentum > 0.0;
            let constants = FusedSgd { lr, momentum, weight_decay, nesterov, first };
            step_range(params, range, constants, found_inf)
        };
        if !self.decay_weights_only || self.weight_decay == 0.0 {
            step(0..all, self.weight_decay)?;
        } else {
            step(0..end, self.weight_decay)?;
            step(end..all, 0.0)?;
        }
        params.refresh_half();
        Ok(())
    }
}

/// Runs a step on a range of the flat buffers: by our kernels where they support the buffers, else
/// by libtorch.
pub(super) fn step_range(
    params: &mut Params,
    range: Range<i64>,
    constants: FusedSgd,
    found_inf: Option<&Tensor>,
) -> Result<(), Error> {
    let narrow = |flat: &Tensor| flat.narrow(0, range.start, range.end - range.start);
    let flats = [narrow(&params.values), narrow(&params.grads), narrow(&params.momentum)];
    let is_for_kernels = params.is_for_kernels() && found_inf.is_none();
    match flats[0].kind() {
        Kind::Float if is_for_kernels => by_kernels::<f32>(constants, flats),
        Kind::Double if is_for_kernels => by_kernels::<f64>(constants, flats),
        _ => {
            let [mut values, mut grads, mut momentum] = flats;
            constants.step(&mut values, &mut grads, &mut momentum, found_inf)?;
        }
    }
    Ok(())
}

fn by_kernels<T: res2lab_planned::Real + tch::kind::Element>(
    constants: FusedSgd,
    flats: [Tensor; 3],
) {
    let FusedSgd { lr, momentum, weight_decay, nesterov, first } = constants;
    let step = SgdStep {
        lr: T::from_f64(lr),
        momentum: T::from_f64(momentum),
        weight_decay: T::from_f64(weight_decay),
        nesterov,
        // Without momentum, the contents of the momentum buffer do not count.
        first: first || momentum == 0.0,
    };
    let [mut values, grads, mut momentum] = flats;
    let threads = tch::get_num_threads().max(1) as usize;
    let values = res2lab_libtorch::values_mut(&mut values);
    let momentum = res2lab_libtorch::values_mut(&mut momentum);
    flat::step(threads, &step, values, res2lab_libtorch::values(&grads), momentum);
}
