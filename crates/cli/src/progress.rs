//! What a user sees while a sweep runs: one line per running trial and a total on a terminal, plain
//! lines elsewhere.

use crate::live::{Live, bar};
use crate::print::{self, Table, words};
use crate::screen::{self, Stream, Tone};
use crate::standing::Standing;
use res2lab_store::{Outcome, Plan, SweepDir, TrialResult, atomic};
use res2lab_sweep::{End, Ended, RunningTrial, Snapshot};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Off a terminal, running trials are told about this often.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Turns snapshots into lines on standard error.
pub(crate) struct Watcher {
    plan: Plan,
    dir: SweepDir,
    live: Option<Live>,
    standing: Standing,
    last_told: Instant,
    was_stopping: bool,
    /// Trials are processes of this machine, not jobs of a cluster.
    is_local: bool,
}

impl Watcher {
    /// Looks at whether there is a terminal, and at the results that exist.
    pub(crate) fn new(plan: &Plan, dir: &SweepDir, is_local: bool) -> Watcher {
        let live = std::io::stderr().is_terminal().then(Live::default);
        let mut standing = Standing::default();
        for trial in &plan.trials {
            if let Some(accuracy) = result(dir, &trial.id).as_ref().and_then(accuracy) {
                standing.add(&trial.label, accuracy);
            }
        }
        Watcher {
            plan: plan.clone(),
            dir: dir.clone(),
            live,
            standing,
            last_told: Instant::now(),
            was_stopping: false,
            is_local,
        }
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
        for ended in &snapshot.ended {
            let text = self.ended(ended);
            self.say(&text);
        }
        let best = self.standing.best_in_words();
        match &mut self.live {
            Some(live) => live.draw(lines(snapshot, best.as_deref())),
            None if self.last_told.elapsed() >= TELL_EVERY => {
                self.last_told = Instant::now();
                shown(snapshot, MOST).for_each(|r| print::told(&line(r)));
                print::told(&total(snapshot, MOST));
            }
            None => {}
        }
    }

    /// Clears the terminal's lines.
    pub(crate) fn end(&mut self) {
        if let Some(live) = &mut self.live {
            live.end();
        }
    }

    fn say(&mut self, text: &str) {
        match &mut self.live {
            Some(live) => live.say(&words::shown(Stream::Err, text)),
            None => print::told(text),
        }
    }

    fn ended(&mut self, ended: &Ended) -> String {
        let Ended { trial, end, over } = ended;
        let count = format!("[{over}/{}]", self.plan.trials.len());
        let count = screen::paint(Stream::Err, Tone::Faint, &count);
        let name = format!("{count} {} seed {}", trial.label, trial.spec.seed);
        let bad = |text: &str| screen::paint(Stream::Err, Tone::Bad, text);
        let look = |text: &str| screen::paint(Stream::Err, Tone::Attention, text);
        match end {
            End::Failed(reason) | End::Refused(reason) | End::OutOfMemory(reason) => {
                format!("{name}: {}: {reason}", bad("failed"))
            }
            End::Preempted if !self.is_local => format!("{name}: in the queue"),
            End::Preempted => format!("{name}: {}", look("stopped with a checkpoint")),
            End::Interrupted => {
                format!("{name}: ended by you; the same command goes on from its last checkpoint")
            }
            End::Done | End::Diverged | End::Stopped => match result(&self.dir, &trial.id) {
                Some(r) if r.status == Outcome::Done => {
                    format!("{name}: {}", self.done(&trial.label, &r))
                }
                Some(r) if r.status == Outcome::Stopped => {
                    format!("{name}: {}: {}", look("stopped early"), r.reason)
                }
                Some(r) => format!("{name}: {}: {}", bad("diverged"), r.reason),
                None => format!("{name}: {}", end.name()),
            },
        }
    }

    /// Accuracy, time and speed of a trial, and where its arm stands with it.
    fn done(&mut self, label: &str, r: &TrialResult) -> String {
        let accuracy = accuracy(r);
        let shown = accuracy.map_or_else(String::new, |a| {
            screen::paint(Stream::Err, Tone::Good, &format!("{a:.2} %")) + ", "
        });
        let speed =
            r.images_per_s.map_or_else(String::new, |speed| format!(", {speed:.0} images/s"));
        // A time limit, for one.
        let limit = if r.reason.is_empty() { String::new() } else { format!("; {}", r.reason) };
        let standing = accuracy.map_or_else(String::new, |accuracy| {
            self.standing.add(label, accuracy);
            self.standing.of(label).map_or_else(String::new, |text| format!("; {text}"))
        });
        format!("{shown}{}{speed}{limit}{standing}", print::duration(r.wall_s))
    }
}

