//! When a GPU does a thing that pays on most cards and not on all.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written as `auto`, `true` or `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Where `just gpu-check` has found that it is correct on this card and pays, and the recipe
    /// allows it.
    #[default]
    Auto,
    Always,
    Never,
}

impl Switch {
    /// Whether it is on, where `pays` tells what `auto` means.
    pub fn is_on(self, pays: impl FnOnce() -> bool) -> bool {
        match self {
            Switch::Always => true,
            Switch::Never => false,
            Switch::Auto => pays(),
        }
    }
}

impl Serialize for Switch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Switch::Auto => serializer.serialize_str("auto"),
            Switch::Always => serializer.serialize_bool(true),
            Switch::Never => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Switch, D::Error> {
        deserializer.deserialize_any(Word)
    }
}

/// Reads a Boolean, or a word, since axes pass words.
struct Word;

impl Visitor<'_> for Word {
    type Value = Switch;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("auto, true or false")
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<Switch, E> {
        Ok(if is_on { Switch::Always } else { Switch::Never })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Switch, E> {
        match word.to_ascii_lowercase().as_str() {
            "auto" => Ok(Switch::Auto),
            "true" => Ok(Switch::Always),
            "false" => Ok(Switch::Never),
            _ => Err(E::unknown_variant(word, &["auto", "true", "false"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_read_as_it_is_written() {
        for (value, text) in
            [(Switch::Auto, "auto"), (Switch::Always, "true"), (Switch::Never, "false")]
        {
            assert_eq!(serde_yaml::to_string(&value).unwrap().trim(), text);
            assert_eq!(serde_yaml::from_str::<Switch>(text).unwrap(), value);
            let quoted = format!("'{text}'");
            assert_eq!(serde_yaml::from_str::<Switch>(&quoted).unwrap(), value);
        }
        assert!(serde_yaml::from_str::<Switch>("maybe").is_err());
        assert!(serde_yaml::from_str::<Switch>("1").is_err());
    }
}
