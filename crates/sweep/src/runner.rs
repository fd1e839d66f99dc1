//! Runs a plan to its end or until a stop is requested, and records events in the journal. A
//! failing trial never ends the sweep. Running the same plan again resumes it: results are read
//! from disk, and running trials are adopted.
use crate::asha::Rungs;
use crate::executor::{End, Executor, Stop};
use crate::pace::{Pace, work};
use crate::scheduler::{RetryPolicy, Scheduler};
use crate::snapshot::{Ended, Finish, RunningTrial, Snapshot};
use res2lab_error::Error;
use res2lab_store::Progress;
use res2lab_store::{
    Event, Halved, Journal, Lock, Plan, PlannedTrial, SweepDir, TrialResult, atomic, journal, lock,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The options of a run.
pub struct RunnerOptions<'a> {
    /// Number of stop signals received. At one, running trials are requested to write a checkpoint;
    /// at two, they are killed.
    pub stop: &'a AtomicUsize,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// Retries after other failures.
    pub retry_policy: RetryPolicy,
    /// A trial that runs out of memory is resumed with half the micro-batch, and is marked as
    /// changed.
    pub halve_on_oom: bool,
    /// Maximum duration of one attempt; longer attempts are killed and count as failed. Zero is no
    /// limit.
    pub trial_limit: Duration,
    /// Time between the request to stop and the kill.
    pub grace: Duration,
    /// File for events; usually the sweep's own journal.
    pub journal: PathBuf,
}

struct Runner<'a> {
    dir: &'a SweepDir,
    plan: &'a Plan,
    executor: &'a mut dyn Executor,
    scheduler: Scheduler,
    journal: Journal,
    index: HashMap<&'a str, usize>,
    slot_names: Vec<String>,
    started_s: HashMap<usize, f64>,
    halve_on_oom: bool,
    /// Trials that were killed for exceeding the time limit, with the reason.
    late: HashMap<usize, String>,
    /// The latest progress report of each running trial.
    told: HashMap<usize, Progress>,
    /// Wall time of finished trials per unit of work.
    pace: Pace,
    asha: Option<Rungs>,
}

/// Takes the sweep's lock, which [`run`] requires. While the lock is held, no other runner writes a
/// plan or starts a trial. Fails if another process holds the lock.
pub fn hold(dir: &SweepDir) -> Result<Lock, Error> {
    match lock::try_lock(&dir.lock())? {
        lock::Attempt::Held(lock) => Ok(lock),
        lock::Attempt::HeldBy(process) => Err(Error::machine(
            format!("process {process} is running the sweep in {}", dir.path().display()),
            "wait for it or stop it; with --name another sweep can run beside it",
        )),
    }
}

/// Runs `plan` on `executor`. `observe` is called several times a second.
pub fn run<'a>(
    _held: &Lock,
    dir: &'a SweepDir,
    plan: &'a Plan,
    executor: &'a mut dyn Executor,
    options: &RunnerOptions,
    observe: &mut dyn FnMut(&Snapshot),
) -> Result<Finish, Error> {
    let mut runner = Runner::new(dir, plan, executor, options)?;
    runner.take_over(&options.journal)?;
    runner.go(options, observe)
}

