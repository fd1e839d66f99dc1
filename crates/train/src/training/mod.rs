//! The training loop. [`Loop::run`] shows every part of a step in order; the functions that it
//! calls do not change the order.

mod report;
mod save;
mod stop;
use crate::checkpoint::State;
use crate::erase::erase;
use crate::evaluate::Groups;
use crate::mix::mix;
use crate::recorder::Recorder;
use crate::reduce::Reduce;
use crate::schedule::rates;
use crate::speed::Speed;
use crate::trial::{TrialOptions, optimizer, train_at};
use res2lab_data::{Augment, EpochPlan, Source, Split, order};
use res2lab_error::Error;
use res2lab_experiment::{EmaWarmup, TrainSpec, TrialSpec};
use res2lab_nn::{Engine, GradScale, LossScaler, Net, Noise, Optimizer, Params, Rates, Step};
use res2lab_random::Key;
use res2lab_store::RunDir;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use tch::{Device, Kind, Tensor};

/// The end of the training loop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LoopEnd {
    /// All epochs are done.
    Finished,
    /// The recipe's time limit ended training; the reason in words.
    OutOfTime(String),
    /// The trial was asked to stop, and wrote a checkpoint.
    Preempted,
    /// The sweep's rule ended training early; the reason in words.
    Stopped(String),
    /// The loss is NaN or infinite; the reason in words.
    Diverged(String),
}

/// The state of the training loop.
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
    /// Empty where the data set has no names.
    pub class_names: Vec<String>,
    pub state: State,
    pub recorder: Recorder<'a>,
    /// Wall time of earlier attempts, seconds.
    pub earlier_s: f64,
    pub speed: Speed,
}

/// Sums over batches, which stay on the device until they are logged.
struct Totals {
    loss: Tensor,
    correct: Tensor,
    /// Images of this epoch that replaced unreadable pictures, in this process.
    replaced: i64,
    /// The norm of the latest gradient before clipping.
    grad_norm: Option<Tensor>,
}