fn result(dir: &SweepDir, id: &str) -> Option<TrialResult> {
    atomic::read_json::<TrialResult>(&dir.run(id).result()).ok().flatten()
}

/// Of a trial that is done; one that was ended early counts for no mean.
fn accuracy(r: &TrialResult) -> Option<f64> {
    (r.status == Outcome::Done).then(|| r.metrics.get("val/acc1").copied()).flatten()
}

/// Running trials that are shown at most.
const MOST: usize = 16;

/// Rows of a terminal that running trials leave to other lines.
const REST: usize = 4;

/// The terminal's lines: a row for each running trial, in the order of slots, and the total.
fn lines(snapshot: &Snapshot, best: Option<&str>) -> Vec<String> {
    let (height, width) = screen::size(Stream::Err).unwrap_or((24, 80));
    let most = MOST.min(height.saturating_sub(REST).max(1));
    let mut running: Vec<&RunningTrial> = shown(snapshot, most).collect();
    // `core 10` comes after `core 9`.
    running.sort_by_key(|r| (r.slot.len(), r.slot.clone()));
    let rows = running.iter().map(|r| cells(r)).collect();
    let table =
        Table { headers: &PLACES, left: 3, rows, spare: &["images/s", "loss", "bar"], best: None };
    // The last column stays free: some terminals wrap once it is written.
    let width = width.saturating_sub(1);
    let mut lines = print::layout(&table, Some(width)).lines;
    // Its first line has the headers.
    lines.drain(..lines.len() - running.len());
    let finish = &snapshot.finish;
    let over = finish.done + finish.diverged + finish.stopped + finish.failed;
    let share = over as f64 / snapshot.total.max(1) as f64;
    let best = best.map_or_else(String::new, |best| format!("; {best}"));
    let text = format!("{} {}{best}", bar(share, 30), total(snapshot, most));
    lines.push(console::truncate_str(&text, width, "…").into_owned());
    lines
}

/// Headers of the rows of running trials, which no terminal shows.
const PLACES: [&str; 7] = ["bar", "slot", "trial", "epoch", "loss", "acc", "images/s"];

fn cells(r: &RunningTrial) -> Vec<String> {
    let share = r.told.as_ref().map_or(0.0, res2lab_store::Progress::share);
    let name = format!("{} seed {}", r.trial.label, r.trial.spec.seed);
    let mut cells = vec![bar(share, 12), r.slot.clone(), name];
    cells.extend(match &r.told {
        Some(told) => [
            format!("epoch {:.1}/{}", told.epoch, told.epochs),
            format!("loss {:.3}", told.loss),
            told.acc1.map_or_else(|| "-".to_owned(), |a| format!("{a:.2} %")),
            format!("{:.0} images/s", told.images_per_s),
        ],
        None => ["starting".into(), String::new(), String::new(), String::new()],
    });
    cells
}

/// On a cluster hundreds run or wait: those that tell something come first, and a screenful is
/// enough.
fn shown<'a>(snapshot: &'a Snapshot, most: usize) -> impl Iterator<Item = &'a RunningTrial<'a>> {
    let telling = |r: &&RunningTrial| r.told.is_some();
    let silent = |r: &&RunningTrial| r.told.is_none();
    snapshot.running.iter().filter(telling).chain(snapshot.running.iter().filter(silent)).take(most)
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

fn total(snapshot: &Snapshot, most: usize) -> String {
    let finish = &snapshot.finish;
    let failed = finish.failed + finish.diverged;
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let eta =
        snapshot.eta_s.map_or_else(String::new, |s| format!(", about {} left", print::duration(s)));
    let silent = snapshot.running.len().saturating_sub(most);
    let others =
        if silent > 0 { format!(", {silent} more running or in the queue") } else { String::new() };
    format!("{} of {} done{failed}{others}{eta}", finish.done, snapshot.total)
}
