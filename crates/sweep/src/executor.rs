//! What starts trials.

use crate::SweepError;
use res2lab_store::{Outcome, PlannedTrial};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a trial's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Trained to the end.
    Done,
    /// The loss became NaN or infinite.
    Diverged,
    /// Ended early by the sweep's rule.
    Stopped,
    /// Stopped with a checkpoint.
    Preempted,
    /// Ended at once because the user wanted it; the same command goes on from its last checkpoint.
    Interrupted,
    /// Without a result; why. Another try may end better.
    Failed(String),
    /// Without a result; why. Another try would end alike: the spec or the data are wrong.
    Refused(String),
    /// Without a result; why. With smaller parts of a batch it may fit.
    OutOfMemory(String),
}

impl End {
    /// The end that a result tells.
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

    /// As the journal writes it.
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

    /// Why, where it did not end well.
    pub fn reason(&self) -> &str {
        match self {
            End::Failed(reason) | End::Refused(reason) | End::OutOfMemory(reason) => reason,
            _ => "",
        }
    }
}

/// Why running trials are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal from the user.
    User,
    /// A failure, with --fail-fast.
    Failure,
}

/// Unix time, seconds.
pub fn wall_clock_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// A place to run trials. It is told what to run where, and tells what ended.
pub trait Executor {
    /// Names of the slots, e.g. `core 0`; one trial runs in each.
    fn slots(&self) -> Vec<String>;

    /// Starts a trial and returns its process.
    fn start(&mut self, trial: &PlannedTrial, slot: usize) -> Result<u32, SweepError>;

    /// Trials that an earlier runner left and that hold no lock yet, e.g. in a cluster's queue.
    fn left_running(&mut self) -> HashSet<String> {
        HashSet::new()
    }

    /// Watches a trial that an earlier runner left running.
    fn adopt(&mut self, trial: &PlannedTrial, process: u32);

    /// Trials that ended, waiting up to `timeout` for the first.
    fn wait(&mut self, timeout: Duration) -> Result<Vec<(String, End)>, SweepError>;

    /// Asks all running trials to write a checkpoint and end.
    fn ask_to_stop(&mut self, why: Stop);

    /// Ends all running trials at once.
    fn kill(&mut self);

    /// Ends one running trial at once.
    fn kill_one(&mut self, id: &str);

    /// Unix time, seconds; virtual in tests.
    fn now_s(&self) -> f64;
}
