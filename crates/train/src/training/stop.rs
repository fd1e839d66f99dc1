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
        let is_limited = self.spec.train.max_minutes > 0.0 && self.is_time_to_agree();
        if self.state.step == total || !(is_limited || is_epoch_end) {
            return Ok([false; 2]);
        }
        let wants = [self.is_out_of_time(), is_epoch_end && self.run.stop_early().exists()];
        self.any(wants)
    }

    /// Whether to stop with a checkpoint, and whether one is due.
    pub(super) fn is_asked_to_stop(&mut self, total: usize) -> Result<[bool; 2], Error> {
        if !self.is_time_to_agree() {
            return Ok([false; 2]);
        }
        let asked = self.options.stop.load(Ordering::Relaxed) && self.state.step < total;
        self.any([asked, self.speed.last_checkpoint.elapsed() >= self.options.checkpoint_every])
    }

    /// Whether processes ask each other after this step. They meet in main memory to do so, which
    /// keeps each of them from running ahead of its device, so they do it a few times a second.
    fn is_time_to_agree(&self) -> bool {
        self.options.member.is_none() || self.speed.steps.is_multiple_of(self.speed.agree_every)
    }

    /// Chooses once, from the time of the first steps, after how many steps processes ask each
    /// other. All of them take the choice of the first one.
    pub(super) fn choose_agreement(&mut self) -> Result<(), Error> {
        /// The steps that are timed.
        const TIMED: usize = 10;
        const EVERY_S: f64 = 0.2;
        if self.options.member.is_none() || self.speed.steps != 1 + TIMED {
            return Ok(());
        }
        let step_s = self.speed.first_step.map_or(1.0, |at| at.elapsed().as_secs_f64());
        let own = (EVERY_S * TIMED as f64 / step_s).clamp(1.0, 1000.0).floor();
        let mut sum = [if self.options.is_first() { own } else { 0.0 }];
        self.reduce.sums(&mut sum)?;
        self.speed.agree_every = sum[0].max(1.0) as usize;
        Ok(())
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
