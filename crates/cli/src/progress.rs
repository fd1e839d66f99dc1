//! What a user sees while a sweep runs: one line per running trial and a total on a terminal, plain
//! lines elsewhere.

use crate::print;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use res2lab_store::{Outcome, Plan, PlannedTrial, SweepDir, TrialResult, atomic};
use res2lab_sweep::runner::RunningTrial;
use res2lab_sweep::{End, Snapshot};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Off a terminal, running trials are told about this often.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Turns snapshots into lines on standard error.
pub(crate) struct Watcher {
    plan: Plan,
    dir: SweepDir,
    terminal: Option<Terminal>,
    last_told: Instant,
    was_stopping: bool,
    /// Trials are processes of this machine, not jobs of a cluster.
    is_local: bool,
}

struct Terminal {
    all: MultiProgress,
    total: ProgressBar,
    trials: HashMap<String, ProgressBar>,
}

impl Watcher {
    /// Looks at whether there is a terminal.
    pub(crate) fn new(plan: &Plan, dir: &SweepDir, is_local: bool) -> Watcher {
        let terminal = std::io::stderr().is_terminal().then(|| Terminal::new(plan.trials.len()));
        let plan = plan.clone();
        let dir = dir.clone();
        Watcher { plan, dir, terminal, last_told: Instant::now(), was_stopping: false, is_local }
    }

    /// Shows what changed.
    pub(crate) fn look(&mut self, snapshot: &Snapshot) {
        if snapshot.is_stopping && !self.was_stopping {
            self.was_stopping = true;
            self.say(if self.is_local {
                "stopping: running trials write a checkpoint; once more ends them at once"
            } else {
                "the jobs go on in the queue; the same command follows them again, scancel ends them"
            });
        }
        for (trial, end) in &snapshot.ended {
            self.say(&self.ended(trial, end, snapshot));
        }
        match &mut self.terminal {
            Some(terminal) => terminal.update(snapshot),
            None if self.last_told.elapsed() >= TELL_EVERY => {
                self.last_told = Instant::now();
                shown(snapshot).for_each(|r| print::told(&line(r)));
                print::told(&total(snapshot));
            }
            None => {}
        }
    }

    /// Clears the terminal's lines.
    pub(crate) fn end(&mut self) {
        if let Some(terminal) = &self.terminal {
            let _ = terminal.all.clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.terminal {
            Some(terminal) => drop(terminal.all.println(text)),
            None => print::told(text),
        }
    }

    fn ended(&self, trial: &PlannedTrial, end: &End, snapshot: &Snapshot) -> String {
        let finish = &snapshot.finish;
        let over = finish.done + finish.diverged + finish.stopped + finish.failed;
        let name =
            format!("[{over}/{}] {} seed {}", self.plan.trials.len(), trial.label, trial.spec.seed);
        match end {
            End::Failed(reason) | End::Refused(reason) | End::OutOfMemory(reason) => {
                format!("{name}: failed: {reason}")
            }
            End::Preempted if !self.is_local => format!("{name}: in the queue"),
            End::Preempted => format!("{name}: stopped with a checkpoint"),
            End::Interrupted => {
                format!("{name}: ended by you; the same command goes on from its last checkpoint")
            }
            End::Done | End::Diverged | End::Stopped => {
                let result = atomic::read_json::<TrialResult>(&self.dir.run(&trial.id).result())
                    .ok()
                    .flatten();
                match result {
                    Some(r) if r.status == Outcome::Done => {
                        let accuracy = r
                            .metrics
                            .get("val/acc1")
                            .map_or_else(String::new, |a| format!("{a:.2} %, "));
                        let speed = r
                            .images_per_s
                            .map_or_else(String::new, |speed| format!(", {speed:.0} images/s"));
                        // A time limit, for one.
                        let limit = if r.reason.is_empty() {
                            String::new()
                        } else {
                            format!("; {}", r.reason)
                        };
                        format!("{name}: {accuracy}{}{speed}{limit}", print::duration(r.wall_s))
                    }
                    Some(r) if r.status == Outcome::Stopped => {
                        format!("{name}: stopped early: {}", r.reason)
                    }
                    Some(r) => format!("{name}: diverged: {}", r.reason),
                    None => format!("{name}: {}", end.name()),
                }
            }
        }
    }
}

impl Terminal {
    fn new(trials: usize) -> Terminal {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(trials as u64).with_style(style("{bar:30} {msg}")));
        Terminal { all, total, trials: HashMap::new() }
    }

    fn update(&mut self, snapshot: &Snapshot) {
        let is_running = |id: &str| shown(snapshot).any(|r| r.trial.id == id);
        self.trials.retain(|id, bar| {
            let keep = is_running(id);
            if !keep {
                bar.finish_and_clear();
            }
            keep
        });
        for running in shown(snapshot) {
            let bar = self.trials.entry(running.trial.id.clone()).or_insert_with(|| {
                let bar = ProgressBar::new(1000).with_style(style("{bar:12} {msg}"));
                self.all.insert_before(&self.total, bar)
            });
            bar.set_position(
                (1000.0 * running.told.as_ref().map_or(0.0, res2lab_store::Progress::share)) as u64,
            );
            bar.set_message(line(running));
        }
        let finish = &snapshot.finish;
        self.total
            .set_position((finish.done + finish.diverged + finish.stopped + finish.failed) as u64);
        self.total.set_message(total(snapshot));
    }
}

/// indicatif refuses only malformed templates, and these are constant.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// On a cluster hundreds run or wait: those that tell something come first, and a screenful is
/// enough.
fn shown<'a>(snapshot: &'a Snapshot) -> impl Iterator<Item = &'a RunningTrial<'a>> {
    const MOST: usize = 16;
    let telling = |r: &&RunningTrial| r.told.is_some();
    let silent = |r: &&RunningTrial| r.told.is_none();
    snapshot.running.iter().filter(telling).chain(snapshot.running.iter().filter(silent)).take(MOST)
}

fn line(r: &RunningTrial) -> String {
    let name = format!("{:8} {} seed {}", r.slot, r.trial.label, r.trial.spec.seed);
    match &r.told {
        Some(told) => {
            let accuracy = told.acc1.map_or_else(|| "-".to_owned(), |a| format!("{a:.2} %"));
            let epoch = told.epoch;
            let epochs = told.epochs;
            format!(
                "{name}  epoch {epoch:.1}/{epochs}  loss {:.3}  accuracy {accuracy}  {:.0} images/s",
                told.loss, told.images_per_s
            )
        }
        None => format!("{name}  starting"),
    }
}

fn total(snapshot: &Snapshot) -> String {
    let finish = &snapshot.finish;
    let failed = finish.failed + finish.diverged;
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let eta =
        snapshot.eta_s.map_or_else(String::new, |s| format!(", about {} left", print::duration(s)));
    let silent = snapshot.running.len().saturating_sub(shown(snapshot).count());
    let others =
        if silent > 0 { format!(", {silent} more running or in the queue") } else { String::new() };
    format!("{} of {} done{failed}{others}{eta}", finish.done, snapshot.total)
}
