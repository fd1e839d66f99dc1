//! The recipe of a trial.

use crate::{DecayOn, Loss, Optimizer, Schedule, Switch};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The recipe of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Passes over the training images.
    pub epochs: usize,
    /// Sides of training images in pixels, each for an equal share of the epochs. Evaluation keeps
    /// the side of the data set. Empty is off.
    pub sizes: Vec<usize>,
    /// Images per optimizer step; the last partial batch of an epoch is dropped.
    pub batch_size: usize,
    /// Gradient accumulation: number of micro-batches per step, by which batch_size is divided.
    pub accumulate: usize,
    /// Processes that train one trial together, each on a device of its own with an equal part of
    /// each batch.
    pub devices_per_trial: usize,
    /// With several processes, batch norm uses the statistics of the images of all processes.
    pub sync_bn: bool,
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub optimizer: Optimizer,
    /// Factor of the learning rate from one layer to the layer before it. 1 is off.
    pub layer_decay: f64,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// What training minimizes.
    pub loss: Loss,
    /// A weight for each class in the loss; empty if all are 1.
    pub class_weights: Vec<f64>,
    /// Weight e of the uniform distribution in the targets, (1 - e) * onehot + e / classes.
    pub label_smoothing: f64,
    /// Largest norm of the whole gradient; a larger gradient is scaled down to it. 0 is off.
    pub clip_norm: f64,
    /// Largest element of the gradient, in absolute terms. 0 is off.
    pub clip_value: f64,
    /// Largest norm of each output channel's gradient as a share of its weights' norm (adaptive
    /// gradient clipping). 0 is off.
    pub clip_agc: f64,
    /// Mixes pairs of images and their labels with a weight drawn from Beta(mixup, mixup) (Zhang et
    /// al. 2018). 0 is off.
    pub mixup: f64,
    /// Replaces a box of one image by that of another, with an area drawn from Beta(cutmix, cutmix)
    /// (Yun et al. 2019). 0 is off. If mixup is on too, each batch gets one of the two.
    pub cutmix: f64,
    /// Share of the batches (or images) that mixup or CutMix changes.
    pub mix_prob: f64,
    /// With both mixup and CutMix: the share of CutMix.
    pub mix_switch_prob: f64,
    /// What gets one choice and one weight of mixup and CutMix.
    pub mix_mode: MixMode,
    /// Probability that the residual branch of the last block is dropped for an image; it rises
    /// linearly with depth from 0 at the first block (stochastic depth). 0 is off.
    pub drop_path: f64,
    /// Probability that a feature before the head is dropped. 0 is off.
    pub dropout: f64,
    /// Decay of an exponential moving average of all weights. The average is evaluated and saved as
    /// best. 0 is off.
    pub ema: f64,
    /// How the decay of the moving average begins.
    pub ema_warmup: EmaWarmup,
    /// Epochs between evaluations on the test images; the last epoch is always evaluated.
    pub eval_every: usize,
    /// Steps between log entries of the training loss.
    pub log_every: usize,
    pub precision: Precision,
    /// Trains by libtorch's operators and autograd instead of the planned step (CPUs only), as a
    /// reference for the planned step.
    pub plain: bool,
    /// Records the step once as a CUDA graph and launches the graph from then on (GPUs only). Small
    /// networks are limited by the time of launches.
    pub cuda_graph: Switch,
    /// Evaluates with batch norms folded into the convolutions, and sums and ReLUs fused with them
    /// (GPUs only; the planned step on a CPU always does).
    pub fused_evaluation: Switch,
    /// The memory layout of activations for libtorch's operators. The planned step has its own.
    pub layout: MemoryLayout,
    /// Training ends, with an evaluation, after this many minutes of all attempts together. 0 is no
    /// limit.
    pub max_minutes: f64,
}

/// What gets one choice and one weight of mixup and CutMix, as in timm. Image i is always mixed with
/// the i-th from the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixMode {
    #[default]
    Batch,
    /// Both images of a pair.
    Pair,
    /// Each image.
    Elem,
}

/// How the decay of the moving average begins, at step t from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmaWarmup {
    /// At most (1 + t) / (10 + t).
    #[default]
    Tensorflow,
    /// At most 1 - (1 + t)^(-2/3), as timm's.
    Timm,
    /// As it is from the first step on.
    None,
}

/// The memory layout of activations and of convolution weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryLayout {
    /// By the network, the precision and the device.
    #[default]
    Auto,
    /// NCHW.
    Contiguous,
    /// NHWC.
    ChannelsLast,
}

/// The numeric precision of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits throughout.
    #[default]
    F32,
    /// 32 bits; convolutions and matrix products round their factors to TF32 on GPUs that have it.
    Tf32,
    /// 64 bits throughout.
    F64,
    /// Convolutions in bfloat16; sums, statistics and weights in 32 bits. On a CPU the planned step
    /// also keeps activations in bfloat16; elsewhere it is libtorch's autocast.
    Bf16,
    /// Convolutions and matrix products in float16, with loss scaling.
    Fp16,
}