impl<'a> Runner<'a> {
    fn new(
        dir: &'a SweepDir,
        plan: &'a Plan,
        executor: &'a mut dyn Executor,
        options: &RunnerOptions,
    ) -> Result<Runner<'a>, Error> {
        let mut pace = Pace::default();
        let mut ends = Vec::with_capacity(plan.trials.len());
        for trial in &plan.trials {
            let result: Option<TrialResult> = atomic::read_json(&dir.run(&trial.id).result())?;
            if let Some(result) = &result {
                pace.learn(work(trial), result.wall_s);
            }
            ends.push(result.map(|r| End::of(r.status)));
        }
        let done = ends.iter().flatten().count();
        let slot_names = executor.slots();
        let mut runner = Runner {
            dir,
            plan,
            scheduler: Scheduler::new(ends, slot_names.len(), options.retry_policy),
            journal: Journal::open(&options.journal)?,
            index: plan.trials.iter().enumerate().map(|(i, t)| (t.id.as_str(), i)).collect(),
            slot_names,
            started_s: HashMap::new(),
            late: HashMap::new(),
            halve_on_oom: options.halve_on_oom,
            told: HashMap::new(),
            pace,
            asha: plan.early_stop.clone().map(|rule| Rungs::new(rule, dir, &plan.trials)),
            executor,
        };
        let at_s = runner.executor.now_s();
        let command = plan.command.clone();
        let trials = plan.trials.len();
        runner.journal.append(&Event::Planned { at_s, command, trials, done })?;
        Ok(runner)
    }

    /// Adopts trials that a dead runner left running.
    fn take_over(&mut self, journal: &Path) -> Result<(), Error> {
        let slots = last_slots(&journal::read(journal));
        let left = self.executor.left_running();
        for (i, trial) in self.plan.trials.iter().enumerate() {
            let path = self.dir.run(&trial.id).lock();
            if self.scheduler.ends()[i].is_some() {
                continue;
            }
            if left.contains(&trial.id) {
                self.watch(i, 0, None)?;
                continue;
            }
            if !path.exists() {
                continue;
            }
            if let lock::Attempt::HeldBy(process) = lock::try_lock(&path)? {
                let slot = slots
                    .get(&trial.id)
                    .and_then(|name| self.slot_names.iter().position(|n| n == name));
                self.watch(i, process, slot)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, i: usize, process: u32, slot: Option<usize>) -> Result<(), Error> {
        let trial = &self.plan.trials[i];
        let at_s = self.executor.now_s();
        self.scheduler.adopt(i, slot);
        self.executor.adopt(trial, process);
        self.started_s.insert(i, at_s);
        self.journal.append(&Event::Adopted { at_s, id: trial.id.clone(), process })
    }

    fn go(
        &mut self,
        options: &RunnerOptions,
        observe: &mut dyn FnMut(&Snapshot),
    ) -> Result<Finish, Error> {
        const LOOK_EVERY: Duration = Duration::from_millis(250);
        let mut asked_s = None;
        let mut is_killed = false;
        let mut ended = Vec::new();
        let mut over_count = self.plan.trials.len() - self.finish().left;
        let mut looked: Option<Instant> = None;
        while !self.scheduler.is_over() {
            let signals = options.stop.load(Ordering::Relaxed);
            let now_s = self.executor.now_s();
            if (signals > 0 || self.scheduler.is_stopping()) && asked_s.is_none() {
                asked_s = Some(now_s);
                self.scheduler.stop();
                self.executor.ask_to_stop(if signals > 0 { Stop::User } else { Stop::Error });
            }
            let is_late = asked_s.is_some_and(|at| now_s - at > options.grace.as_secs_f64());
            if (signals > 1 || is_late) && !is_killed {
                is_killed = true;
                self.executor.kill();
            }
            self.end_late(options.trial_limit);
            let mut over = self.start_what_can()?;
            for (id, end) in self.executor.wait(LOOK_EVERY)? {
                over.extend(self.index.get(id.as_str()).map(|&i| (i, end)));
            }
            for (i, end) in over {
                let end = self.late.remove(&i).map_or(end, End::Failed);
                // A trial that was killed on the user's request has not failed.
                let end =
                    if is_killed && matches!(end, End::Failed(_)) { End::Interrupted } else { end };
                self.note_end(i, &end)?;
                if options.fail_fast
                    && !matches!(end, End::Done | End::Preempted | End::Interrupted)
                    && !self.scheduler.is_delayed(i)
                {
                    self.scheduler.stop();
                }
                over_count += usize::from(self.scheduler.ends()[i].is_some());
                let trial = &self.plan.trials[i];
                ended.push(Ended { trial, end, over: over_count });
            }
            // A snapshot reads a file of every running trial, which is too slow to repeat at each
            // end with a thousand trials.
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY / 2) || self.scheduler.is_over() {
                looked = Some(Instant::now());
                self.ask_running();
                self.stop_early()?;
                observe(&self.snapshot(std::mem::take(&mut ended)));
            }
        }
        let finish = self.finish();
        let why = if asked_s.is_some() { "interrupted" } else { "finished" }.to_owned();
        self.journal.append(&Event::Stopped { at_s: self.executor.now_s(), why })?;
        Ok(finish)
    }

    /// Kills trials that exceed the time limit of an attempt.
    fn end_late(&mut self, limit: Duration) {
        if limit.is_zero() {
            return;
        }
        let now_s = self.executor.now_s();
        for (i, _) in self.scheduler.running() {
            let since = self.started_s.get(&i).map_or(0.0, |at| now_s - at);
            if since > limit.as_secs_f64() && !self.late.contains_key(&i) {
                let limit = limit_in_words(limit);
                self.late.insert(i, format!("ended after {limit}, the limit of a trial"));
                self.executor.kill_one(&self.plan.trials[i].id);
            }
        }
    }

    /// Requests trials that fell behind at a rung to end.
    fn stop_early(&mut self) -> Result<(), Error> {
        let Some(asha) = &mut self.asha else { return Ok(()) };
        for (&i, told) in &self.told {
            let trial = &self.plan.trials[i];
            if let Some(reason) = asha.look(self.dir, &trial.id, told.epoch) {
                atomic::write(&self.dir.run(&trial.id).stop_early(), reason.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Reads the progress reports of running trials.
    fn ask_running(&mut self) {
        let running = self.scheduler.running();
        let ask = |&(i, _): &(usize, Option<usize>)| {
            Some((i, Progress::read(&self.dir.run(&self.plan.trials[i].id))?))
        };
        self.told = running.iter().filter_map(ask).collect();
    }

    /// Starts trials in all free slots. Returns the trials that could not be started.
    fn start_what_can(&mut self) -> Result<Vec<(usize, End)>, Error> {
        let mut failed = Vec::new();
        while let Some((i, slot)) = self.scheduler.start_next(self.executor.now_s()) {
            let trial = &self.plan.trials[i];
            let at_s = self.executor.now_s();
            match self.executor.start(trial, slot) {
                Ok(process) => {
                    self.started_s.insert(i, at_s);
                    let slot = self.slot_names[slot].clone();
                    self.journal.append(&Event::Started {
                        at_s,
                        id: trial.id.clone(),
                        slot,
                        process,
                    })?;
                }
                Err(e) => {
                    failed.push((i, End::Refused(e.cause)));
                }
            }
        }
        Ok(failed)
    }

    fn note_end(&mut self, i: usize, end: &End) -> Result<(), Error> {
        let trial = &self.plan.trials[i];
        let at_s = self.executor.now_s();
        // The trial is queued again like a preempted one.
        let goes_on =
            self.halve_on_oom && matches!(end, End::OutOfMemory(_)) && self.halve(trial)?;
        let for_scheduler = if goes_on { End::Preempted } else { end.clone() };
        if let Some(slot) = self.scheduler.end(i, for_scheduler, at_s) {
            let slot = self.slot_names[slot].clone();
            self.journal.append(&Event::SetAside {
                at_s,
                slot,
                reason: end.reason().to_owned(),
            })?;
        }
        if let (Some(started), End::Done) = (self.started_s.remove(&i), end) {
            self.pace.learn(work(trial), at_s - started);
        }
        let outcome = end.name().to_owned();
        let reason = end.reason().to_owned();
        let is_refused = matches!(end, End::Refused(_));
        self.journal.append(&Event::Ended {
            at_s,
            id: trial.id.clone(),
            outcome,
            reason,
            is_refused,
        })?;
        // Another process trains this trial: watch that process instead of retrying.
        if *end == End::Preempted
            && let Ok(lock::Attempt::HeldBy(process)) =
                lock::try_lock(&self.dir.run(&trial.id).lock())
        {
            self.watch(i, process, None)?;
        }
        Ok(())
    }

    /// Records that the trial halves its micro-batch from now on; false if the micro-batch cannot
    /// be halved.
    fn halve(&self, trial: &PlannedTrial) -> Result<bool, Error> {
        let path = self.dir.run(&trial.id).halved();
        let before: Option<Halved> = atomic::read_json(&path)?;
        let factor = 2 * before.map_or(1, |h| h.factor);
        let train = &trial.spec.train;
        if !train.batch_size.is_multiple_of(train.accumulate * factor) {
            return Ok(false);
        }
        atomic::write_json(&path, &Halved { factor })?;
        Ok(true)
    }

    fn finish(&self) -> Finish {
        let count = |wanted: &dyn Fn(&End) -> bool| {
            self.scheduler.ends().iter().flatten().filter(|e| wanted(e)).count()
        };
        let done = count(&|e| *e == End::Done);
        let diverged = count(&|e| *e == End::Diverged);
        let stopped = count(&|e| *e == End::Stopped);
        let failed =
            count(&|e| matches!(e, End::Failed(_) | End::Refused(_) | End::OutOfMemory(_)));
        let left = self.plan.trials.len() - done - diverged - stopped - failed;
        Finish { done, diverged, stopped, failed, left }
    }

    fn snapshot(&self, ended: Vec<Ended<'a>>) -> Snapshot<'a> {
        let now_s = self.executor.now_s();
        let running = self.scheduler.running().into_iter().map(|(i, slot)| RunningTrial {
            trial: &self.plan.trials[i],
            slot: slot
                .map_or_else(|| "beyond the slots".to_owned(), |s| self.slot_names[s].clone()),
            elapsed_s: now_s - self.started_s.get(&i).copied().unwrap_or(now_s),
            told: self.told.get(&i).cloned(),
        });
        let running: Vec<_> = running.collect();
        let eta_s = self.eta_s(&running);
        let is_stopping = self.scheduler.is_stopping();
        Snapshot {
            running,
            ended,
            finish: self.finish(),
            total: self.plan.trials.len(),
            eta_s,
            is_stopping,
        }
    }

    /// Remaining work at the speed so far, divided among the slots.
    fn eta_s(&self, running: &[RunningTrial]) -> Option<f64> {
        let mut pace = self.pace;
        for r in running {
            let share = r.told.as_ref().map_or(0.0, Progress::share);
            // Below a tenth, the start-up time would dominate the estimate.
            if share > 0.1 {
                pace.learn(
                    work(r.trial) * share,
                    r.told.as_ref().map_or(r.elapsed_s, |t| t.wall_s),
                );
            }
        }
        let left =
            |r: &RunningTrial| work(r.trial) * (1.0 - r.told.as_ref().map_or(0.0, Progress::share));
        let pending: f64 = self.scheduler.pending().map(|i| work(&self.plan.trials[i])).sum();
        let all = pending + running.iter().map(left).sum::<f64>();
        Some(
            all * pace.seconds_per_work()? / self.slot_names.len().min(running.len().max(1)) as f64,
        )
    }
}

/// Formats a limit: `3 s`, `90.0 minutes`.
fn limit_in_words(limit: Duration) -> String {
    let seconds = limit.as_secs_f64();
    let minutes = limit.as_secs_f64() / 60.0;
    if seconds < 120.0 { format!("{seconds} s") } else { format!("{minutes:.1} minutes") }
}

/// The slot in which each trial was started last.
fn last_slots(events: &[Event]) -> HashMap<String, String> {
    let started = events.iter().filter_map(|event| match event {
        Event::Started { id, slot, .. } => Some((id.clone(), slot.clone())),
        _ => None,
    });
    started.collect()
}
