//! Checkpoints: all state and momentum as tensors, and [`State`] in the header of the file. The
//! contents do not depend on the time or on interruptions, so equal runs write equal bytes.
use res2lab_error::Error;
use res2lab_nn::{Layout, Params, weights};
use res2lab_store::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The state of the training loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The id of the trial; the checkpoint of another trial is refused.
    pub trial: String,
    /// The memory layout, which is chosen at the first start and kept.
    pub layout: String,
    /// The engine, which is chosen at the first start and kept; empty in checkpoints from before
    /// this field existed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// The instruction set of the kernels on a CPU, which is chosen at the first start and kept,
    /// since others add in another order. Empty on a GPU, and in checkpoints from before this field
    /// existed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vectors: String,
    /// The digest of the data set at the first start; empty in checkpoints from before this field
    /// existed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// The digest of the weights at the first start; empty if none were given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    /// The loss scale and the steps since it last changed, with float16.
    #[serde(default)]
    pub loss_scale: Option<(f64, i64)>,
    /// The number of optimizer steps so far.
    pub step: usize,
    /// The sum of losses since the last log line, in the first process.
    pub loss_sum: f64,
    /// The sums of the other processes, by rank from 1 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_loss_sums: Vec<f64>,
    /// Steps in `loss_sum`.
    pub loss_count: usize,
    /// Training images of this epoch that were classified correctly before the net learned from
    /// them.
    pub correct: i64,
    /// Training images of this epoch so far.
    pub seen: usize,
    /// Training images of this epoch that replaced unreadable pictures.
    #[serde(default)]
    pub replaced: i64,
    /// The length of metrics.jsonl in bytes.
    pub metrics_length: u64,
    /// The accuracy and the epoch of the best evaluation.
    pub best: Option<(f64, usize)>,
    /// The latest value of each metric.
    pub latest: BTreeMap<String, f64>,
}

impl State {
    /// The saved layout.
    pub(crate) fn layout(&self) -> Layout {
        Layout::from_name(&self.layout).unwrap_or(Layout::Contiguous)
    }
}

/// Writes parameters, momentum and state.
pub(crate) fn save(path: &Path, params: &Params, state: &State) -> Result<(), Error> {
    let header = serde_json::to_string(state)
        .map_err(|e| Error::machine(format!("cannot encode the checkpoint: {e}"), "report this"))?;
    atomic::write(path, &weights::to_bytes(params, true, &header)?)
}

/// Writes parameters without momentum or state.
pub(crate) fn save_weights(path: &Path, params: &Params) -> Result<(), Error> {
    atomic::write(path, &weights::to_bytes(params, false, "")?)
}

/// The bytes of all parameters.
pub(crate) fn weights_bytes(params: &Params) -> usize {
    let tensors = (0..params.entries().len()).map(|i| params.tensor(i));
    tensors.map(|t| t.numel() * t.kind().elt_size_in_bytes()).sum()
}

/// A checkpoint that was read.
pub(crate) struct Saved {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The state in the header.
    pub state: State,
    /// Whether the file had a checksum; old checkpoints have none.
    pub was_checked: bool,
}

/// Reads a checkpoint. Returns None if there is none, and an error if it is damaged or belongs to
/// another trial.
pub(crate) fn open(path: &Path, trial: &str) -> Result<Option<Saved>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(res2lab_store::error::io("read", path, e)),
    };
    let was_checked = weights::verify(&bytes, path)?;
    let header = weights::header(&bytes, path)?;
    let help = format!("remove {} to start from the beginning", path.display());
    let state: State = serde_json::from_str(&header)
        .map_err(|e| Error::machine(format!("{} is damaged: {e}", path.display()), help.clone()))?;
    if state.trial != trial {
        return Err(Error::machine(
            format!("{} is a checkpoint of {}", path.display(), state.trial),
            help,
        ));
    }
    Ok(Some(Saved { bytes, state, was_checked }))
}