impl Default for TrainSpec {
    fn default() -> TrainSpec {
        TrainSpec {
            epochs: 6,
            sizes: vec![],
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
            layer_decay: 1.0,
            schedule: Schedule::OneCycle,
            loss: Loss::CrossEntropy,
            class_weights: vec![],
            label_smoothing: 0.1,
            clip_norm: 0.0,
            clip_value: 0.0,
            clip_agc: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
            mix_prob: 1.0,
            mix_switch_prob: 0.5,
            mix_mode: MixMode::Batch,
            drop_path: 0.0,
            dropout: 0.0,
            ema: 0.0,
            ema_warmup: EmaWarmup::Tensorflow,
            eval_every: 1,
            log_every: 25,
            precision: Precision::F32,
            plain: false,
            cuda_graph: Switch::Auto,
            fused_evaluation: Switch::Auto,
            layout: MemoryLayout::Auto,
            max_minutes: 0.0,
        }
    }
}

impl TrainSpec {
    /// Checks the recipe; an error names the field and its value.
    pub fn check(&self) -> Result<(), Error> {
        self.check_counts()?;
        self.check_sizes()?;
        self.check_ranges()?;
        if self.cuda_graph == Switch::Always && !self.can_be_recorded() {
            let with = if self.mixup > 0.0 || self.cutmix > 0.0 {
                "mixup or cutmix, whose shares change from step to step"
            } else if !self.sizes.is_empty() {
                "train.sizes, which change the work of a step"
            } else if self.drop_path > 0.0 || self.dropout > 0.0 {
                "drop_path or dropout, whose factors change from step to step"
            } else if self.plain {
                "train.plain"
            } else {
                "several devices and accumulate together"
            };
            return Err(Error::input(
                format!("train.cuda_graph does not go with {with}"),
                "leave one of them out",
            ));
        }
        self.loss.check()?;
        for weight in &self.class_weights {
            range("train.class_weights", *weight, *weight >= 0.0, "numbers of at least 0")?;
        }
        self.schedule.check(self.epochs)
    }

    /// Whether every step is the same work on other numbers. Of several processes that accumulate,
    /// only the last of the parts of a step sums gradients.
    pub fn can_be_recorded(&self) -> bool {
        let is_one_part = self.devices_per_trial == 1 || self.accumulate == 1;
        let is_mixed = self.mixup > 0.0 || self.cutmix > 0.0;
        let is_noisy = self.drop_path > 0.0 || self.dropout > 0.0;
        self.sizes.is_empty() && !is_mixed && !is_noisy && is_one_part && !self.plain
    }

    /// The side of training images in an epoch, if it is not that of the data set. Of epochs that
    /// the number of sizes does not divide, earlier sizes get the smaller share.
    pub fn side(&self, epoch: usize) -> Option<usize> {
        self.sizes.get(epoch * self.sizes.len() / self.epochs.max(1)).copied()
    }

    /// The number of epochs at each side of training images, without neighbors of equal side. The
    /// side is None where it is that of the data set.
    pub fn epochs_by_side(&self) -> Vec<(Option<usize>, usize)> {
        let mut found: Vec<(Option<usize>, usize)> = Vec::new();
        for side in (0..self.epochs).map(|epoch| self.side(epoch)) {
            match found.last_mut() {
                Some((last, epochs)) if *last == side => *epochs += 1,
                _ => found.push((side, 1)),
            }
        }
        found
    }

