//! When a GPU records the training step as a CUDA graph.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written as `auto`, `true` or `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CudaGraph {
    /// Where `just gpu-check` has found that this GPU records correctly, and the recipe allows it.
    #[default]
    Auto,
    Always,
    Never,
}

impl Serialize for CudaGraph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CudaGraph::Auto => serializer.serialize_str("auto"),
            CudaGraph::Always => serializer.serialize_bool(true),
            CudaGraph::Never => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for CudaGraph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CudaGraph, D::Error> {
        deserializer.deserialize_any(Word)
    }
}

/// Reads a Boolean, or a word, since axes pass words.
struct Word;

impl Visitor<'_> for Word {
    type Value = CudaGraph;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("auto, true or false")
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<CudaGraph, E> {
        Ok(if is_on { CudaGraph::Always } else { CudaGraph::Never })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<CudaGraph, E> {
        match word.to_ascii_lowercase().as_str() {
            "auto" => Ok(CudaGraph::Auto),
            "true" => Ok(CudaGraph::Always),
            "false" => Ok(CudaGraph::Never),
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
            [(CudaGraph::Auto, "auto"), (CudaGraph::Always, "true"), (CudaGraph::Never, "false")]
        {
            assert_eq!(serde_yaml::to_string(&value).unwrap().trim(), text);
            assert_eq!(serde_yaml::from_str::<CudaGraph>(text).unwrap(), value);
            let quoted = format!("'{text}'");
            assert_eq!(serde_yaml::from_str::<CudaGraph>(&quoted).unwrap(), value);
        }
        assert!(serde_yaml::from_str::<CudaGraph>("maybe").is_err());
        assert!(serde_yaml::from_str::<CudaGraph>("1").is_err());
    }
}
