//! One training step by a recipe in one process, for timings: everything that the training loop does
//! with a batch, but for what processes exchange and what is logged.

use crate::erase::erase;
use crate::mix::mix;
use crate::schedule::rates;
use crate::training::clip;
use crate::trial::{noise_rates, optimizer, start_state, step_of};
use res2lab_data::Batch;
use res2lab_error::Error;
use res2lab_experiment::TrialSpec;
use res2lab_nn::{GradScale, Net, Noise, Optimizer, Step};
use res2lab_random::Key;
use tch::Tensor;

/// The step, and how many there were.
pub struct RecipeStep<'a> {
    spec: &'a TrialSpec,
    optimizer: Optimizer,
    step: Box<dyn Step>,
    count: usize,
}

impl<'a> RecipeStep<'a> {
    /// A step for a network with weights. Starts what training keeps beside them.
    pub fn start(net: &mut Net, spec: &'a TrialSpec) -> Result<RecipeStep<'a>, Error> {
        net.set_noise_rates(noise_rates(&spec.train));
        start_state(net, &spec.train);
        RecipeStep::of(net, spec)
    }

    /// A step for a network with all its state.
    pub(crate) fn of(net: &Net, spec: &'a TrialSpec) -> Result<RecipeStep<'a>, Error> {
        let train = &spec.train;
        Ok(RecipeStep { spec, optimizer: optimizer(train), step: step_of(net, train)?, count: 0 })
    }

    /// Mixes and erases, computes the gradient, and updates the weights. Returns the loss, which is
    /// on the device. The images may be overwritten.
    pub fn run(&mut self, net: &mut Net, batch: Batch) -> Result<Tensor, Error> {
        let train = &self.spec.train;
        let key = Key::new(self.spec.seed).with(self.count as u64);
        net.set_noise(Noise::new(key, 0));
        let (images, targets) = mix(train, batch, key);
        erase(&self.spec.data.augment, &images, key.named("erase"), 0);
        let out = self.step.forward_backward(net, &images, &targets, GradScale::ONE);
        let _ = clip(train, net.params_mut());
        let rates = rates(train, 1_000_000, 0);
        self.optimizer.step(net.params_mut(), rates, self.count, None)?;
        if train.ema > 0.0 {
            net.params_mut().update_average(train.ema);
        }
        self.count += 1;
        Ok(out.loss)
    }
}