    fn check_sizes(&self) -> Result<(), Error> {
        const SIDES: std::ops::RangeInclusive<usize> = 8..=4096;
        if let Some(side) = self.sizes.iter().find(|side| !SIDES.contains(side)) {
            return Err(Error::input(
                format!("train.sizes {side} is impossible"),
                "give whole numbers of pixels from 8 to 4096, e.g. [128, 160, 192]",
            ));
        }
        if self.sizes.len() > self.epochs {
            let sizes = self.sizes.len();
            let epochs = self.epochs;
            return Err(Error::input(
                format!("train.sizes has {sizes} sides, and train.epochs is {epochs}"),
                "give at most one side for each epoch",
            ));
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Error> {
        let counts = [
            ("train.epochs", self.epochs),
            ("train.batch_size", self.batch_size),
            ("train.accumulate", self.accumulate),
            ("train.devices_per_trial", self.devices_per_trial),
            ("train.eval_every", self.eval_every),
            ("train.log_every", self.log_every),
        ];
        if let Some((field, value)) = counts.into_iter().find(|&(_, n)| n == 0 || n > 10_000_000) {
            return Err(Error::input(
                format!("{field} {value} is impossible"),
                "give a whole number of at least 1",
            ));
        }
        if !self.batch_size.is_multiple_of(self.accumulate) {
            return Err(Error::input(
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
            return Err(Error::input(
                format!(
                    "train.devices_per_trial {devices}{of} does not divide train.batch_size {batch}"
                ),
                "batch_size counts the images of one optimizer step on all devices; give a multiple",
            ));
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), Error> {
        self.optimizer.check()?;
        let is_factor = self.layer_decay > 0.0 && self.layer_decay <= 1.0;
        range("train.layer_decay", self.layer_decay, is_factor, "1 (off) or less, e.g. 0.75")?;
        let share = |field: &str, value: f64| {
            range(field, value, (0.0..1.0).contains(&value), "a number from 0 to below 1")
        };
        share("train.label_smoothing", self.label_smoothing)?;
        share("train.ema", self.ema)?;
        share("train.drop_path", self.drop_path)?;
        share("train.dropout", self.dropout)?;
        for (field, value) in
            [("mix_prob", self.mix_prob), ("mix_switch_prob", self.mix_switch_prob)]
        {
            let is_share = (0.0..=1.0).contains(&value);
            range(&format!("train.{field}"), value, is_share, "a number from 0 to 1")?;
        }
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
        let limits = [
            ("train.clip_norm", self.clip_norm, "0 (off) or a number such as 5"),
            ("train.clip_value", self.clip_value, "0 (off) or a number such as 1"),
            ("train.clip_agc", self.clip_agc, "0 (off) or a share such as 0.01"),
        ];
        for (field, value, help) in limits {
            range(field, value, value >= 0.0, help)?;
        }
        let on: Vec<&str> =
            limits.iter().filter(|limit| limit.1 > 0.0).map(|limit| limit.0).collect();
        if let [first, second, ..] = on[..] {
            return Err(Error::input(
                format!("{first} and {second} both clip the gradient"),
                "set all but one of them to 0",
            ));
        }
        if self.precision == Precision::Fp16 && self.optimizer.keeps_squares() {
            return Err(Error::input(
                format!("train.precision fp16 does not go with {}", self.optimizer.name()),
                "give train.precision=bf16, or the optimizer sgd",
            ));
        }
        range(
            "train.max_minutes",
            self.max_minutes,
            self.max_minutes >= 0.0,
            "0 (no limit) or minutes",
        )
    }

    /// The options that the recipe enables beyond plain SGD, in words, for logs and reports.
    pub fn features(&self) -> Vec<String> {
        let mut on = self.optimizer.features();
        let mut say = |is_on: bool, text: String| is_on.then(|| on.push(text));
        say(self.layer_decay < 1.0, format!("layer decay {}", self.layer_decay));
        say(self.loss != Loss::CrossEntropy, self.loss.words());
        say(!self.class_weights.is_empty(), "weights for classes".into());
        say(self.label_smoothing > 0.0, format!("label smoothing {}", self.label_smoothing));
        say(!self.sizes.is_empty(), format!("sides of training images {:?}", self.sizes));
        say(self.accumulate > 1, format!("accumulate {}", self.accumulate));
        let devices = self.devices_per_trial;
        say(devices > 1 && !self.sync_bn, format!("{devices} devices"));
        say(devices > 1 && self.sync_bn, format!("{devices} devices with synchronized batch norm"));
        say(self.clip_norm > 0.0, format!("clip norm {}", self.clip_norm));
        say(self.clip_value > 0.0, format!("clip value {}", self.clip_value));
        say(self.clip_agc > 0.0, format!("adaptive clipping {}", self.clip_agc));
        say(self.mixup > 0.0, format!("mixup {}", self.mixup));
        say(self.cutmix > 0.0, format!("cutmix {}", self.cutmix));
        let mixes = self.mixup > 0.0 || self.cutmix > 0.0;
        say(mixes && self.mix_prob < 1.0, format!("mixing with probability {}", self.mix_prob));
        say(mixes && self.mix_mode == MixMode::Pair, "mixing pair by pair".into());
        say(mixes && self.mix_mode == MixMode::Elem, "mixing image by image".into());
        say(self.drop_path > 0.0, format!("drop path {}", self.drop_path));
        say(self.dropout > 0.0, format!("dropout {}", self.dropout));
        say(self.ema > 0.0, format!("ema {}", self.ema));
        say(self.plain, "plain operators".into());
        say(self.cuda_graph == Switch::Always, "CUDA graph".into());
        say(self.fused_evaluation == Switch::Always, "fused evaluation".into());
        say(self.layout == MemoryLayout::Contiguous, "contiguous layout".into());
        say(self.layout == MemoryLayout::ChannelsLast, "channels_last layout".into());
        say(self.precision == Precision::Tf32, "TF32 products on a GPU".into());
        say(self.precision == Precision::Bf16, "bf16".into());
        say(self.precision == Precision::Fp16, "fp16 autocast with loss scaling".into());
        on
    }
}

pub(crate) fn range(field: &str, value: f64, ok: bool, help: &str) -> Result<(), Error> {
    if ok && value.is_finite() {
        return Ok(());
    }
    Err(Error::input(format!("{field} {value} is impossible"), format!("give {help}")))
}
