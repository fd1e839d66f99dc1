//! What is saved and how a run goes on from it: all state and momentum as tensors, and [`State`] in
//! the file's header. Nothing in it depends on the time or on how often the run was interrupted, so
//! equal runs write equal bytes.
use res2lab_error::Error;
use res2lab_nn::{Layout, Params, weights};
use res2lab_store::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The loop's own state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Which trial; a checkpoint of another is refused.
    pub trial: String,
    /// Memory layout, chosen at the first start and kept.
    pub layout: String,
    /// The kernels' instruction set on a CPU, chosen at the first start and kept: another adds in
    /// another order. Empty on a GPU, and in checkpoints of before there was a choice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vectors: String,
    /// Digest of the data set that it began with; empty in checkpoints of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// Digest of the initial weights; empty without such weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    /// Scale of the loss and steps since it grew, with float16.
    #[serde(default)]
    pub loss_scale: Option<(f64, i64)>,
    /// Optimizer steps made.
    pub step: usize,
    /// Sum of losses since the last log line, and how many.
    pub loss_sum: f64,
    /// The same of the trial's other processes, by rank from 1 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_loss_sums: Vec<f64>,
    /// Steps in `loss_sum`.
    pub loss_count: usize,
    /// Training images of this epoch that the net got right before learning from them.
    pub correct: i64,
    /// Training images of this epoch so far.
    pub seen: usize,
    /// How many of them stand for pictures that could not be read.
    #[serde(default)]
    pub replaced: i64,
    /// Bytes of metrics.jsonl at this moment.
    pub metrics_length: u64,
    /// The best evaluation: accuracy and epoch.
    pub best: Option<(f64, usize)>,
    /// The newest value of each metric.
    pub latest: BTreeMap<String, f64>,
}

impl State {
    /// The saved layout.
    pub(crate) fn layout(&self) -> Layout {
        if self.layout == Layout::ChannelsLast.name() {
            Layout::ChannelsLast
        } else {
            Layout::Contiguous
        }
    }
}

/// Writes parameters, momentum and state.
pub(crate) fn save(path: &Path, params: &Params, state: &State) -> Result<(), Error> {
    let header = serde_json::to_string(state)
        .map_err(|e| Error::machine(format!("cannot encode the checkpoint: {e}"), "report this"))?;
    atomic::write(path, &weights::to_bytes(params, true, &header)?)
}

/// Writes parameters alone.
pub(crate) fn save_weights(path: &Path, params: &Params) -> Result<(), Error> {
    atomic::write(path, &weights::to_bytes(params, false, "")?)
}

/// Bytes that parameters take by themselves.
pub(crate) fn weights_bytes(params: &Params) -> usize {
    let tensors = (0..params.entries().len()).map(|i| params.tensor(i));
    tensors.map(|t| t.numel() * t.kind().elt_size_in_bytes()).sum()
}

/// A checkpoint that was read.
pub(crate) struct Saved {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What its header says.
    pub state: State,
    /// Whether it had a checksum; those of before have none.
    pub was_checked: bool,
}

/// Reads a checkpoint; None where there is none, an error if it is damaged or another trial's.
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
