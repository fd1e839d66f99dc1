//! Everything that determines a trial. What is not here (device, threads, folders) must not change its result.

use crate::SpecError;
use arch::ModelSpec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// One training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSpec {
    /// The network.
    pub model: ModelSpec,
    /// The images.
    pub data: DataSpec,
    /// The recipe.
    pub train: TrainSpec,
    /// Initial weights, order of images and augmentation all follow from it.
    pub seed: u64,
}

/// Which images, and how they are changed on the way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// `mnist5k`, `mnist`, `fashion_mnist`, `cifar10`, `cifar100`.
    pub name: String,
    /// Folder of its files; None is `data/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Random changes of training images.
    pub augment: Augment,
    /// Images are padded with black to this many pixels a side; None keeps their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
}

/// Random changes of training images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pad by this many black pixels on each side, then crop the original size at a random place.
    pub crop_pad: usize,
    /// Mirror left to right with probability 1/2.
    pub flip: bool,
}

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
    /// The update rule.
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub optimizer: Optimizer,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// Weight of the uniform distribution in the targets, (1 - e) * onehot + e / classes.
    pub label_smoothing: f64,
    /// Evaluate on the test images every so many epochs, and after the last.
    pub eval_every: usize,
    /// Log the training loss every so many steps.
    pub log_every: usize,
    /// Arithmetic.
    pub precision: Precision,
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent as PyTorch defines it (dampening 0, decay added to the gradient).
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// Momentum; one_cycle replaces it.
        #[serde(default = "default_momentum")]
        momentum: f64,
        /// Nesterov's look-ahead.
        #[serde(default)]
        nesterov: bool,
        /// L2 decay on every trained value.
        #[serde(default)]
        weight_decay: f64,
    },
}

fn default_momentum() -> f64 {
    0.9
}

/// Arithmetic of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Precision {
    #[default]
    F32,
    F64,
}

