//! What `just gpu-check` has found out about the GPUs of this machine.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

/// The file under the folder of data sets.
pub const FILE: &str = ".cache/gpu-check.json";

/// The content of the file: what holds for `CARD, libtorch VERSION`.
type Record = BTreeMap<String, Checked>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Checked {
    /// Whether a step recorded as a CUDA graph trains as the plain one does.
    pub cuda_graph: bool,
    /// The same for steps of several processes, whose recordings contain NCCL's sums.
    pub graph_of_several: bool,
    /// Whether a fused evaluation gives the numbers of a plain one, and is faster.
    pub fused_evaluation: bool,
    /// Whether a trial runs with expandable segments of the allocator.
    pub expandable_segments: bool,
    /// Whether trials that share the card are faster with NVIDIA's Multi-Process Service.
    pub mps: bool,
}

/// What has been found correct on this card with this libtorch. Nothing without a record, and if
/// the record cannot be read.
pub fn checked(data: &Path, device: Device) -> Checked {
    let Some(name) = res2lab_libtorch::device::name(device) else { return Checked::default() };
    let text = std::fs::read_to_string(data.join(FILE)).unwrap_or_default();
    of_card(&text, &name, &res2lab_libtorch::version())
}

fn of_card(text: &str, card: &str, libtorch: &str) -> Checked {
    let record: Record = serde_json::from_str(text).unwrap_or_default();
    record.get(&format!("{card}, libtorch {libtorch}")).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_for_its_card_and_its_libtorch() {
        let text = r#"{"NVIDIA H100, libtorch 2.13.0": {"cuda_graph": true, "date": "2026"},
                       "NVIDIA T4, libtorch 2.13.0": {"cuda_graph": false}}"#;
        assert!(of_card(text, "NVIDIA H100", "2.13.0").cuda_graph);
        assert!(!of_card(text, "NVIDIA H100", "2.13.0").fused_evaluation);
        assert_eq!(of_card(text, "NVIDIA H100", "2.14.0"), Checked::default());
        assert_eq!(of_card(text, "NVIDIA T4", "2.13.0"), Checked::default());
        assert_eq!(of_card("", "NVIDIA H100", "2.13.0"), Checked::default());
    }
}
