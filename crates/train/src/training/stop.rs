//! Reasons to end training before its last step: a time limit, the sweep's rule, a signal,
//! divergence.

use super::{Loop, LoopEnd};
use crate::schedule::rates;
use res2lab_data::{Split, order};
use res2lab_error::Error;
use res2lab_nn::Rates;
use std::sync::atomic::Ordering;

impl Loop<'_> {
    /// Whether training ends early, by the recipe's time limit or by the sweep's rule. All
    /// processes agree, even if their clocks differ.
    pub(super) fn is_cut_short(
        &mut self,
        total: usize,
        is_epoch_end: bool,
    ) -> Result<[bool; 2], Error> {
        if self.state.step == total || (self.spec.train.max_minutes == 0.0 && !is_epoch_end) {
            return Ok([false; 2]);
        }
        let wants = [self.is_out_of_time(), is_epoch_end && self.run.stop_early().exists()];
        self.any(wants)
    }

    /// Whether to stop with a checkpoint, and whether one is due.
    pub(super) fn is_asked_to_stop(&mut self, total: usize) -> Result<[bool; 2], Error> {
        let asked = self.options.stop.load(Ordering::Relaxed) && self.state.step < total;
        self.any([asked, self.speed.last_checkpoint.elapsed() >= self.options.checkpoint_every])
    }

    /// Whether any process wants each of these.
    pub(super) fn any<const N: usize>(&mut self, wants: [bool; N]) -> Result<[bool; N], Error> {
        let mut sums = wants.map(|wants| f64::from(u8::from(wants)));
        self.reduce.sums(&mut sums)?;
        Ok(sums.map(|sum| sum > 0.0))
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        let minutes = self.spec.train.max_minutes;
        minutes > 0.0 && self.earlier_s + self.speed.wall_s() > 60.0 * minutes
    }

    pub(super) fn out_of_time(&mut self, total: usize) -> LoopEnd {
        let minutes = self.spec.train.max_minutes;
        let step = self.state.step;
        let reason = format!("max_minutes {minutes} ended training after step {step} of {total}");
        self.recorder.log(&reason);
        LoopEnd::OutOfTime(reason)
    }

    pub(super) fn stopped_early(&mut self) -> LoopEnd {
        let reason = std::fs::read_to_string(self.run.stop_early()).unwrap_or_default();
        self.recorder.log(&format!("stopped early: {reason}"));
        LoopEnd::Stopped(reason)
    }

    pub(super) fn diverged(&mut self, what: &str) -> LoopEnd {
        let steps_per_epoch =
            order::steps_per_epoch(self.source.len(Split::Train), self.spec.train.batch_size);
        let last = self.state.step.saturating_sub(1);
        let Rates { lr, .. } = rates(&self.spec.train, steps_per_epoch, last);
        let reason = format!(
            "the {what} became NaN or infinite within the {} steps before step {} (learning rate there: {lr})",
            self.spec.train.log_every, self.state.step
        );
        self.recorder.log(&reason);
        LoopEnd::Diverged(reason)
    }
}
