//! An executor without processes, whose clock jumps to the next event: a sweep of ten thousand
//! trials is over at once.

use crate::SweepError;
use crate::executor::{End, Executor, Stop};
use res2lab_store::PlannedTrial;
use std::time::Duration;

/// How long a trial takes and how it ends, as the test decides from the trial and its attempt (from
/// 1).
pub type Script = Box<dyn FnMut(&PlannedTrial, u32) -> (f64, End)>;

/// Told of a trial and its end.
pub type OnEnd = Box<dyn FnMut(&str, &End)>;

/// The executor.
pub struct Mock {
    names: Vec<String>,
    script: Script,
    now_s: f64,
    running: Vec<Run>,
    attempts: std::collections::HashMap<String, u32>,
    /// Told of every end, as a trial writes its result.
    pub on_end: OnEnd,
    /// Every start, in order: trial and slot.
    pub starts: Vec<(String, usize)>,
    /// Broken promises: a slot or a trial that ran twice at once.
    pub clashes: Vec<String>,
}

struct Run {
    id: String,
    slot: usize,
    ends_s: f64,
    end: End,
}

impl Mock {
    /// `slots` slots that follow `script`.
    pub fn new(slots: usize, script: Script) -> Mock {
        Mock {
            names: (0..slots).map(|i| format!("slot {i}")).collect(),
            script,
            now_s: 0.0,
            running: vec![],
            attempts: Default::default(),
            on_end: Box::new(|_, _| {}),
            starts: vec![],
            clashes: vec![],
        }
    }
}

impl Executor for Mock {
    fn slots(&self) -> Vec<String> {
        self.names.clone()
    }

    fn start(&mut self, trial: &PlannedTrial, slot: usize) -> Result<u32, SweepError> {
        if self.running.iter().any(|r| r.slot == slot || r.id == trial.id) {
            self.clashes.push(format!("{} in slot {slot}", trial.id));
        }
        let attempt = self.attempts.entry(trial.id.clone()).or_insert(0);
        *attempt += 1;
        let (takes_s, end) = (self.script)(trial, *attempt);
        self.running.push(Run { id: trial.id.clone(), slot, ends_s: self.now_s + takes_s, end });
        self.starts.push((trial.id.clone(), slot));
        Ok(self.starts.len() as u32)
    }

    fn adopt(&mut self, trial: &PlannedTrial, _: u32) {
        self.running.push(Run {
            id: trial.id.clone(),
            slot: usize::MAX,
            ends_s: self.now_s,
            end: End::Done,
        });
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<(String, End)>, SweepError> {
        let Some(next_s) = self.running.iter().map(|r| r.ends_s).min_by(f64::total_cmp) else {
            self.now_s += timeout.as_secs_f64();
            return Ok(vec![]);
        };
        self.now_s = self.now_s.max(next_s);
        let now_s = self.now_s;
        let (ended, running) =
            std::mem::take(&mut self.running).into_iter().partition(|r| r.ends_s <= now_s);
        self.running = running;
        let ended: Vec<Run> = ended;
        ended.iter().for_each(|r| (self.on_end)(&r.id, &r.end));
        Ok(ended.into_iter().map(|r| (r.id, r.end)).collect())
    }

    fn ask_to_stop(&mut self, _: Stop) {
        for run in &mut self.running {
            run.ends_s = self.now_s;
            run.end = End::Preempted;
        }
    }

    fn kill(&mut self) {
        self.ask_to_stop(Stop::User);
    }

    fn kill_one(&mut self, id: &str) {
        for run in self.running.iter_mut().filter(|run| run.id == id) {
            run.ends_s = self.now_s;
            run.end = End::Failed("killed by signal 9".into());
        }
    }

    fn now_s(&self) -> f64 {
        self.now_s
    }
}
