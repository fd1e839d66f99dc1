//! Evaluation, metrics, progress and pictures of a training run.

use super::{Loop, Totals};
use crate::environment::process_age_s;
use crate::evaluate::evaluate;
use crate::{confusion, shown, trace};
use res2lab_error::Error;
use res2lab_store::Progress;
use std::collections::BTreeMap;

impl Loop<'_> {
    /// Records two things once per attempt: the time until the first step, and, after a few steps,
    /// the times at which gradients were all-reduced.
    pub(super) fn trace(&mut self) -> Result<(), Error> {
        const STEP: usize = 5;
        self.speed.steps += 1;
        self.choose_agreement()?;
        if self.speed.steps == 1 {
            self.speed.first_step = Some(std::time::Instant::now());
            // On a GPU a step has only been launched so far.
            res2lab_libtorch::device::synchronize(self.options.device)?;
            if let Some(age_s) = process_age_s() {
                self.recorder.log(&format!("first step done {age_s:.2} s after the process began"));
            }
        }
        if self.speed.steps != STEP || !self.options.is_first() {
            return Ok(());
        }
        if let Some(trace) = self.reduce.trace()? {
            self.recorder.log(&trace::sentence(&trace));
            trace::write(&self.run.trace(self.run.last_attempt()), &trace)?;
        }
        Ok(())
    }

    /// Evaluates the weights (their moving average, if the recipe keeps one) and keeps the best.
    pub(super) fn evaluate(
        &mut self,
        epoch: usize,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let shard = self.options.shard(self.spec.train.accumulate);
        self.reduce.share_running(self.net.params_mut())?;
        self.net.params_mut().swap_average();
        let recorder = &mut self.recorder;
        let mut tell = |line: &str| recorder.log(&format!("warning: {line}"));
        let found = evaluate(
            &self.net,
            &mut *self.source,
            shard,
            &mut *self.reduce,
            &self.groups,
            &mut tell,
        );
        let result = found.and_then(|of_test| {
            values.extend(of_test.metrics);
            self.show(&of_test.confusion);
            self.keep_best(epoch, values)
        });
        self.net.params_mut().swap_average();
        result
    }

    /// Writes pictures for TensorBoard after an evaluation: confusions, weights and the latest
    /// gradients.
    pub(super) fn show(&mut self, counts: &[f64]) {
        if !self.recorder.shows() {
            return;
        }
        let step = self.state.step as u64;
        let histograms = shown::histograms(&self.net);
        let picture = confusion::picture(counts, &self.class_names);
        self.recorder.show(|events| {
            events.histograms(step, histograms)?;
            picture.map_or(Ok(()), |picture| events.picture(step, "confusion", &picture))
        });
    }

    /// Writes sample images for TensorBoard, once per attempt, since each attempt has its own event
    /// file.
    pub(super) fn show_samples(&mut self) -> Result<(), Error> {
        if !self.recorder.shows() {
            return Ok(());
        }
        let samples = shown::samples(&mut *self.source, self.spec, self.augment)?;
        let given = self.options.pictures.iter().map(|(tag, picture)| (tag.as_str(), picture));
        let all = given.chain(samples.iter().map(|(tag, picture)| (*tag, picture)));
        self.recorder.show(|events| {
            all.into_iter().try_for_each(|(tag, picture)| events.picture(0, tag, picture))
        });
        Ok(())
    }

    /// The mean loss since the last log line; None if it is not finite. Waits for the device.
    pub(super) fn read_loss(&mut self, totals: &mut Totals) -> Result<Option<f64>, Error> {
        let mut sums = [totals.loss.double_value(&[])];
        self.reduce.sums(&mut sums)?;
        let mean = sums[0] / self.state.loss_count as f64;
        let _ = totals.loss.zero_();
        self.state.loss_count = 0;
        Ok(mean.is_finite().then_some(mean))
    }

    /// The epoch's accuracy, and how many of its pictures could not be read.
    pub(super) fn read_accuracy(
        &mut self,
        totals: &mut Totals,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let mut sums = [totals.correct.double_value(&[]), totals.replaced as f64];
        self.reduce.sums(&mut sums)?;
        let [correct, left_out] = sums;
        if left_out > 0.0 {
            values.insert("train/left_out".to_owned(), left_out);
        }
        values.insert("train/acc1".to_owned(), 100.0 * correct / self.state.seen as f64);
        let _ = totals.correct.zero_();
        (totals.replaced, self.state.seen) = (0, 0);
        Ok(())
    }

    pub(super) fn write_point(
        &mut self,
        epoch: f64,
        total: usize,
        values: BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        self.state.latest.extend(values.clone());
        let progress = Progress {
            epoch,
            epochs: self.spec.train.epochs,
            step: self.state.step,
            steps: total,
            loss: self.state.latest.get("train/loss").copied().unwrap_or(f64::NAN),
            acc1: self.state.latest.get("val/acc1").copied(),
            images_per_s: self.speed.images_per_s().unwrap_or_default(),
            wall_s: self.earlier_s + self.speed.wall_s(),
        };
        self.recorder.progress(&progress);
        let shown = values
            .iter()
            .map(|(name, value)| format!("{name} {value:.5}"))
            .collect::<Vec<_>>()
            .join("  ");
        let speed = self.speed.images_per_s().unwrap_or_default();
        self.recorder.log(&format!(
            "epoch {epoch:.2}  step {}  {shown}  {speed:.0} images/s",
            self.state.step
        ));
        self.recorder.point(self.state.step, epoch, values)
    }
}
