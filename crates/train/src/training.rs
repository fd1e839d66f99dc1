//! The loop. Every line of a step is here, in order; what it calls decides nothing about the order.

use crate::checkpoint::{self, State};
use crate::environment::process_age_s;
use crate::evaluate::{Groups, evaluate};
use crate::mix::mix;
use crate::recorder::{Progress, Recorder};
use crate::reduce::Reduce;
use crate::schedule::rates;
use crate::speed::Speed;
use crate::{TrainError, shown, trace, trial::TrialOptions};
use res2lab_data::{Augment, EpochPlan, Shard, Source, Split, order};
use res2lab_experiment::{DecayOn, Optimizer, TrainSpec, TrialSpec};
use res2lab_nn::{GradScale, LossScaler, Net, Rates, Sgd, Step};
use res2lab_random::Key;
use res2lab_store::RunDir;
use res2lab_store::layout::MOST_KEPT_BYTES;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tch::{Kind, Tensor};

/// How the loop ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LoopEnd {
    /// All epochs done.
    Finished,
    /// The recipe's time limit ended training; the reason in words.
    OutOfTime(String),
    /// Asked to stop; a checkpoint is written.
    Preempted,
    /// Ended early by the sweep's rule; the reason in words.
    Stopped(String),
    /// The loss is NaN or infinite; the reason in words.
    Diverged(String),
}

/// Everything the loop works on.
pub(crate) struct Loop<'a> {
    pub spec: &'a TrialSpec,
    pub options: &'a TrialOptions,
    pub run: &'a RunDir,
    pub net: Net,
    pub source: Box<dyn Source>,
    pub augment: Augment,
    pub step: Box<dyn Step>,
    /// Only with float16.
    pub scaler: Option<LossScaler>,
    pub reduce: Box<dyn Reduce>,
    /// Groups of test images, where their data set knows some.
    pub groups: Groups,
    pub state: State,
    pub recorder: Recorder<'a>,
    /// Wall time of earlier attempts, seconds.
    pub earlier_s: f64,
    pub speed: Speed,
}

/// Sums that stay on the device until they are logged.
struct Totals {
    loss: Tensor,
    correct: Tensor,
    /// Images of this epoch that this process was given instead of pictures that could not be read.
    replaced: i64,
    /// Norm of the newest gradient before it was clipped.
    grad_norm: Option<Tensor>,
}

