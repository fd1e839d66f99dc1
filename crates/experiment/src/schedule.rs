//! Learning-rate schedules, as written in YAML.
use crate::train::range;
use res2lab_error::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The learning rate as a function of the step. Written as a name (`one_cycle`) or as a map with
/// one key (`{cosine: {warmup_epochs: 5}}`).
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The optimizer's learning rate throughout.
    Constant,
    /// PyTorch's OneCycleLR with its defaults: cosine increase for 30 % of the steps, then cosine
    /// decrease; momentum 0.95-0.85-0.95.
    OneCycle,
    /// Multiplication by gamma every `every` epochs.
    Step {
        /// Epochs between decays.
        every: usize,
        /// Factor of each decay.
        gamma: f64,
    },
    /// Multiplication by gamma at each of the given epochs.
    MultiStep {
        /// Epochs at whose start the learning rate decays.
        at: Vec<usize>,
        /// Factor of each decay.
        gamma: f64,
    },
    /// Half a cosine period down to `min_lr`, after a linear warm-up.
    Cosine(Decay),
    /// `(1 - t)^power` down to `min_lr`, after a linear warm-up, where t is the share that is done.
    Polynomial { power: f64, decay: Decay },
}

/// The learning rate from its peak, which the optimizer gives, down to `min_lr`. With the fields of
/// timm's schedulers, whose values it has (`CosineLRScheduler`, `PolyLRScheduler`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decay {
    /// Epochs of linear warm-up.
    pub warmup_epochs: usize,
    /// Learning rate of the first step. Without it, the warm-up of n steps begins with a n-th of the
    /// peak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_lr: Option<f64>,
    /// Final learning rate.
    pub min_lr: f64,
    /// Epochs at the end in which the learning rate stays at `min_lr`.
    #[serde(skip_serializing_if = "is_default")]
    pub cooldown_epochs: usize,
    /// Number of times that the learning rate falls, each time from the peak again.
    #[serde(skip_serializing_if = "is_one")]
    pub cycles: usize,
    /// Factor of the peak from one cycle to the next.
    #[serde(skip_serializing_if = "is_1")]
    pub cycle_decay: f64,
    /// Whether the decay counts from the first step and not from the end of the warm-up, so that it
    /// begins below the peak (timm without `warmup_prefix`).
    #[serde(skip_serializing_if = "is_default")]
    pub from_start: bool,
    /// Whether the learning rate changes from epoch to epoch and not from step to step.
    #[serde(skip_serializing_if = "is_default")]
    pub per_epoch: bool,
}

// Fields that came later are written only if they are used: ids are digests of what is written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

fn is_1(factor: &f64) -> bool {
    *factor == 1.0
}

impl Default for Decay {
    fn default() -> Decay {
        Decay {
            warmup_epochs: 0,
            warmup_lr: None,
            min_lr: 0.0,
            cooldown_epochs: 0,
            cycles: 1,
            cycle_decay: 1.0,
            from_start: false,
            per_epoch: false,
        }
    }
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
    Cosine(Decay),
    Polynomial(PolynomialMap),
}

/// A power, and the fields of a [`Decay`] beside it.
#[derive(Serialize)]
struct PolynomialMap {
    power: f64,
    #[serde(flatten)]
    decay: Decay,
}

impl<'de> Deserialize<'de> for PolynomialMap {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<PolynomialMap, D::Error> {
        // What is not the power is a field of the decay, which refuses unknown ones.
        let mut map = serde_yaml::Mapping::deserialize(d)?;
        let power = map.remove("power").map_or(Ok(1.0), serde_yaml::from_value);
        let decay = serde_yaml::from_value(serde_yaml::Value::Mapping(map));
        let power = power.map_err(|e| de::Error::custom(format!("power: {e}")))?;
        // The decay knows its own fields only.
        let with_power = |e: serde_yaml::Error| {
            e.to_string().replacen("expected one of ", "expected one of `power`, ", 1)
        };
        Ok(PolynomialMap { power, decay: decay.map_err(with_power).map_err(de::Error::custom)? })
    }
}

fn default_gamma() -> f64 {
    0.1
}

const SCHEDULES: &str = "constant, one_cycle, cosine, polynomial, {step: {every: 30}}, \
                         {multi_step: {at: [150, 225]}} or {cosine: {warmup_epochs: 5}}";

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let map = match self.clone() {
            Schedule::Constant => return s.serialize_str("constant"),
            Schedule::OneCycle => return s.serialize_str("one_cycle"),
            Schedule::Step { every, gamma } => ScheduleMap::Step { every, gamma },
            Schedule::MultiStep { at, gamma } => ScheduleMap::MultiStep { at, gamma },
            Schedule::Cosine(decay) => ScheduleMap::Cosine(decay),
            Schedule::Polynomial { power, decay } => {
                ScheduleMap::Polynomial(PolynomialMap { power, decay })
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
            "cosine" => Ok(Schedule::Cosine(Decay::default())),
            "polynomial" => Ok(Schedule::Polynomial { power: 1.0, decay: Decay::default() }),
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
            ScheduleMap::Cosine(decay) => Schedule::Cosine(decay),
            ScheduleMap::Polynomial(PolynomialMap { power, decay }) => {
                Schedule::Polynomial { power, decay }
            }
        })
    }
}

