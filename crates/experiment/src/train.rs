//! The recipe of a trial.

use crate::{Schedule, SpecError};
use serde::{Deserialize, Serialize};

/// The recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of one optimizer step; the last partial batch of an epoch is dropped.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step; batch_size is divided by it.
    pub accumulate: usize,
    /// Processes that train one trial together, each on a device of its own and with an equal part
    /// of each batch.
    pub devices_per_trial: usize,
    /// With several processes, batch norm takes its statistics from the images of all of them.
    pub sync_bn: bool,
    /// The update rule.
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub optimizer: Optimizer,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// Weight of the uniform distribution in the targets, (1 - e) * onehot + e / classes.
    pub label_smoothing: f64,
    /// Largest norm of the whole gradient; a larger one is scaled down to it. 0 leaves gradients
    /// alone.
    pub clip_norm: f64,
    /// Mixes pairs of images and their labels with a weight drawn from Beta(mixup, mixup) (Zhang et
    /// al. 2018). 0 is off.
    pub mixup: f64,
    /// Pastes a box of one image into another, its area drawn from Beta(cutmix, cutmix) (Yun et al.
    /// 2019). 0 is off; with mixup on too, each batch gets one or the other.
    pub cutmix: f64,
    /// Decay of a moving average of all weights, which is what is evaluated and kept as best. 0 is
    /// off.
    pub ema: f64,
    /// Evaluate on the test images every so many epochs, and after the last.
    pub eval_every: usize,
    /// Log the training loss every so many steps.
    pub log_every: usize,
    /// Arithmetic.
    pub precision: Precision,
    /// Trains by libtorch's operators and autograd where a planned step with kernels of its own
    /// would be taken (CPUs): what that one is compared with.
    pub plain: bool,
    /// On a GPU, the step is recorded once as a CUDA graph and launched as a whole from then on:
    /// small networks are bound by launches.
    pub cuda_graph: bool,
    /// Training ends, with an evaluation, after so many minutes of all attempts together. 0 is no
    /// limit.
    pub max_minutes: f64,
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent as PyTorch defines it (dampening 0, decay added to the
    /// gradient).
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// Momentum; one_cycle replaces it.
        #[serde(default = "default_momentum")]
        momentum: f64,
        /// Nesterov's look-ahead.
        #[serde(default)]
        nesterov: bool,
        /// L2 decay.
        #[serde(default)]
        weight_decay: f64,
        /// What decays.
        #[serde(default)]
        decay_on: DecayOn,
    },
}

fn default_momentum() -> f64 {
    0.9
}

/// Which trained values the weight decay pulls to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecayOn {
    /// Every trained value, as the authors did.
    #[default]
    All,
    /// Convolution and linear weights; batch norm and biases are left alone.
    Weights,
}

/// Arithmetic of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits throughout.
    #[default]
    F32,
    /// 64 bits throughout.
    F64,
    /// Convolutions and products in bfloat16, the rest and all weights in 32 bits (autocast).
    Bf16,
    /// Convolutions and products in float16, with a scaled loss.
    Fp16,
}

impl Default for TrainSpec {
    fn default() -> TrainSpec {
        TrainSpec {
            epochs: 6,
            batch_size: 32,
            accumulate: 1,
            devices_per_trial: 1,
            sync_bn: false,
            optimizer: Optimizer::Sgd {
                lr: 0.1,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 5e-4,
                decay_on: DecayOn::All,
            },
            schedule: Schedule::OneCycle,
            label_smoothing: 0.1,
            clip_norm: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
            ema: 0.0,
            eval_every: 1,
            log_every: 25,
            precision: Precision::F32,
            plain: false,
            cuda_graph: false,
            max_minutes: 0.0,
        }
    }
}

