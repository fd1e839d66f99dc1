//! Everything that determines a trial. What is not here (device, threads, folders) must not change
//! its result.

use crate::{DataSpec, TrainSpec};
use res2lab_arch::ModelSpec;
use serde::{Deserialize, Serialize};

/// One training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSpec {
    /// The network.
    pub model: ModelSpec,
    /// Where its weights start.
    #[serde(default)]
    pub init: InitSpec,
    /// The images.
    pub data: DataSpec,
    /// The recipe.
    pub train: TrainSpec,
    /// Initial weights, order of images and augmentation all follow from it.
    pub seed: u64,
}

/// Where the weights start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitSpec {
    /// A file of weights, or a network's name whose published weights were downloaded. A last layer
    /// of another number of classes is drawn anew. None draws everything from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}
