//! Losses, as written in YAML.

use crate::train::range;
use res2lab_error::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What training minimizes. Written as a name (`bce`) or as a map with one key
/// (`{bce: {threshold: 0.2}}`).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loss {
    /// Cross-entropy of the softmax.
    #[default]
    CrossEntropy,
    /// Binary cross-entropy of each class by itself ("ResNet strikes back", Wightman et al. 2021;
    /// timm's `BinaryCrossEntropy`).
    Bce(Bce),
    /// Cross-entropy, in which examples weigh less the better they are classified (Lin et al. 2017).
    Focal {
        /// Power of 1 - p, where p is the predicted share of the class.
        gamma: f64,
    },
}

/// Of binary cross-entropy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bce {
    /// Targets above this are 1, the others 0. Without it, targets stay as label smoothing and
    /// mixing make them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The loss of an image is the sum over the classes, and not their mean.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sum_classes: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LossMap {
    Bce(Bce),
    Focal {
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
}

fn default_gamma() -> f64 {
    2.0
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let map = match self.clone() {
            Loss::CrossEntropy => return s.serialize_str("cross_entropy"),
            Loss::Bce(bce) => LossMap::Bce(bce),
            Loss::Focal { gamma } => LossMap::Focal { gamma },
        };
        serde_yaml::with::singleton_map::serialize(&map, s)
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Loss, D::Error> {
        d.deserialize_any(LossVisitor)
    }
}

struct LossVisitor;

impl<'de> de::Visitor<'de> for LossVisitor {
    type Value = Loss;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cross_entropy, bce, focal, {bce: {threshold: 0.2}} or {focal: {gamma: 2}}")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Loss, E> {
        match name {
            "cross_entropy" => Ok(Loss::CrossEntropy),
            "bce" => Ok(Loss::Bce(Bce::default())),
            "focal" => Ok(Loss::Focal { gamma: default_gamma() }),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Loss, A::Error> {
        let map = serde_yaml::with::singleton_map::deserialize(
            de::value::MapAccessDeserializer::new(map),
        )?;
        Ok(match map {
            LossMap::Bce(bce) => Loss::Bce(bce),
            LossMap::Focal { gamma } => Loss::Focal { gamma },
        })
    }
}

impl Loss {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Loss::CrossEntropy => Ok(()),
            Loss::Bce(Bce { threshold, .. }) => {
                let threshold = threshold.unwrap_or(0.0);
                let is_share = (0.0..1.0).contains(&threshold);
                range("train.loss.bce.threshold", threshold, is_share, "a share below 1, e.g. 0.2")
            }
            Loss::Focal { gamma } => {
                range("train.loss.focal.gamma", *gamma, *gamma >= 0.0, "a power, e.g. 2")
            }
        }
    }

    /// The loss in words; empty for cross-entropy.
    pub(crate) fn words(&self) -> String {
        match self {
            Loss::CrossEntropy => String::new(),
            Loss::Bce(Bce { threshold, sum_classes }) => {
                let threshold = threshold.map_or(String::new(), |t| format!(" with threshold {t}"));
                let sum = if *sum_classes { ", summed over classes" } else { "" };
                format!("binary cross-entropy{threshold}{sum}")
            }
            Loss::Focal { gamma } => format!("focal loss with gamma {gamma}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_read_as_they_are_written() {
        for text in [
            "cross_entropy\n",
            "bce: {}\n",
            "bce:\n  threshold: 0.2\n  sum_classes: true\n",
            "focal:\n  gamma: 2.0\n",
        ] {
            let loss: Loss = serde_yaml::from_str(text).unwrap();
            assert_eq!(serde_yaml::to_string(&loss).unwrap(), text);
            assert!(loss.check().is_ok());
        }
        let focal: Loss = serde_yaml::from_str("focal").unwrap();
        assert_eq!(focal, Loss::Focal { gamma: 2.0 });
        for text in ["hinge", "bce: {gamma: 1}", "focal: {threshold: 1}"] {
            assert!(serde_yaml::from_str::<Loss>(text).is_err(), "{text}");
        }
        assert!(Loss::Focal { gamma: -1.0 }.check().is_err());
        assert!(Loss::Bce(Bce { threshold: Some(1.0), ..Bce::default() }).check().is_err());
    }
}