impl TrainSpec {
    /// Refuses what cannot be trained, naming the field and its value.
    pub fn check(&self) -> Result<(), SpecError> {
        let counts = [
            ("train.epochs", self.epochs),
            ("train.batch_size", self.batch_size),
            ("train.accumulate", self.accumulate),
            ("train.devices_per_trial", self.devices_per_trial),
            ("train.eval_every", self.eval_every),
            ("train.log_every", self.log_every),
        ];
        if let Some((field, value)) = counts.into_iter().find(|&(_, n)| n == 0 || n > 10_000_000) {
            return Err(SpecError::new(
                format!("{field} {value} is impossible"),
                "give a whole number of at least 1",
            ));
        }
        if !self.batch_size.is_multiple_of(self.accumulate) {
            return Err(SpecError::new(
                format!(
                    "train.accumulate {} does not divide train.batch_size {}",
                    self.accumulate, self.batch_size
                ),
                "batch_size counts the images of one optimizer step; give a divisor of it",
            ));
        }
        let parts = self.accumulate.saturating_mul(self.devices_per_trial);
        if !self.batch_size.is_multiple_of(parts) {
            let devices = self.devices_per_trial;
            let batch = self.batch_size;
            let of = if self.accumulate > 1 {
                format!(" times accumulate {}", self.accumulate)
            } else {
                String::new()
            };
            return Err(SpecError::new(
                format!(
                    "train.devices_per_trial {devices}{of} does not divide train.batch_size {batch}"
                ),
                "batch_size counts the images of one optimizer step on all devices; give a multiple",
            ));
        }
        let Optimizer::Sgd { lr, momentum, weight_decay, .. } = self.optimizer;
        range("train.optimizer.sgd.lr", lr, lr > 0.0, "a number above 0, e.g. 0.1")?;
        range(
            "train.optimizer.sgd.momentum",
            momentum,
            (0.0..1.0).contains(&momentum),
            "a number from 0 to below 1",
        )?;
        range(
            "train.optimizer.sgd.weight_decay",
            weight_decay,
            weight_decay >= 0.0,
            "0 or a small number, e.g. 5e-4",
        )?;
        let share = |field: &str, value: f64| {
            range(field, value, (0.0..1.0).contains(&value), "a number from 0 to below 1")
        };
        share("train.label_smoothing", self.label_smoothing)?;
        share("train.ema", self.ema)?;
        let alpha = |field: &str, value: f64| {
            range(
                field,
                value,
                (0.0..=100.0).contains(&value),
                "0 (off) or a number such as 0.2 or 1",
            )
        };
        alpha("train.mixup", self.mixup)?;
        alpha("train.cutmix", self.cutmix)?;
        range(
            "train.clip_norm",
            self.clip_norm,
            self.clip_norm >= 0.0,
            "0 (off) or a number such as 5",
        )?;
        range(
            "train.max_minutes",
            self.max_minutes,
            self.max_minutes >= 0.0,
            "0 (no limit) or minutes",
        )?;
        let mixes = self.mixup > 0.0 || self.cutmix > 0.0;
        let devices = self.devices_per_trial;
        if self.cuda_graph && (mixes || devices > 1) {
            let with = if mixes {
                "mixup or cutmix, whose shares change from step to step"
            } else {
                "several devices"
            };
            return Err(SpecError::new(
                format!("train.cuda_graph does not go with {with}"),
                "leave one of them out",
            ));
        }
        self.schedule.check()
    }

    /// What the recipe switches on beyond plain SGD, in words, for logs and reports.
    pub fn features(&self) -> Vec<String> {
        let Optimizer::Sgd { nesterov, weight_decay, decay_on, .. } = self.optimizer;
        let mut on = Vec::new();
        let mut say = |is_on: bool, text: String| is_on.then(|| on.push(text));
        say(nesterov, "nesterov".into());
        say(
            weight_decay > 0.0 && decay_on == DecayOn::All,
            format!("weight decay {weight_decay} on all"),
        );
        say(
            weight_decay > 0.0 && decay_on == DecayOn::Weights,
            format!("weight decay {weight_decay} on weights"),
        );
        say(self.label_smoothing > 0.0, format!("label smoothing {}", self.label_smoothing));
        say(self.accumulate > 1, format!("accumulate {}", self.accumulate));
        let devices = self.devices_per_trial;
        say(devices > 1 && !self.sync_bn, format!("{devices} devices"));
        say(devices > 1 && self.sync_bn, format!("{devices} devices with synchronized batch norm"));
        say(self.clip_norm > 0.0, format!("clip norm {}", self.clip_norm));
        say(self.mixup > 0.0, format!("mixup {}", self.mixup));
        say(self.cutmix > 0.0, format!("cutmix {}", self.cutmix));
        say(self.ema > 0.0, format!("ema {}", self.ema));
        say(self.plain, "plain operators".into());
        say(self.cuda_graph, "CUDA graph".into());
        say(self.precision == Precision::Bf16, "bf16 autocast".into());
        say(self.precision == Precision::Fp16, "fp16 autocast with loss scaling".into());
        on
    }
}

pub(crate) fn range(field: &str, value: f64, ok: bool, help: &str) -> Result<(), SpecError> {
    if ok && value.is_finite() {
        return Ok(());
    }
    Err(SpecError::new(format!("{field} {value} is impossible"), format!("give {help}")))
}
