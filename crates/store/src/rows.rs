//! A sweep read back from its files as plain rows. Reading is possible at any time, also while the
//! sweep runs.

use crate::journal::{self, Event};
use crate::plan::{Plan, PlannedTrial};
use crate::result::{Environment, Outcome, TrialResult};
use crate::{RunDir, SweepDir, atomic, effective, error, history, lock, metrics};
use rayon::prelude::*;
use res2lab_error::Error;
use std::collections::HashMap;
use std::path::Path;

/// The state of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Trained to the end.
    Done,
    /// The loss became NaN or infinite.
    Diverged,
    /// Ended by the early-stopping rule.
    Stopped,
    /// The process ended without a result.
    Failed,
    /// A process holds the trial's lock.
    Running,
    /// Stopped with a checkpoint; the same command resumes the trial.
    Interrupted,
    /// Not started yet.
    Pending,
}

impl Status {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::Done => "done",
            Status::Diverged => "diverged",
            Status::Stopped => "stopped early",
            Status::Failed => "failed",
            Status::Running => "running",
            Status::Interrupted => "interrupted",
            Status::Pending => "pending",
        }
    }
}

/// A trial with everything that its files hold.
#[derive(Clone, Debug)]
pub struct TrialRow {
    /// The trial as planned.
    pub planned: PlannedTrial,
    pub status: Status,
    /// The reason if the trial was not trained to the end; otherwise empty.
    pub reason: String,
    /// `Some` if and only if the trial has ended with an outcome.
    pub result: Option<TrialResult>,
    /// All logged values in the order of steps.
    pub curve: Vec<metrics::Point>,
    /// Number of attempts.
    pub attempts: u32,
    /// The machine of the last attempt.
    pub environment: Option<Environment>,
}

impl TrialRow {
    /// A final metric of a finished trial; `None` if the value is missing or not finite.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let result = self.result.as_ref().filter(|_| self.status == Status::Done)?;
        result.metrics.get(name).copied().filter(|v| v.is_finite())
    }
}

/// A sweep with the rows of its trials.
#[derive(Clone, Debug)]
pub struct SweepRows {
    /// The plan of the last command; its trials are moved to `trials`.
    pub plan: Plan,
    /// In the plan's order.
    pub trials: Vec<TrialRow>,
    /// The runner's journal.
    pub events: Vec<Event>,
    /// Results of earlier commands, the latest last.
    pub history: Vec<history::Found>,
    /// Effective receptive fields, if they were measured.
    pub effective: Option<effective::Effective>,
    /// One sentence for each file or line that could not be read; the rows do not include their
    /// content.
    pub damaged: Vec<String>,
    /// The author's own text for the report, from notes.md; empty without the file.
    pub author_notes: String,
}

/// Reads a sweep: the trials of the last command, and with `all` those of earlier commands too.
///
/// Fails if there is no plan. Other unreadable files are reported in [`SweepRows::damaged`].
pub fn read(dir: &SweepDir, all: bool) -> Result<SweepRows, Error> {
    let mut plan = Plan::read(dir)?;
    let earlier = std::mem::take(&mut plan.earlier);
    let (events, unread) = journal::read_counted(&dir.journal());
    let mut damaged = Vec::new();
    damaged.extend(lines_unread(&dir.journal(), unread));
    let ends = last_ends(&events);
    let mut planned = std::mem::take(&mut plan.trials);
    planned.extend(earlier.into_iter().filter(|_| all));
    let found: Vec<(TrialRow, Vec<String>)> =
        planned.into_par_iter().map(|t| row(dir, t, &ends)).collect();
    let mut trials = Vec::with_capacity(found.len());
    for (trial, unreadable) in found {
        trials.push(trial);
        damaged.extend(unreadable);
    }
    let (history, unread) = history::read_counted(dir);
    damaged.extend(lines_unread(&dir.history(), unread));
    let effective = read_or(&mut damaged, effective::read(dir));
    let author_notes = read_or(&mut damaged, author_notes(dir));
    Ok(SweepRows { plan, trials, events, history, effective, damaged, author_notes })
}

fn lines_unread(path: &Path, count: usize) -> Option<String> {
    let lines =
        if count == 1 { "1 line that is".into() } else { format!("{count} lines that are") };
    (count > 0).then(|| format!("{} has {lines} damaged and left out", path.display()))
}

/// Largest size of the author's notes; more would not be read in a report.
const MOST_NOTES_BYTES: u64 = 1 << 20;

/// The content of notes.md; empty without the file.
fn author_notes(dir: &SweepDir) -> Result<String, Error> {
    let path = dir.author_notes();
    let size = match std::fs::metadata(&path) {
        Ok(file) => file.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(error::io("read", &path, e)),
    };
    if size > MOST_NOTES_BYTES {
        return Err(error::damaged(&path, "it is longer than a mebibyte"));
    }
    let bytes = std::fs::read(&path).map_err(|e| error::io("read", &path, e))?;
    String::from_utf8(bytes).map_err(|_| error::damaged(&path, "it is no UTF-8 text"))
}

/// The value, or the default with the error recorded in `damaged`.
fn read_or<T: Default>(damaged: &mut Vec<String>, read: Result<T, Error>) -> T {
    read.unwrap_or_else(|e| {
        damaged.push(e.cause);
        T::default()
    })
}