impl Schedule {
    /// The warm-up, the cycles and the end of schedules that have them.
    pub fn decay_mut(&mut self) -> Option<&mut Decay> {
        match self {
            Schedule::Cosine(decay) | Schedule::Polynomial { decay, .. } => Some(decay),
            _ => None,
        }
    }

    /// Checks a schedule of `epochs` epochs.
    pub(crate) fn check(&self, epochs: usize) -> Result<(), Error> {
        let gamma_is = |gamma: f64| {
            range("train.schedule gamma", gamma, gamma > 0.0, "a number above 0, e.g. 0.1")
        };
        match self {
            Schedule::Constant | Schedule::OneCycle => Ok(()),
            Schedule::Step { every: 0, .. } => Err(Error::input(
                "train.schedule.step.every 0 is impossible",
                "give the epochs between drops, e.g. 30",
            )),
            Schedule::Step { gamma, .. } => gamma_is(*gamma),
            Schedule::MultiStep { at, gamma } => {
                if at.windows(2).any(|pair| pair[0] >= pair[1]) {
                    let cause = format!("train.schedule.multi_step.at {at:?} does not rise");
                    return Err(Error::input(cause, "give rising epochs, e.g. [150, 225]"));
                }
                gamma_is(*gamma)
            }
            Schedule::Cosine(decay) => decay.check("train.schedule.cosine", epochs),
            Schedule::Polynomial { power, decay } => {
                range(
                    "train.schedule.polynomial.power",
                    *power,
                    *power > 0.0,
                    "a number above 0, e.g. 0.9",
                )?;
                decay.check("train.schedule.polynomial", epochs)
            }
        }
    }
}

impl Decay {
    fn check(&self, path: &str, epochs: usize) -> Result<(), Error> {
        let at = |field: &str| format!("{path}.{field}");
        let rate =
            |field, value: f64| range(&at(field), value, value >= 0.0, "0 or a small number");
        rate("min_lr", self.min_lr)?;
        rate("warmup_lr", self.warmup_lr.unwrap_or(0.0))?;
        range(&at("cycles"), self.cycles as f64, self.cycles > 0, "1 or more")?;
        let factor = self.cycle_decay;
        range(&at("cycle_decay"), factor, factor > 0.0, "a number above 0, e.g. 0.5")?;
        let ends = self.warmup_epochs + self.cooldown_epochs;
        if self.cooldown_epochs > 0 && ends >= epochs {
            return Err(Error::input(
                format!("{path}: warm-up and cool-down take {ends} of {epochs} epochs"),
                "leave epochs between them",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Schedule, String> {
        serde_yaml::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn schedules_are_read_as_they_are_written() {
        for text in [
            "constant\n",
            "cosine:\n  warmup_epochs: 5\n  min_lr: 0.0\n",
            "cosine:\n  warmup_epochs: 5\n  warmup_lr: 0.001\n  min_lr: 0.0\n  cycles: 3\n",
            "polynomial:\n  power: 0.9\n  warmup_epochs: 0\n  min_lr: 0.0\n  per_epoch: true\n",
        ] {
            let schedule = read(text).unwrap();
            assert_eq!(serde_yaml::to_string(&schedule).unwrap(), text);
        }
        let bare = Schedule::Polynomial { power: 1.0, decay: Decay::default() };
        assert_eq!(read("polynomial").unwrap(), bare);
    }

    #[test]
    fn a_polynomial_names_its_power_among_its_fields() {
        let said = read("polynomial: {warmup: 3}").unwrap_err();
        assert!(said.contains("expected one of `power`, `warmup_epochs`"), "{said}");
    }

    #[test]
    fn fields_that_a_schedule_lacks_are_refused() {
        for text in ["cosine: {power: 2}", "polynomial: {warmup: 3}", "polynomial: {power: high}"] {
            let said = read(text).unwrap_err();
            assert!(said.contains("power") || said.contains("warmup"), "{text}: {said}");
        }
        let check = |text: &str| read(text).unwrap().check(10).is_err();
        assert!(check("cosine: {cycles: 0}"));
        assert!(check("cosine: {warmup_epochs: 5, cooldown_epochs: 5}"));
        assert!(check("polynomial: {power: 0}"));
        assert!(check("polynomial: {warmup_lr: -1}"));
        assert!(!check("cosine: {warmup_epochs: 4, cooldown_epochs: 5, cycles: 2}"));
    }
}
