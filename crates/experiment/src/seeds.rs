//! Which seeds each arm is trained with: a list, or a rule that adds seeds until a difference is
//! known well enough.

use crate::SpecError;
use crate::train::range;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// As written: `[0, 1, 2]`, or `{min: 3, max: 10, half_width: 0.3}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// These.
    List(Vec<u64>),
    /// As many as it takes.
    Rule(SeedRule),
}

/// Stein's two-stage rule (1945): `min` seeds tell how much the paired differences from the first
/// arm scatter, and from that alone how many seeds make the 95 % interval of each difference no
/// wider than `half_width` to either side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRule {
    /// Seeds of the first stage, 0 to min - 1.
    pub min: usize,
    /// Never more than these.
    pub max: usize,
    /// In the metric's unit: points of accuracy.
    pub half_width: f64,
}

impl Seeds {
    /// Refuses what no sweep can do.
    pub fn check(&self) -> Result<(), SpecError> {
        match self {
            Seeds::List(list) if list.is_empty() => Err(SpecError::new(
                "seeds is empty",
                "give at least one seed, e.g. seeds: [0, 1, 2]",
            )),
            Seeds::List(_) => Ok(()),
            Seeds::Rule(SeedRule { min, max, half_width }) => {
                if *min < 2 || max < min || *max > 100_000 {
                    let help = "give at least 2 for min, whose spread decides, and max at least min, e.g. {min: 3, max: 10, half_width: 0.3}";
                    return Err(SpecError::new(
                        format!("seeds from {min} to {max} are impossible"),
                        help,
                    ));
                }
                range(
                    "seeds.half_width",
                    *half_width,
                    *half_width > 0.0,
                    "points of accuracy above 0, e.g. 0.3",
                )
            }
        }
    }

    /// The seeds that every arm has from the start.
    pub fn first(&self) -> Vec<u64> {
        match self {
            Seeds::List(list) => list.clone(),
            Seeds::Rule(rule) => (0..rule.min as u64).collect(),
        }
    }

    /// The rule, if there is one.
    pub fn rule(&self) -> Option<SeedRule> {
        match self {
            Seeds::List(_) => None,
            Seeds::Rule(rule) => Some(*rule),
        }
    }
}

impl Serialize for Seeds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Seeds::List(list) => list.serialize(s),
            Seeds::Rule(rule) => rule.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Seeds, D::Error> {
        d.deserialize_any(SeedsVisitor)
    }
}

struct SeedsVisitor;

impl<'de> de::Visitor<'de> for SeedsVisitor {
    type Value = Seeds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list such as [0, 1, 2], or {min: 3, max: 10, half_width: 0.3}")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Seeds, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(Seeds::List)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Seeds, A::Error> {
        SeedRule::deserialize(de::value::MapAccessDeserializer::new(map)).map(Seeds::Rule)
    }
}