/// For each trial, the outcome and reason of its last end, unless the trial was started again.
fn last_ends(events: &[Event]) -> HashMap<&str, (&str, &str)> {
    let mut ends = HashMap::new();
    for event in events {
        match event {
            Event::Ended { id, outcome, reason, .. } => {
                ends.insert(id.as_str(), (outcome.as_str(), reason.as_str()));
            }
            Event::Started { id, .. } | Event::Adopted { id, .. } => {
                ends.remove(id.as_str());
            }
            _ => {}
        }
    }
    ends
}

/// Reads one trial. Unreadable files are reported, so that one damaged file does not hide other
/// trials.
fn row(
    dir: &SweepDir,
    planned: PlannedTrial,
    ends: &HashMap<&str, (&str, &str)>,
) -> (TrialRow, Vec<String>) {
    let run = dir.run(&planned.id);
    let mut damaged = Vec::new();
    let result: Option<TrialResult> = read_or(&mut damaged, atomic::read_json(&run.result()));
    let (status, reason) = match &result {
        None if !damaged.is_empty() => {
            (Status::Failed, format!("{}; the same sweep goes on with it", damaged[0]))
        }
        // A finished trial can have a reason, e.g. a time limit.
        Some(r) if r.status == Outcome::Done => (Status::Done, r.reason.clone()),
        Some(r) if r.status == Outcome::Stopped => (Status::Stopped, r.reason.clone()),
        Some(r) => (Status::Diverged, r.reason.clone()),
        None => unfinished(&run, ends.get(planned.id.as_str())),
    };
    let attempts = run.last_attempt();
    let (curve, is_cut) = read_or(&mut damaged, metrics::read_with_end(&run.metrics()));
    if result.is_some() && is_cut {
        damaged.push(format!("{} is damaged: its last line is cut off", run.metrics().display()));
    }
    let environment = read_or(&mut damaged, atomic::read_json(&run.env(attempts)));
    (TrialRow { status, reason, result, curve, attempts, environment, planned }, damaged)
}

fn unfinished(run: &RunDir, end: Option<&(&str, &str)>) -> (Status, String) {
    if lock::is_held(&run.lock()) {
        return (Status::Running, String::new());
    }
    match end {
        Some((outcome, reason)) if *outcome == "failed" => (Status::Failed, (*reason).to_owned()),
        _ if run.last_attempt() > 0 => {
            (Status::Interrupted, "stopped before its end; the same command goes on".into())
        }
        _ => (Status::Pending, String::new()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use res2lab_experiment::{DataSpec, InitSpec, TrainSpec, TrialSpec};

    /// A planned trial that was not started.
    pub(crate) fn row(id: &str, seed: u64) -> TrialRow {
        let model = res2lab_arch::ModelOverrides::default().resolve().unwrap().0;
        let spec = TrialSpec {
            model,
            init: InitSpec::default(),
            data: DataSpec::default(),
            train: TrainSpec::default(),
            seed,
        };
        let planned = PlannedTrial {
            id: id.into(),
            arm: "arm".into(),
            label: "base".into(),
            same_as: vec![],
            data_id: String::new(),
            weights_id: String::new(),
            coordinates: vec![],
            spec,
            image_channels: 1,
            image_px: 28,
            classes: 10,
            parameters: 1,
            macs: 2,
            activations: 3,
            rf_min_px: 4,
            rf_max_px: 5,
            train_images: 0,
            test_images: 0,
            cost_estimate: None,
            budget: None,
        };
        let status = Status::Pending;
        let reason = String::new();
        TrialRow {
            planned,
            status,
            reason,
            result: None,
            curve: vec![],
            attempts: 0,
            environment: None,
        }
    }

    fn sweep() -> (tempfile::TempDir, SweepDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        let trials = vec![row("a", 0).planned, row("b", 1).planned];
        Plan { trials, ..Plan::default() }.write(&dir).unwrap();
        (folder, dir)
    }

    #[test]
    fn a_trial_stands_where_its_files_and_the_journal_say() {
        let (_folder, dir) = sweep();
        let status = |i: usize| read(&dir, false).unwrap().trials[i].status;
        assert_eq!(status(0), Status::Pending);
        let run = dir.run("a");
        run.create(&row("a", 0).planned.spec).unwrap();
        run.begin_attempt().unwrap();
        assert_eq!(status(0), Status::Interrupted);
        let lock::Attempt::Held(held) = lock::try_lock(&run.lock()).unwrap() else {
            panic!("it is free")
        };
        assert_eq!(status(0), Status::Running);
        drop(held);
        let ended = Event::Ended {
            at_s: 1.0,
            id: "a".into(),
            outcome: "failed".into(),
            reason: "why".into(),
            is_refused: false,
        };
        crate::Journal::open(&dir.journal()).unwrap().append(&ended).unwrap();
        assert_eq!(status(0), Status::Failed);
        assert_eq!(read(&dir, false).unwrap().trials[0].reason, "why");
        atomic::write_json(&run.result(), &TrialResult::default()).unwrap();
        assert_eq!((status(0), status(1)), (Status::Done, Status::Pending));
    }

    #[test]
    fn earlier_trials_are_kept_and_shown_when_asked() {
        let (_folder, dir) = sweep();
        let next =
            Plan { trials: vec![row("b", 1).planned, row("c", 2).planned], ..Plan::default() };
        next.write(&dir).unwrap();
        let ids = |all| {
            read(&dir, all).unwrap().trials.iter().map(|t| t.planned.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            (ids(false), ids(true)),
            (vec!["b".into(), "c".into()], vec!["b".into(), "c".into(), "a".into()])
        );
    }
}
