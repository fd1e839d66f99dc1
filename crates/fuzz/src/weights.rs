//! Pickles, PyTorch's files of both kinds, and safetensors, as far as a small network takes weights
//! from them.

use crate::check_error;
use res2lab_arch::{Input, ModelOverrides, StateEntry};
use res2lab_nn::NnError;
use res2lab_nn::weights::{self, Fit, WeightsFile};
use std::io::{Cursor, Write};
use std::sync::LazyLock;

/// The state of the network that the kept inputs have weights of.
static ENTRIES: LazyLock<Vec<StateEntry>> = LazyLock::new(|| {
    let words = serde_json::json!({"block": "bottleneck", "stem": "cifar", "blocks": [1], "planes": 2, "width": 64});
    let words: ModelOverrides = serde_json::from_value(words).expect("fields of a network");
    let model = words.resolve().expect("a network").0;
    let input = Input { channels: 3, height: 32, width: 32, classes: 2 };
    res2lab_arch::build(&model, input).expect("a network").state
});

/// A pickle alone.
pub fn pickle(bytes: &[u8]) {
    if let Err(said) = weights::pickle::read(bytes) {
        check_error(&said, "-");
    }
}

/// A file of weights in whatever format; beside it lies one that an index may name.
pub fn file(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).expect("a file in it");
    if bytes.starts_with(b"{") {
        std::fs::write(folder.path().join("a.safetensors"), shard()).expect("a file in it");
    }
    let Some(file) = expected(WeightsFile::open(&path)) else { return };
    expected(weights::ends(&ENTRIES, &file));
    for fit in [Fit::Start, Fit::Exact] {
        expected(weights::check(&ENTRIES, &file, fit));
    }
}

/// The pickle of a file in today's format, which is a zip archive: its checksums would hide
/// everything from a fuzzer.
pub fn zipped(bytes: &[u8]) {
    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, content: &[u8]| {
        zip.start_file(format!("archive/{name}"), options).expect("an entry");
        zip.write_all(content).expect("its content");
    };
    add("data.pkl", bytes);
    add("byteorder", b"little");
    for storage in 0..4 {
        add(&format!("data/{storage}"), &[storage; 512]);
    }
    add("version", b"3\n");
    file(&zip.finish().expect("an archive").into_inner());
}

fn expected<T>(result: Result<T, NnError>) -> Option<T> {
    result.map_err(|e| check_error(&e.cause, &e.help)).ok()
}

/// A file of one tensor.
fn shard() -> Vec<u8> {
    let header = br#"{"conv1.weight":{"dtype":"F32","shape":[2,3,3,3],"data_offsets":[0,216]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 216]].concat()
}