/// The learning rate as a function of the step. Written as a name (`one_cycle`) or as a map of one
/// (`{cosine: {warmup_epochs: 5}}`).
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The optimizer's learning rate throughout.
    Constant,
    /// PyTorch's OneCycleLR with its defaults: cosine up for 30 % of the steps, cosine down, momentum 0.95-0.85-0.95.
    OneCycle,
    /// Times gamma every so many epochs.
    Step {
        /// Epochs between drops.
        every: usize,
        /// Factor of each drop.
        gamma: f64,
    },
    /// Times gamma at each of these epochs.
    MultiStep {
        /// Epochs at whose start the rate drops.
        at: Vec<usize>,
        /// Factor of each drop.
        gamma: f64,
    },
    /// Half a cosine to zero after a linear warm-up.
    Cosine {
        /// Epochs of linear warm-up.
        warmup_epochs: usize,
        /// Last learning rate.
        min_lr: f64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ScheduleMap {
    Step {
        every: usize,
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
    MultiStep {
        at: Vec<usize>,
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
    Cosine {
        #[serde(default)]
        warmup_epochs: usize,
        #[serde(default)]
        min_lr: f64,
    },
}

fn default_gamma() -> f64 {
    0.1
}

const SCHEDULES: &str = "constant, one_cycle, cosine, {step: {every: 30}}, {multi_step: {at: [150, 225]}} \
                         or {cosine: {warmup_epochs: 5}}";

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let map = match self.clone() {
            Schedule::Constant => return s.serialize_str("constant"),
            Schedule::OneCycle => return s.serialize_str("one_cycle"),
            Schedule::Step { every, gamma } => ScheduleMap::Step { every, gamma },
            Schedule::MultiStep { at, gamma } => ScheduleMap::MultiStep { at, gamma },
            Schedule::Cosine { warmup_epochs, min_lr } => ScheduleMap::Cosine { warmup_epochs, min_lr },
        };
        serde_yaml::with::singleton_map::serialize(&map, s)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Schedule, D::Error> {
        d.deserialize_any(ScheduleVisitor)
    }
}

struct ScheduleVisitor;

impl<'de> de::Visitor<'de> for ScheduleVisitor {
    type Value = Schedule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEDULES)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Schedule, E> {
        match name {
            "constant" => Ok(Schedule::Constant),
            "one_cycle" => Ok(Schedule::OneCycle),
            "cosine" => Ok(Schedule::Cosine { warmup_epochs: 0, min_lr: 0.0 }),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
        let map = serde_yaml::with::singleton_map::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(match map {
            ScheduleMap::Step { every, gamma } => Schedule::Step { every, gamma },
            ScheduleMap::MultiStep { at, gamma } => Schedule::MultiStep { at, gamma },
            ScheduleMap::Cosine { warmup_epochs, min_lr } => Schedule::Cosine { warmup_epochs, min_lr },
        })
    }
}

impl Default for DataSpec {
    fn default() -> DataSpec {
        DataSpec { name: "mnist5k".into(), path: None, augment: Augment::default(), pad_to: None }
    }
}

impl Default for TrainSpec {
    fn default() -> TrainSpec {
        TrainSpec {
            epochs: 6,
            batch_size: 32,
            accumulate: 1,
            optimizer: Optimizer::Sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4 },
            schedule: Schedule::OneCycle,
            label_smoothing: 0.1,
            eval_every: 1,
            log_every: 25,
            precision: Precision::F32,
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
            ("train.eval_every", self.eval_every),
            ("train.log_every", self.log_every),
        ];
        if let Some((field, value)) = counts.into_iter().find(|&(_, n)| n == 0 || n > 10_000_000) {
            return Err(SpecError::new(format!("{field} {value} is impossible"), "give a whole number of at least 1"));
        }
        if !self.batch_size.is_multiple_of(self.accumulate) {
            return Err(SpecError::new(
                format!("train.accumulate {} does not divide train.batch_size {}", self.accumulate, self.batch_size),
                "batch_size counts the images of one optimizer step; give a divisor of it",
            ));
        }
        let Optimizer::Sgd { lr, momentum, weight_decay, .. } = self.optimizer;
        range("train.optimizer.sgd.lr", lr, lr > 0.0, "a number above 0, e.g. 0.1")?;
        range("train.optimizer.sgd.momentum", momentum, (0.0..1.0).contains(&momentum), "a number from 0 to below 1")?;
        range("train.optimizer.sgd.weight_decay", weight_decay, weight_decay >= 0.0, "0 or a small number, e.g. 5e-4")?;
        let smoothing = self.label_smoothing;
        range("train.label_smoothing", smoothing, (0.0..1.0).contains(&smoothing), "a number from 0 to below 1")?;
        self.schedule.check()
    }
}

impl Schedule {
    fn check(&self) -> Result<(), SpecError> {
        let gamma_is = |gamma: f64| range("train.schedule gamma", gamma, gamma > 0.0, "a number above 0, e.g. 0.1");
        match self {
            Schedule::Constant | Schedule::OneCycle => Ok(()),
            Schedule::Step { every: 0, .. } => Err(SpecError::new(
                "train.schedule.step.every 0 is impossible",
                "give the epochs between drops, e.g. 30",
            )),
            Schedule::Step { gamma, .. } => gamma_is(*gamma),
            Schedule::MultiStep { at, gamma } => {
                if at.windows(2).any(|pair| pair[0] >= pair[1]) {
                    let cause = format!("train.schedule.multi_step.at {at:?} does not rise");
                    return Err(SpecError::new(cause, "give rising epochs, e.g. [150, 225]"));
                }
                gamma_is(*gamma)
            }
            Schedule::Cosine { min_lr, .. } => {
                range("train.schedule.cosine.min_lr", *min_lr, *min_lr >= 0.0, "0 or a small number")
            }
        }
    }
}

fn range(field: &str, value: f64, ok: bool, help: &str) -> Result<(), SpecError> {
    if ok && value.is_finite() {
        return Ok(());
    }
    Err(SpecError::new(format!("{field} {value} is impossible"), format!("give {help}")))
}
