//! result.json: the outcome of a trial. It is written last, so its presence means that the trial
//! has ended. env.json: the machine on which the trial ran.

use crate::plan::Code;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The final outcome of a trial, which will not be run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Trained to the end.
    #[default]
    Done,
    /// The loss became NaN or infinite; a repetition with the same seed would diverge as well.
    Diverged,
    /// Ended by the early-stopping rule.
    Stopped,
}

/// The content of result.json.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    pub status: Outcome,
    /// The reason if the trial was not trained to the end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Deviations from the spec in words, e.g. a smaller batch for batch norm.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub changed: String,
    /// Last values by slash-separated path (`val/acc1`), and the best evaluation's as `best/acc1`
    /// with `best/epoch`.
    #[serde(deserialize_with = "crate::metrics::nullable")]
    pub metrics: BTreeMap<String, f64>,
    /// Number of completed optimizer steps.
    pub steps: u64,
    /// Median duration of an optimizer step in the last attempt, milliseconds; `None` without
    /// steps.
    #[serde(default)]
    pub step_ms: Option<f64>,
    /// Training images per second in the last attempt, without evaluation; `None` without training.
    #[serde(default)]
    pub images_per_s: Option<f64>,
    /// Wall time of all attempts that ended regularly, seconds.
    pub wall_s: f64,
    /// Peak resident memory of the last attempt, MiB.
    pub peak_memory_mib: f64,
    /// Peak memory of tensors on the first GPU of the last attempt, MiB; `None` on a CPU and in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_mib: Option<f64>,
    /// `cpu`, or the GPU's name.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// Memory layout of activations, chosen at the first start.
    pub layout: String,
    /// The engine that trained it: `planned`, `autograd` or `cuda_graph`. Empty in results from
    /// before this field existed.
    #[serde(default)]
    pub engine: String,
    /// The kernels' instruction set on a CPU, chosen at the first start; empty on a GPU and in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vectors: String,
    /// Digest of the training data set; empty in records of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// Digest of the initial weights; empty without such weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    /// Version of the program that trained.
    pub code: Code,
    /// Number of attempts.
    pub attempts: u32,
    /// Unix time of the end, seconds.
    pub finished_s: f64,
}

/// The content of halved.json: the reduction of the micro-batch after a trial ran out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halved {
    /// Multiplier of the spec's gradient accumulation.
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
