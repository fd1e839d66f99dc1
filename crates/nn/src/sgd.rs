//! Stochastic gradient descent over the flat buffers.

use crate::Params;
use res2lab_error::Error;
use res2lab_libtorch::SgdStep;
use res2lab_planned::flat;
use std::ops::Range;
use tch::{Kind, Tensor};

/// The optimizer. Its state (momentum) lies in [`Params`].
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// L2 decay.
    pub weight_decay: f64,
    /// Whether the decay pulls convolution and linear weights only, or every trained value.
    pub decay_weights_only: bool,
    /// Nesterov momentum.
    pub nesterov: bool,
}

/// What differs from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    pub lr: f64,
    pub momentum: f64,
    /// True for the first step of a training run, whose momentum buffer holds nothing yet.
    pub first: bool,
    /// Skips the step where it is 1 (see [`crate::LossScaler`]).
    pub found_inf: Option<&'a Tensor>,
}

impl Sgd {
    /// Updates all trained values from the gradient buffer.
    pub fn step(&self, params: &mut Params, rates: Rates) -> Result<(), Error> {
        let end = params.weights_end;
        let all = params.values.numel() as i64;
        if !self.decay_weights_only || self.weight_decay == 0.0 {
            return self.step_piece(params, rates, 0..all, self.weight_decay);
        }
        self.step_piece(params, rates, 0..end, self.weight_decay)?;
        self.step_piece(params, rates, end..all, 0.0)
    }

    fn step_piece(
        &self,
        params: &mut Params,
        rates: Rates,
        piece: Range<i64>,
        weight_decay: f64,
    ) -> Result<(), Error> {
        let is_for_kernels = params.is_for_kernels() && rates.found_inf.is_none();
        let piece = |flat: &Tensor| flat.narrow(0, piece.start, piece.end - piece.start);
        let flats = [piece(&params.values), piece(&params.grads), piece(&params.momentum)];
        let Rates { lr, momentum, first, found_inf } = rates;
        let step =
            SgdStep { lr, momentum, weight_decay, nesterov: self.nesterov && momentum > 0.0 };
        match flats[0].kind() {
            Kind::Float if is_for_kernels => by_kernels::<f32>(step, first, flats),
            Kind::Double if is_for_kernels => by_kernels::<f64>(step, first, flats),
            _ => {
                let [mut values, mut grads, mut momentum] = flats;
                res2lab_libtorch::fused_sgd(
                    &mut values,
                    &mut grads,
                    &mut momentum,
                    step,
                    first,
                    found_inf,
                )?;
            }
        }
        Ok(())
    }
}

fn by_kernels<T: res2lab_planned::Real + tch::kind::Element>(
    step: SgdStep,
    first: bool,
    flats: [Tensor; 3],
) {
    let [mut values, grads, mut momentum] = flats;
    let threads = tch::get_num_threads().max(1) as usize;
    let number = T::from_f64;
    let constants = res2lab_planned::Sgd {
        lr: number(step.lr),
        momentum: number(step.momentum),
        weight_decay: number(step.weight_decay),
        nesterov: step.nesterov,
        // Without momentum, what the buffer holds does not count.
        first: first || step.momentum == 0.0,
    };
    let values = res2lab_libtorch::values_mut(&mut values);
    let momentum = res2lab_libtorch::values_mut(&mut momentum);
    flat::step(threads, &constants, values, res2lab_libtorch::values(&grads), momentum);
}
