//! submission-N.json: an array job, and the trials of each of its jobs.

use crate::{SweepDir, atomic};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// One submitted array job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Number among the sweep's submissions, from 1.
    pub number: usize,
    /// The cluster's job id; empty while the job is being submitted.
    pub job: String,
    /// Trial ids of each job of the array.
    pub tasks: Vec<Vec<String>>,
}

impl Submission {
    /// Reads all submissions of a sweep, the oldest first.
    pub fn all(dir: &SweepDir) -> Result<Vec<Submission>, Error> {
        let read = |number| atomic::read_json::<Submission>(&dir.submission(number)).transpose();
        (1..).map_while(read).collect()
    }

    /// Reads submission `number`; an error if it does not exist.
    pub fn read(dir: &SweepDir, number: usize) -> Result<Submission, Error> {
        let path = dir.submission(number);
        atomic::read_json(&path)?.ok_or_else(|| {
            Error::machine(
                format!("there is no {}", path.display()),
                "it is written by: just sweep",
            )
        })
    }

    /// Writes the submission to its file.
    pub fn write(&self, dir: &SweepDir) -> Result<(), Error> {
        atomic::create_dir(&dir.slurm())?;
        atomic::write_json(&dir.submission(self.number), self)
    }
}
