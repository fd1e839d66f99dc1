//! What `just gpu-check` has found out about the GPUs of this machine.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

/// The file under the folder of data sets.
pub const FILE: &str = ".cache/gpu-check.json";

/// The content of the file: what holds for `CARD, libtorch VERSION`.
type Record = BTreeMap<String, Found>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Found {
    /// Whether a step recorded as a CUDA graph trains as the plain one does.
    cuda_graph: bool,
}

/// Whether a CUDA graph of a training step has been found correct on this card with this libtorch.
/// False without a record, and if the record cannot be read.
pub fn graphs_are_checked(data: &Path, device: Device) -> bool {
    let Some(name) = res2lab_libtorch::device::name(device) else { return false };
    let text = std::fs::read_to_string(data.join(FILE)).unwrap_or_default();
    is_checked(&text, &name, &res2lab_libtorch::version())
}

fn is_checked(text: &str, card: &str, libtorch: &str) -> bool {
    let record: Record = serde_json::from_str(text).unwrap_or_default();
    record.get(&format!("{card}, libtorch {libtorch}")).is_some_and(|found| found.cuda_graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_for_its_card_and_its_libtorch() {
        let text = r#"{"NVIDIA H100, libtorch 2.13.0": {"cuda_graph": true, "date": "2026"},
                       "NVIDIA T4, libtorch 2.13.0": {"cuda_graph": false}}"#;
        assert!(is_checked(text, "NVIDIA H100", "2.13.0"));
        assert!(!is_checked(text, "NVIDIA H100", "2.14.0"));
        assert!(!is_checked(text, "NVIDIA T4", "2.13.0"));
        assert!(!is_checked("", "NVIDIA H100", "2.13.0"));
    }
}
