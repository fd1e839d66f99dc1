//! The progress of a running trial: a small file that the trial replaces every few seconds.

use crate::{RunDir, atomic};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The content of progress.json, and what a training loop reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub epoch: f64,
    pub epochs: usize,
    pub step: usize,
    pub steps: usize,
    pub loss: f64,
    pub acc1: Option<f64>,
    pub images_per_s: f64,
    /// Wall time of this attempt and of the attempts that it resumes, seconds.
    pub wall_s: f64,
}

impl Progress {
    /// Reads the latest progress; `None` if the trial has not reported any.
    pub fn read(run: &RunDir) -> Option<Progress> {
        serde_json::from_slice(&std::fs::read(run.progress()).ok()?).ok()
    }

    /// Replaces the file without flushing it to the disk: a lost progress report has no
    /// consequence.
    pub fn write(&self, run: &RunDir) -> Result<(), Error> {
        atomic::replace(&run.progress(), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Completed share of the steps, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.steps == 0 { 0.0 } else { self.step as f64 / self.steps as f64 }
    }
}
