//! Automatic augmentation, as written in YAML: timm's notation, such as `rand-m7-mstd0.5-inc1`.

use res2lab_error::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How operations on pictures are chosen. The text is kept as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Auto {
    text: String,
    pub kind: AutoKind,
}

/// What the text means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AutoKind {
    /// `rand`, with options.
    Rand(Rand),
    /// `original`, `originalr`, `v0`, `v0r` or `3a`.
    Policy { name: PolicyName, deviation: f64 },
    /// `trivial`.
    Trivial,
}

/// The options of RandAugment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rand {
    /// `m`: magnitude.
    pub magnitude: f64,
    /// `mstd`: standard deviation of magnitudes; infinite above 100.
    pub deviation: f64,
    /// `mmax`: largest magnitude.
    pub most: f64,
    /// `n`: operations of a picture.
    pub layers: usize,
    /// `p`: probability of each.
    pub prob: f64,
    /// `inc` and `t`.
    pub set: SetName,
}

/// The operations of RandAugment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetName {
    Plain,
    /// `inc1`.
    Increasing,
    /// `t3a`.
    Three,
    /// `t3aw`.
    ThreeWeighted,
    /// `tweights`.
    Weighted,
}

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyName {
    Original,
    OriginalIncreasing,
    V0,
    V0Increasing,
    Three,
}

const FORMS: &str = "rand-m7-mstd0.5-inc1, original, originalr, v0, v0r, 3a or trivial";

impl Auto {
    /// Reads timm's notation.
    ///
    /// # Errors
    /// It names no policy, or has an option that the policy lacks.
    pub fn parse(text: &str) -> Result<Auto, Error> {
        let mut parts = text.split('-');
        let name = parts.next().unwrap_or_default();
        let policy = |name| AutoKind::Policy { name, deviation: 0.0 };
        let mut kind = match name {
            "rand" => AutoKind::Rand(Rand {
                magnitude: 10.0,
                deviation: 0.0,
                most: 10.0,
                layers: 2,
                prob: 0.5,
                set: SetName::Plain,
            }),
            "original" => policy(PolicyName::Original),
            "originalr" => policy(PolicyName::OriginalIncreasing),
            "v0" => policy(PolicyName::V0),
            "v0r" => policy(PolicyName::V0Increasing),
            "3a" => policy(PolicyName::Three),
            "trivial" => AutoKind::Trivial,
            _ => return Err(refused(text, &format!("{name} is no policy"))),
        };
        for part in parts {
            kind.set(part).map_err(|why| refused(text, &why))?;
        }
        Ok(Auto { text: text.to_owned(), kind })
    }
}

impl std::fmt::Display for Auto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl AutoKind {
    fn set(&mut self, part: &str) -> Result<(), String> {
        let unknown = || format!("{part} is no option of it");
        if let (AutoKind::Rand(rand), Some(name)) = (&mut *self, part.strip_prefix('t')) {
            rand.set = match name {
                "3a" => SetName::Three,
                "3aw" => SetName::ThreeWeighted,
                "weights" => SetName::Weighted,
                _ => return Err(unknown()),
            };
            return Ok(());
        }
        let digits = part.find(|c: char| c.is_ascii_digit()).ok_or_else(unknown)?;
        let (key, digits) = part.split_at(digits);
        let number: f64 = digits.parse().map_err(|_| unknown())?;
        let check = |is_ok: bool, range: &str| {
            if is_ok { Ok(()) } else { Err(format!("{part} is not {range}")) }
        };
        match (self, key) {
            (
                AutoKind::Rand(Rand { deviation, .. }) | AutoKind::Policy { deviation, .. },
                "mstd",
            ) => {
                *deviation = if number > 100.0 { f64::INFINITY } else { number };
            }
            (AutoKind::Rand(rand), "m") => rand.magnitude = number,
            (AutoKind::Rand(rand), "mmax") => rand.most = number,
            (AutoKind::Rand(rand), "n") => {
                check(number.fract() == 0.0 && (1.0..=16.0).contains(&number), "1 to 16")?;
                rand.layers = number as usize;
            }
            (AutoKind::Rand(rand), "p") => {
                check(number <= 1.0, "a probability")?;
                rand.prob = number;
            }
            (AutoKind::Rand(rand), "inc") => {
                if number > 0.0 && rand.set == SetName::Plain {
                    rand.set = SetName::Increasing;
                }
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

fn refused(text: &str, why: &str) -> Error {
    Error::input(format!("data.augment.auto {text} is impossible: {why}"), format!("give {FORMS}"))
}

impl Serialize for Auto {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Auto {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Auto, D::Error> {
        let text = String::deserialize(d)?;
        Auto::parse(&text).map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &FORMS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timms_notation_is_read_as_by_timm() {
        let of = |text: &str| Auto::parse(text).unwrap().kind;
        let rand = Rand {
            magnitude: 7.0,
            deviation: 0.5,
            most: 10.0,
            layers: 2,
            prob: 0.5,
            set: SetName::Increasing,
        };
        assert_eq!(of("rand-m7-mstd0.5-inc1"), AutoKind::Rand(rand));
        let three = Rand { set: SetName::Three, layers: 1, prob: 1.0, deviation: 0.0, ..rand };
        assert_eq!(of("rand-m7-n1-p1-inc1-t3a"), AutoKind::Rand(three));
        let uniform = Rand { deviation: f64::INFINITY, set: SetName::Plain, most: 20.0, ..rand };
        assert_eq!(of("rand-m7-mstd101-mmax20"), AutoKind::Rand(uniform));
        let policy = AutoKind::Policy { name: PolicyName::Original, deviation: 0.5 };
        assert_eq!(of("original-mstd0.5"), policy);
        for text in
            ["", "augmix-m5", "rand-x3", "rand-n0", "rand-p2", "trivial-m3", "v0-m3", "rand-t9"]
        {
            let e = Auto::parse(text).unwrap_err();
            assert!(e.cause.contains("data.augment.auto") && e.help.contains("trivial"), "{e}");
        }
        let read: Auto = serde_yaml::from_str("rand-m9").unwrap();
        assert_eq!(serde_yaml::to_string(&read).unwrap(), "rand-m9\n");
    }
}