impl Loop<'_> {
    /// Trains from the state's step to the end.
    pub(crate) fn run(&mut self) -> Result<LoopEnd, TrainError> {
        let train = &self.spec.train;
        let steps_per_epoch =
            order::steps_per_epoch(self.source.len(Split::Train), train.batch_size);
        let total = train.epochs * steps_per_epoch;
        let sgd = optimizer(train);
        let shard = self.options.shard(train.accumulate);
        let batch_share = 1.0 / shard.parts() as f64;
        let mixing = Key::new(self.spec.seed).named("mix");
        let mut totals = self.load_totals();
        self.show_samples()?;

        while self.state.step < total {
            let epoch = self.state.step / steps_per_epoch;
            self.begin_epoch(epoch, self.state.step % steps_per_epoch)?;
            // Not those among the samples that were shown.
            self.source.replaced();
            self.speed.resume();

            while self.state.step < (epoch + 1) * steps_per_epoch {
                // --- gradients ---
                for part in 0..shard.accumulate {
                    let Some(batch) = self.source.next_batch()? else {
                        if part == 0 {
                            self.net.params_mut().zero_grads();
                        }
                        break;
                    };
                    totals.replaced += self.source.replaced() as i64;
                    let nth = (shard.rank * shard.accumulate + part) as u64;
                    let (images, targets) =
                        mix(train, batch, mixing.with(self.state.step as u64).with(nth));
                    if part + 1 == shard.accumulate {
                        self.reduce.begin();
                    }
                    let scale = GradScale {
                        batch_share,
                        loss_scale: self.scaler.as_ref().map(LossScaler::scale),
                        accumulates: part > 0,
                    };
                    let out = self.step.forward_backward(&mut self.net, &images, &targets, scale);
                    totals.add(&out, &targets.labels, batch_share);
                }
                self.reduce.gradients()?;

                // --- update ---
                let rates = rates(train, steps_per_epoch, self.state.step);
                if let Some(scaler) = &mut self.scaler {
                    scaler.unscale(self.net.params_mut())?;
                }
                if train.clip_norm > 0.0 {
                    totals.grad_norm = Some(self.net.params_mut().clip_grads(train.clip_norm));
                }
                let first = self.state.step == 0;
                let found_inf = self.scaler.as_ref().map(LossScaler::found_inf);
                sgd.step(self.net.params_mut(), rates, first, found_inf)?;
                if let Some(scaler) = &mut self.scaler {
                    scaler.update()?;
                }
                if train.ema > 0.0 {
                    self.net.params_mut().update_average(average_decay(train.ema, self.state.step));
                }
                self.state.step += 1;
                self.trace()?;
                self.state.loss_count += 1;
                self.state.seen += train.batch_size;
                self.speed.interval_steps += 1;

                // --- log ---
                let is_epoch_end = self.state.step.is_multiple_of(steps_per_epoch);
                let [out_of_time, early] = self.is_cut_short(total, is_epoch_end)?;
                let mut values = BTreeMap::new();
                if self.state.step.is_multiple_of(train.log_every) || is_epoch_end || out_of_time {
                    let Some(loss) = self.read_loss(&mut totals)? else {
                        return Ok(self.diverged("loss"));
                    };
                    self.speed.lap(train.batch_size);
                    values.insert("train/loss".to_owned(), loss);
                    values.insert("train/lr".to_owned(), rates.lr);
                    values.extend(
                        totals
                            .grad_norm
                            .take()
                            .map(|n| ("train/grad_norm".to_owned(), n.double_value(&[]))),
                    );
                    let warnings = self.source.warnings();
                    warnings
                        .iter()
                        .for_each(|warning| self.recorder.log(&format!("warning: {warning}")));
                }

                // --- evaluate ---
                if is_epoch_end || out_of_time {
                    self.read_accuracy(&mut totals, &mut values)?;
                    let is_due = is_epoch_end && (epoch + 1).is_multiple_of(train.eval_every);
                    if is_due || out_of_time || early || self.state.step == total {
                        self.evaluate(epoch + 1, shard, &mut values)?;
                        if values.get("val/loss").is_some_and(|loss| !loss.is_finite()) {
                            return Ok(self.diverged("test loss"));
                        }
                    }
                }
                if !values.is_empty() {
                    self.write_point(
                        self.state.step as f64 / steps_per_epoch as f64,
                        total,
                        values,
                    )?;
                }
                if out_of_time {
                    return Ok(self.out_of_time(total));
                }
                if early {
                    return Ok(self.stopped_early());
                }

                // --- save ---
                let [stop, is_due] = self.is_asked_to_stop(total)?;
                if is_epoch_end {
                    self.keep_on_the_way(epoch + 1)?;
                }
                if is_epoch_end || stop || is_due {
                    if !self.save(&totals)? {
                        return Ok(self.diverged("loss"));
                    }
                    self.speed.resume();
                }
                if stop {
                    self.recorder
                        .log(&format!("asked to stop: checkpoint at step {}", self.state.step));
                    return Ok(LoopEnd::Preempted);
                }
            }
        }
        Ok(LoopEnd::Finished)
    }

    /// Once an attempt each: how long its start took, and, when everything is warm, what traveled
    /// when.
    fn trace(&mut self) -> Result<(), TrainError> {
        const STEP: usize = 5;
        self.speed.steps += 1;
        if let (1, Some(age_s)) = (self.speed.steps, process_age_s()) {
            self.recorder.log(&format!("first step done {age_s:.2} s after the process began"));
        }
        if let (Some(trace), true) =
            (self.reduce.trace(), self.speed.steps == STEP && self.options.is_first())
        {
            self.recorder.log(&trace::sentence(&trace));
            trace::write(&self.run.trace(self.run.last_attempt()), &trace)?;
        }
        Ok(())
    }

    /// Evaluates the weights (their moving average, if the recipe keeps one) and keeps the best.
    fn evaluate(
        &mut self,
        epoch: usize,
        shard: Shard,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<(), TrainError> {
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

    /// Pictures for TensorBoard after an evaluation: confusions, weights and the newest gradients.
    fn show(&mut self, confusion: &[f64]) {
        if !self.recorder.shows() {
            return;
        }
        let step = self.state.step as u64;
        let histograms = shown::histograms(&self.net);
        let picture = shown::confusion(confusion);
        self.recorder.show(|events| {
            events.histograms(step, histograms)?;
            picture.map_or(Ok(()), |picture| events.picture(step, "confusion", &picture))
        });
    }

    /// Once an attempt, whose event file stands for itself: what the network is given to see.
    fn show_samples(&mut self) -> Result<(), TrainError> {
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

    /// Whether training ends before its time, by the recipe's limit or by the sweep's rule. All
    /// processes do the same, whatever their clocks say.
    fn is_cut_short(&mut self, total: usize, is_epoch_end: bool) -> Result<[bool; 2], TrainError> {
        if self.state.step == total || (self.spec.train.max_minutes == 0.0 && !is_epoch_end) {
            return Ok([false; 2]);
        }
        let wants = [self.is_out_of_time(), is_epoch_end && self.run.stop_early().exists()];
        self.any(wants)
    }

    /// Whether to stop with a checkpoint, and whether one is due.
    fn is_asked_to_stop(&mut self, total: usize) -> Result<[bool; 2], TrainError> {
        let asked = self.options.stop.load(Ordering::Relaxed) && self.state.step < total;
        self.any([asked, self.speed.last_checkpoint.elapsed() >= self.options.checkpoint_every])
    }

    /// What any process wants, all do.
    fn any<const N: usize>(&mut self, wants: [bool; N]) -> Result<[bool; N], TrainError> {
        let mut sums = wants.map(|wants| f64::from(u8::from(wants)));
        self.reduce.sums(&mut sums)?;
        Ok(sums.map(|sum| sum > 0.0))
    }

    fn is_out_of_time(&self) -> bool {
        let minutes = self.spec.train.max_minutes;
        minutes > 0.0 && self.earlier_s + self.speed.wall_s() > 60.0 * minutes
    }

    fn out_of_time(&mut self, total: usize) -> LoopEnd {
        let minutes = self.spec.train.max_minutes;
        let step = self.state.step;
        let reason = format!("max_minutes {minutes} ended training after step {step} of {total}");
        self.recorder.log(&reason);
        LoopEnd::OutOfTime(reason)
    }

    fn stopped_early(&mut self) -> LoopEnd {
        let reason = std::fs::read_to_string(self.run.stop_early()).unwrap_or_default();
        self.recorder.log(&format!("stopped early: {reason}"));
        LoopEnd::Stopped(reason)
    }

    fn begin_epoch(&mut self, epoch: usize, first_step: usize) -> Result<(), TrainError> {
        let train = &self.spec.train;
        let seed = self.spec.seed;
        let shard = self.options.shard(train.accumulate);
        let images = self.source.len(Split::Train);
        let batches =
            order::training_batches(images, seed, epoch, train.batch_size, shard, first_step);
        let augment = Some((self.augment, order::epoch_key(seed, epoch)));
        Ok(self.source.begin(EpochPlan { split: Split::Train, batches, augment })?)
    }

    /// The mean loss since the last log line; None if it is not finite. Waits for the device.
    fn read_loss(&mut self, totals: &mut Totals) -> Result<Option<f64>, TrainError> {
        let mut sums = [totals.loss.double_value(&[])];
        self.reduce.sums(&mut sums)?;
        let mean = sums[0] / self.state.loss_count as f64;
        let _ = totals.loss.zero_();
        self.state.loss_count = 0;
        Ok(mean.is_finite().then_some(mean))
    }

    /// The epoch's accuracy, and how many of its pictures could not be read.
    fn read_accuracy(
        &mut self,
        totals: &mut Totals,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<(), TrainError> {
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

    fn keep_best(
        &mut self,
        epoch: usize,
        values: &BTreeMap<String, f64>,
    ) -> Result<(), TrainError> {
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

    /// Keeps the weights that are evaluated after epochs 1, 2, 4, 8, ..., so that it can be looked
    /// at later how a small network became what it is. It stands before the checkpoint: a trial
    /// that is killed in between writes it again.
    fn keep_on_the_way(&mut self, epoch: usize) -> Result<(), TrainError> {
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

    fn write_point(
        &mut self,
        epoch: f64,
        total: usize,
        values: BTreeMap<String, f64>,
    ) -> Result<(), TrainError> {
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

    /// Writes a checkpoint; false (and nothing written) if the loss is not finite.
    fn save(&mut self, totals: &Totals) -> Result<bool, TrainError> {
        let shard = self.options.shard(1);
        // Each process goes on from its own sum, so that numbers are added in the same order after
        // a resume.
        let mut loss_sums = vec![0.0; shard.world];
        loss_sums[shard.rank] = totals.loss.double_value(&[]);
        self.reduce.sums(&mut loss_sums)?;
        let mut counts = [totals.correct.double_value(&[]), totals.replaced as f64];
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

    fn load_totals(&self) -> Totals {
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

    fn diverged(&mut self, what: &str) -> LoopEnd {
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

/// The recipe's optimizer.
pub(crate) fn optimizer(train: &TrainSpec) -> Sgd {
    let Optimizer::Sgd { nesterov, weight_decay, decay_on, .. } = train.optimizer;
    Sgd { weight_decay, decay_weights_only: decay_on == DecayOn::Weights, nesterov }
}

/// A young average follows faster, so that it forgets the initial weights: min(decay, (1 + t) / (10
/// + t)), TensorFlow's rule.
fn average_decay(decay: f64, step: usize) -> f64 {
    decay.min((1.0 + step as f64) / (10.0 + step as f64))
}

impl Totals {
    fn add(&mut self, out: &res2lab_nn::Loss, labels: &Tensor, batch_share: f64) {
        self.loss += out.loss.to_kind(Kind::Double) * batch_share;
        self.correct += out.logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64);
    }
}
