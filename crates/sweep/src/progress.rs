//! What a trial tells while it runs: a small file that it rewrites now and then.

use res2lab_store::{RunDir, StoreError, atomic};
use serde::{Deserialize, Serialize};

/// The content of progress.json.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrialProgress {
    pub epoch: f64,
    pub epochs: usize,
    pub step: usize,
    pub steps: usize,
    pub loss: f64,
    pub acc1: Option<f64>,
    pub images_per_s: f64,
    /// Wall time of this attempt and of those it goes on from, seconds.
    pub wall_s: f64,
}

impl TrialProgress {
    /// The newest; None if the trial has told nothing.
    pub fn read(run: &RunDir) -> Option<TrialProgress> {
        serde_json::from_slice(&std::fs::read(run.progress()).ok()?).ok()
    }

    /// Replaces the file. Not flushed to the disk: a lost progress is no loss.
    pub fn write(&self, run: &RunDir) -> Result<(), StoreError> {
        atomic::replace(&run.progress(), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Share of the steps made, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.steps == 0 { 0.0 } else { self.step as f64 / self.steps as f64 }
    }
}
