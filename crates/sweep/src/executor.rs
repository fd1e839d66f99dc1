//! The interface between the runner and executors, which start trials.
use res2lab_error::Error;
use res2lab_store::{Outcome, PlannedTrial};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The outcome of a trial's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Trained to the end.
    Done,
    /// The loss became NaN or infinite.
    Diverged,
    /// Ended by the early-stopping rule.
    Stopped,
    /// Stopped with a checkpoint.
    Preempted,
    /// Killed on the user's request. The same command resumes from the last checkpoint.
    Interrupted,
    /// Ended without a result, for this reason. A retry may succeed.
    Failed(String),
    /// Ended without a result, for this reason. A retry would fail alike, because the spec or the
    /// data are invalid.
    Refused(String),
    /// Ended without a result, for this reason. A retry with smaller micro-batches may fit into
    /// memory.
    OutOfMemory(String),
}

impl End {
    /// The end that corresponds to a result's outcome.
    pub fn of(outcome: Outcome) -> End {
        match outcome {
            Outcome::Done => End::Done,
            Outcome::Diverged => End::Diverged,
            Outcome::Stopped => End::Stopped,
        }
    }

    /// Whether the trial is never run again.
    pub fn is_final(&self) -> bool {
        matches!(self, End::Done | End::Diverged | End::Stopped)
    }

    /// Whether the device itself failed. Other trials on it would fail too.
    pub fn is_device_fault(&self) -> bool {
        // In the words of CUDA's runtime and of NVIDIA's driver.
        const FAULTS: [&str; 6] = [
            "ECC error",
            "unspecified launch failure",
            "GPU is lost",
            "fallen off the bus",
            "Xid",
            "hardware stack error",
        ];
        matches!(self, End::Failed(reason) if FAULTS.iter().any(|fault| reason.contains(fault)))
    }

    /// The name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            End::Done => "done",
            End::Diverged => "diverged",
            End::Stopped => "stopped",
            End::Preempted => "preempted",
            End::Interrupted => "interrupted",
            End::Failed(_) | End::Refused(_) | End::OutOfMemory(_) => "failed",
        }
    }

    /// The reason of a failure; empty otherwise.
    pub fn reason(&self) -> &str {
        match self {
            End::Failed(reason) | End::Refused(reason) | End::OutOfMemory(reason) => reason,
            _ => "",
        }
    }
}

/// The reason for stopping running trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal from the user.
    User,
    /// A failure, with --fail-fast.
    Error,
}

/// The current Unix time in seconds.
pub fn wall_clock_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Starts trials in slots and reports their ends.
pub trait Executor {
    /// Names of the slots, e.g. `core 0`; one trial runs in each.
    fn slots(&self) -> Vec<String>;

    /// Starts a trial and returns its process id.
    fn start(&mut self, trial: &PlannedTrial, slot: usize) -> Result<u32, Error>;

    /// Trials that an earlier runner left without a lock, e.g. in a cluster's queue.
    fn left_running(&mut self) -> HashSet<String> {
        HashSet::new()
    }

    /// Watches a trial that an earlier runner left running.
    fn adopt(&mut self, trial: &PlannedTrial, process: u32);

    /// Waits up to `timeout` for a trial to end, and returns all trials that have ended.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<(String, End)>, Error>;

    /// Requests all running trials to write a checkpoint and end.
    fn ask_to_stop(&mut self, why: Stop);

    /// Kills all running trials.
    fn kill(&mut self);

    /// Kills one running trial.
    fn kill_one(&mut self, id: &str);

    /// The current Unix time in seconds; virtual in tests.
    fn now_s(&self) -> f64;
}
