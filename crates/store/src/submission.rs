//! submission-N.json: an array job, and which trials each of its jobs runs.

use crate::{StoreError, SweepDir, atomic};
use serde::{Deserialize, Serialize};

/// One array job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Its place among the sweep's submissions, from 1.
    pub number: usize,
    /// The cluster's id of the job; empty while it is being submitted.
    pub job: String,
    /// Trial ids of each job of the array.
    pub tasks: Vec<Vec<String>>,
}

impl Submission {
    /// All submissions of a sweep, the oldest first.
    pub fn all(dir: &SweepDir) -> Result<Vec<Submission>, StoreError> {
        let read = |number| atomic::read_json::<Submission>(&dir.submission(number)).transpose();
        (1..).map_while(read).collect()
    }

    /// Reads one; an error if there is none.
    pub fn read(dir: &SweepDir, number: usize) -> Result<Submission, StoreError> {
        let path = dir.submission(number);
        atomic::read_json(&path)?.ok_or_else(|| {
            StoreError::new(
                format!("there is no {}", path.display()),
                "it is written by: just sweep",
            )
        })
    }

    /// Writes it.
    pub fn write(&self, dir: &SweepDir) -> Result<(), StoreError> {
        atomic::create_dir(&dir.slurm())?;
        atomic::write_json(&dir.submission(self.number), self)
    }
}
