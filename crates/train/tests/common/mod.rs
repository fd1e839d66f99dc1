//! Helpers of the tests of whole trials.

use res2lab_experiment::{DataSpec, InitSpec, TrainSpec, TrialSpec};
use res2lab_store::{Code, PlannedTrial, RunDir};
use res2lab_train::TrialOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tch::Device;

pub(crate) fn trial(train: TrainSpec) -> PlannedTrial {
    let words: res2lab_arch::ModelOverrides = serde_json::from_value(serde_json::json!({
        "stem": "cifar", "stem_stride": 2, "depth": 11, "planes": 8, "width": 26, "scale": 3
    }))
    .unwrap();
    let spec = TrialSpec {
        model: words.resolve().unwrap().0,
        init: InitSpec::default(),
        data: DataSpec::default(),
        train,
        seed: 5,
    };
    PlannedTrial {
        id: res2lab_experiment::id::trial_id(&spec),
        arm: res2lab_experiment::id::arm_id(&spec),
        label: "base".into(),
        same_as: vec![],
        data_id: String::new(),
        weights_id: String::new(),
        coordinates: vec![],
        spec,
        image_channels: 1,
        image_px: 28,
        classes: 10,
        parameters: 0,
        macs: 0,
        activations: 0,
        rf_min_px: 0,
        rf_max_px: 0,
        train_images: 0,
        test_images: 0,
        cost_estimate: None,
        budget: None,
    }
}

/// Two epochs of eight steps.
pub(crate) fn short() -> TrainSpec {
    TrainSpec { epochs: 2, batch_size: 500, log_every: 1, ..TrainSpec::default() }
}

pub(crate) fn options(stop: &Arc<AtomicBool>) -> TrialOptions {
    TrialOptions {
        vectors: res2lab_kernels::instruction_set::current(),
        device: Device::Cpu,
        threads: 1,
        data: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data"),
        weights: None,
        checkpoint_every: Duration::from_secs(3600),
        patience: Duration::from_secs(60),
        member: None,
        stop: Arc::clone(stop),
        is_starting: Arc::default(),
        code: Code::default(),
        earlier_s: 0.0,
        changed: String::new(),
        pictures: Vec::new(),
    }
}

pub(crate) fn folder() -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::new(dir.path().join("run"));
    (dir, run)
}
