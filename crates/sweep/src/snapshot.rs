//! What a runner shows to observers while it runs.

use crate::executor::End;
use res2lab_store::{PlannedTrial, Progress};

/// The number of the plan's trials by end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finish {
    pub done: usize,
    pub diverged: usize,
    /// Ended by the early-stopping rule.
    pub stopped: usize,
    pub failed: usize,
    /// Neither done nor failed, because the sweep was stopped before.
    pub left: usize,
}

/// The state of a run, for observers.
pub struct Snapshot<'a> {
    pub running: Vec<RunningTrial<'a>>,
    /// Trials that ended since the last snapshot.
    pub ended: Vec<Ended<'a>>,
    pub finish: Finish,
    /// Number of trials in the plan.
    pub total: usize,
    /// Estimated remaining time in seconds; `None` before there is an estimate.
    pub eta_s: Option<f64>,
    /// Whether running trials were requested to stop.
    pub is_stopping: bool,
}

/// An attempt of a trial that ended.
pub struct Ended<'a> {
    pub trial: &'a PlannedTrial,
    pub end: End,
    /// Number of trials with a result or a final failure, this one included; the number before if
    /// the trial is attempted again.
    pub over: usize,
}

/// A trial that is currently running.
pub struct RunningTrial<'a> {
    pub trial: &'a PlannedTrial,
    pub slot: String,
    /// Seconds since this runner started the trial.
    pub elapsed_s: f64,
    /// The latest progress report.
    pub told: Option<Progress>,
}