impl Loop<'_> {
    /// Trains from the state's step to the end.
    pub(crate) fn run(&mut self) -> Result<LoopEnd, Error> {
        let train = &self.spec.train;
        let steps_per_epoch =
            order::steps_per_epoch(self.source.len(Split::Train), train.batch_size);
        let total = train.epochs * steps_per_epoch;
        let optimizer = optimizer(train);
        let mut totals = self.load_totals();
        self.augment.side = train.side(0);
        self.show_samples()?;
        self.options.is_starting.store(false, Ordering::Relaxed);

        while self.state.step < total {
            let epoch = self.state.step / steps_per_epoch;
            self.begin_epoch(epoch, self.state.step % steps_per_epoch)?;
            // Discards the count of replaced pictures among the samples for TensorBoard.
            self.source.replaced();
            self.speed.resume();

            while self.state.step < (epoch + 1) * steps_per_epoch {
                self.compute_gradients(&mut totals)?;
                let rates = rates(train, steps_per_epoch, self.state.step);
                self.update(&optimizer, rates, &mut totals)?;

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
                        self.evaluate(epoch + 1, &mut values)?;
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

                if let Some(end) = self.save_if_due(epoch, total, is_epoch_end, &totals)? {
                    return Ok(end);
                }
            }
        }
        Ok(LoopEnd::Finished)
    }

    /// Computes the gradients of a step: of each batch that this process accumulates, reduced over
    /// processes.
    fn compute_gradients(&mut self, totals: &mut Totals) -> Result<(), Error> {
        let train = &self.spec.train;
        let shard = self.options.shard(train.accumulate);
        let batch_share = 1.0 / shard.parts() as f64;
        let mixing = Key::new(self.spec.seed).named("mix");
        for part in 0..shard.accumulate {
            let Some(batch) = self.source.next_batch()? else {
                // The reduction still needs this process's part, which is zero.
                self.reduce.begin(part > 0, false)?;
                if part == 0 {
                    self.net.params_mut().zero_grads();
                }
                break;
            };
            totals.replaced += self.source.replaced() as i64;
            let nth = (shard.rank * shard.accumulate + part) as u64;
            let of_step = mixing.with(self.state.step as u64);
            let first = nth as usize * batch.indices.len();
            self.net.set_noise(Noise::new(of_step, first));
            let (images, targets) = mix(train, batch, of_step.with(nth));
            erase(&self.spec.data.augment, &images, of_step.named("erase"), first);
            if part + 1 == shard.accumulate {
                self.reduce.begin(part > 0, true)?;
            }
            let scale = GradScale {
                batch_share,
                loss_scale: self.scaler.as_ref().map(LossScaler::scale),
                accumulates: part > 0,
            };
            let out = self.step.forward_backward(&mut self.net, &images, &targets, scale);
            totals.add(&out, batch_share);
            if let Some(reason) = self.step.gave_up() {
                self.state.engine = Engine::Autograd.name().into();
                self.recorder.log(&format!(
                    "warning: the step could not be recorded as a CUDA graph, and goes on without: \
                     {reason}"
                ));
            }
        }
        self.reduce.gradients()
    }

    /// Updates the weights, and all counts of steps.
    fn update(
        &mut self,
        optimizer: &Optimizer,
        rates: Rates,
        totals: &mut Totals,
    ) -> Result<(), Error> {
        let train = &self.spec.train;
        if let Some(scaler) = &mut self.scaler {
            scaler.unscale(self.net.params_mut())?;
        }
        if let Some(norm) = clip(train, self.net.params_mut()) {
            totals.grad_norm = Some(norm);
        }
        let step = self.state.step;
        let found_inf = self.scaler.as_ref().map(LossScaler::found_inf);
        optimizer.step(self.net.params_mut(), rates, step, found_inf)?;
        if let Some(scaler) = &mut self.scaler {
            scaler.update()?;
        }
        if train.ema > 0.0 {
            self.net.params_mut().update_average(average_decay(train, self.state.step));
        }
        self.state.step += 1;
        self.trace()?;
        self.state.loss_count += 1;
        self.state.seen += train.batch_size;
        self.speed.interval_steps += 1;
        Ok(())
    }

    /// Saves what is due after a step. Returns the end of training if it was asked to stop, or if
    /// the loss is not finite.
    fn save_if_due(
        &mut self,
        epoch: usize,
        total: usize,
        is_epoch_end: bool,
        totals: &Totals,
    ) -> Result<Option<LoopEnd>, Error> {
        let [stop, is_due] = self.is_asked_to_stop(total)?;
        if is_epoch_end {
            self.keep_on_the_way(epoch + 1)?;
        }
        if is_epoch_end || stop || is_due {
            if !self.save(totals)? {
                return Ok(Some(self.diverged("loss")));
            }
            self.speed.resume();
        }
        if stop {
            self.recorder.log(&format!("asked to stop: checkpoint at step {}", self.state.step));
            return Ok(Some(LoopEnd::Preempted));
        }
        Ok(None)
    }

    fn begin_epoch(&mut self, epoch: usize, first_step: usize) -> Result<(), Error> {
        let train = &self.spec.train;
        self.augment.side = train.side(epoch);
        train_at(&mut self.net, &self.spec.model, self.augment.side, train)?;
        let seed = self.spec.seed;
        let shard = self.options.shard(train.accumulate);
        let images = self.source.len(Split::Train);
        let repeats = self.spec.data.augment.repeats;
        let size = train.batch_size;
        let batches =
            order::repeated_batches(images, repeats, (seed, epoch), size, shard, first_step);
        let augment = Some((self.augment, order::epoch_key(seed, epoch)));
        self.source.begin(EpochPlan { split: Split::Train, batches, augment })
    }
}

/// Clips the gradient by the recipe. Returns its norm before, where that was computed.
pub(crate) fn clip(train: &TrainSpec, params: &mut Params) -> Option<Tensor> {
    if train.clip_value > 0.0 {
        params.clip_grad_values(train.clip_value);
    }
    if train.clip_agc > 0.0 {
        params.clip_grad_units(train.clip_agc);
    }
    (train.clip_norm > 0.0).then(|| params.clip_grads(train.clip_norm))
}

/// The decay of the moving average at a step. An average that has just started follows faster, so
/// that it forgets the initial weights.
fn average_decay(train: &TrainSpec, step: usize) -> f64 {
    let step = step as f64;
    let most = match train.ema_warmup {
        EmaWarmup::None => 1.0,
        EmaWarmup::Tensorflow => (1.0 + step) / (10.0 + step),
        // ModelEmaV3 with its defaults.
        EmaWarmup::Timm => 1.0 - (1.0 + step).powf(-2.0 / 3.0),
    };
    train.ema.min(most)
}

impl Totals {
    fn add(&mut self, out: &res2lab_nn::Loss, batch_share: f64) {
        // Each operator is a launch on a GPU. The sum is of 64 bits, whatever is added to it.
        if batch_share == 1.0 {
            self.loss += &out.loss;
        } else {
            self.loss += out.loss.to_kind(Kind::Double) * batch_share;
        }
        self.correct += &out.hits;
    }

    /// The loss and the hits, with one copy from the device.
    fn on_host(&self) -> [f64; 2] {
        let both = Tensor::stack(&[&self.loss, &self.correct.to_kind(Kind::Double)], 0);
        let both = both.to_device(Device::Cpu);
        [0, 1].map(|i| both.double_value(&[i]))
    }
}
