//! The learning rate over time, as written in YAML.

use crate::SpecError;
use crate::train::range;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The learning rate as a function of the step. Written as a name (`one_cycle`) or as a map of one
/// (`{cosine: {warmup_epochs: 5}}`).
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The optimizer's learning rate throughout.
    Constant,
    /// PyTorch's OneCycleLR with its defaults: cosine up for 30 % of the steps, cosine down,
    /// momentum 0.95-0.85-0.95.
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
            Schedule::Cosine { warmup_epochs, min_lr } => {
                ScheduleMap::Cosine { warmup_epochs, min_lr }
            }
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
        let map = serde_yaml::with::singleton_map::deserialize(
            de::value::MapAccessDeserializer::new(map),
        )?;
        Ok(match map {
            ScheduleMap::Step { every, gamma } => Schedule::Step { every, gamma },
            ScheduleMap::MultiStep { at, gamma } => Schedule::MultiStep { at, gamma },
            ScheduleMap::Cosine { warmup_epochs, min_lr } => {
                Schedule::Cosine { warmup_epochs, min_lr }
            }
        })
    }
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let gamma_is = |gamma: f64| {
            range("train.schedule gamma", gamma, gamma > 0.0, "a number above 0, e.g. 0.1")
        };
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
            Schedule::Cosine { min_lr, .. } => range(
                "train.schedule.cosine.min_lr",
                *min_lr,
                *min_lr >= 0.0,
                "0 or a small number",
            ),
        }
    }
}
