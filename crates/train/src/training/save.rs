//! Checkpoints and weights that training writes, and the sums that it resumes with.

use super::{Loop, Totals};
use crate::checkpoint;
use res2lab_error::Error;
use res2lab_nn::LossScaler;
use res2lab_store::layout::MOST_KEPT_BYTES;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::Tensor;

impl Loop<'_> {
    pub(super) fn load_totals(&self) -> Totals {
        let device = self.net.placement().device;
        let (loss, correct, replaced) = match self.options.shard(1).rank {
            0 => (self.state.loss_sum, self.state.correct, self.state.replaced),
            rank => (self.state.other_loss_sums.get(rank - 1).copied().unwrap_or(0.0), 0, 0),
        };
        Totals {
            loss: Tensor::from(loss).to_device(device),
            correct: Tensor::from(correct).to_device(device),
            replaced,
            grad_norm: None,
        }
    }

    pub(super) fn keep_best(
        &mut self,
        epoch: usize,
        values: &BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let Some(&acc1) = values.get("val/acc1") else { return Ok(()) };
        if self.state.best.is_none_or(|(best, _)| acc1 > best) {
            self.state.best = Some((acc1, epoch));
            if !self.options.is_first() {
                return Ok(());
            }
            checkpoint::save_weights(&self.run.best_weights(), self.net.params())?;
        }
        Ok(())
    }

    /// Keeps the evaluated weights after epochs 1, 2, 4, 8, ..., so that the training of a small
    /// network can be examined later. This happens before the checkpoint, so that a trial that is
    /// killed in between writes them again.
    pub(super) fn keep_on_the_way(&mut self, epoch: usize) -> Result<(), Error> {
        let is_wanted =
            epoch.is_power_of_two() && epoch < self.spec.train.epochs && self.options.is_first();
        if !is_wanted || checkpoint::weights_bytes(self.net.params()) > MOST_KEPT_BYTES {
            return Ok(());
        }
        self.net.params_mut().swap_average();
        let kept = checkpoint::save_weights(&self.run.epoch_weights(epoch), self.net.params());
        self.net.params_mut().swap_average();
        kept
    }

    /// Writes a checkpoint. Returns false, and writes nothing, if the loss is not finite.
    pub(super) fn save(&mut self, totals: &Totals) -> Result<bool, Error> {
        let shard = self.options.shard(1);
        // Each process resumes with its own sum, so that numbers are added in the same order.
        let mut loss_sums = vec![0.0; shard.world];
        let [loss, correct] = totals.on_host();
        loss_sums[shard.rank] = loss;
        self.reduce.sums(&mut loss_sums)?;
        let mut counts = [correct, totals.replaced as f64];
        self.reduce.sums(&mut counts)?;
        if loss_sums.iter().any(|sum| !sum.is_finite()) {
            return Ok(false);
        }
        self.speed.last_checkpoint = Instant::now();
        if !self.options.is_first() {
            return Ok(true);
        }
        self.state.loss_sum = loss_sums[0];
        self.state.other_loss_sums = loss_sums.split_off(1);
        (self.state.correct, self.state.replaced) = (counts[0] as i64, counts[1] as i64);
        self.state.loss_scale = self.scaler.as_ref().map(LossScaler::state);
        self.state.metrics_length = self.recorder.sync()?;
        checkpoint::save(&self.run.last_checkpoint(), self.net.params(), &self.state)?;
        Ok(true)
    }
}
