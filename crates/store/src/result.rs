//! result.json, written last: its presence says that the trial is over, and how it ended. env.json:
//! where it ran.

use crate::plan::Code;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a trial ended that will not be run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Trained to the end.
    #[default]
    Done,
    /// The loss became NaN or infinite; the same seed would do so again.
    Diverged,
    /// Ended early by the sweep's rule, behind the others.
    Stopped,
}

/// The content of result.json.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// How it ended.
    pub status: Outcome,
    /// In words, where it did not end well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// In words, what is not as the spec says: batch norm saw smaller batches, for one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub changed: String,
    /// Last values by slash path (`val/acc1`), and the best evaluation's as `best/acc1` with
    /// `best/epoch`.
    #[serde(deserialize_with = "crate::metrics::nullable")]
    pub metrics: BTreeMap<String, f64>,
    /// Optimizer steps made.
    pub steps: u64,
    /// Median time of one optimizer step of the last attempt, milliseconds; None if it made none.
    #[serde(default)]
    pub step_ms: Option<f64>,
    /// Training images per second of the last attempt, evaluation left out; None if it trained
    /// none.
    #[serde(default)]
    pub images_per_s: Option<f64>,
    /// Wall time of all attempts that ended well, seconds.
    pub wall_s: f64,
    /// Largest resident memory of the last attempt, MiB.
    pub peak_memory_mib: f64,
    /// `cpu`, or the GPU's name.
    pub device: String,
    /// Threads of the trial.
    pub threads: usize,
    /// Memory layout of activations, chosen at the first start.
    pub layout: String,
    /// The kernels' instruction set on a CPU, chosen at the first start; empty on a GPU and in
    /// records of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vectors: String,
    /// Digest of the data set that it was trained on; empty in records of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// Digest of the weights that it started from; empty where none were given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    /// The program that trained.
    pub code: Code,
    /// Attempts it took.
    pub attempts: u32,
    /// Unix time of the end, seconds.
    pub finished_s: f64,
}

/// The content of halved.json: after running out of memory a trial goes on with smaller parts of
/// its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halved {
    /// The spec's accumulation is multiplied by it.
    pub factor: usize,
}

/// The content of env.json.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    pub host: String,
    pub os: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub gpus: Vec<String>,
    pub device: String,
    pub threads: usize,
    pub libtorch: String,
    pub cuda: String,
    pub code: Code,
    pub process: u32,
    pub started_s: f64,
}
