//! Everything that determines a trial. Settings that are not part of it (device, threads, folders)
//! must not change its result.

use crate::{DataSpec, TrainSpec};
use res2lab_arch::ModelSpec;
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The configuration of one training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSpec {
    pub model: ModelSpec,
    /// Initial weights.
    #[serde(default)]
    pub init: InitSpec,
    /// Data set, preprocessing and augmentation.
    pub data: DataSpec,
    /// The recipe.
    pub train: TrainSpec,
    /// Determines initial weights, order of images and augmentation.
    pub seed: u64,
}

/// The initial weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitSpec {
    /// A file of weights, or the name of a network whose published weights were downloaded. A last
    /// layer with another number of classes is initialized from the seed. `None` initializes
    /// everything from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}

impl TrialSpec {
    /// Checks that the data set has what the network learns. All data sets are for classification.
    pub fn check_task(&self) -> Result<(), Error> {
        let Some(head) = self.model.head else { return Ok(()) };
        let data = &self.data.name;
        Err(Error::input(
            format!("head {} makes a map, but images of {data} have one label each", head.name()),
            "leave head out: all data sets are for classification; model, rf and speed take heads",
        ))
    }
}
