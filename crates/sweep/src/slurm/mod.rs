//! Trials as jobs of a SLURM cluster: one array job for all that are to start. Each of its jobs is
//! a worker that runs its trials and keeps a journal; what became of a trial is read there, so no
//! accounting is needed. Whoever follows may go away and come back: the queue keeps the jobs, and
//! `submission-N.json` says which trials they hold.

pub mod queue;
pub mod script;

use crate::SweepError;
use crate::executor::{End, Executor, Stop, wall_clock_s};
use res2lab_store::{Event, PlannedTrial, Submission, SweepDir, TrialResult, atomic, journal};
use script::{Jobs, script};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The cluster's controller serves everybody: it is asked no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// A job that left the queue may still be writing to a shared disk, and one that is being put back
/// is not in it for a moment: it must be missing for several answers of the cluster.
const SETTLE: Duration = Duration::from_secs(10);

/// The executor that submits and follows.
pub struct Slurm {
    dir: SweepDir,
    jobs: Jobs,
    slots: usize,
    submissions: Vec<Submission>,
    /// Trials to be submitted together.
    new: Vec<String>,
    /// Trials that are in the queue: submission and task.
    queued: HashMap<String, (usize, usize)>,
    alive: HashMap<usize, BTreeSet<usize>>,
    /// When a task was first seen to be gone.
    gone: HashMap<(usize, usize), Instant>,
    asked: Option<Instant>,
    is_left: bool,
    /// Counts as a wish to stop as soon as everything is submitted.
    leave: Option<Arc<AtomicUsize>>,
}

impl Slurm {
    /// Reads what earlier runners submitted. `trials` is how many may be in the queue at the same
    /// time.
    pub fn new(dir: SweepDir, jobs: Jobs, trials: usize) -> Result<Slurm, SweepError> {
        let submissions = Submission::all(&dir)?;
        let mut slurm = Slurm {
            dir,
            jobs,
            slots: trials.max(1),
            submissions,
            new: vec![],
            queued: HashMap::new(),
            alive: HashMap::new(),
            gone: HashMap::new(),
            asked: None,
            is_left: false,
            leave: None,
        };
        slurm.ask();
        Ok(slurm)
    }

    /// Leaves, by way of the runner's `stop`, when everything is submitted.
    pub fn leaving(self, stop: &Arc<AtomicUsize>) -> Slurm {
        Slurm { leave: Some(Arc::clone(stop)), ..self }
    }

    /// Submits what was started, unless nothing was.
    fn submit(&mut self) -> Result<(), SweepError> {
        let tasks: Vec<Vec<String>> =
            self.new.chunks(self.jobs.spec.trials_per_job).map(<[String]>::to_vec).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        for tasks in tasks.chunks(queue::largest_array()) {
            let number = self.submissions.len() + 1;
            let mut submission = Submission { number, job: String::new(), tasks: tasks.to_vec() };
            // The jobs read it, so it is there before they can be.
            submission.write(&self.dir)?;
            let path = self.dir.sbatch_script(number);
            atomic::write(&path, script(&self.jobs, &self.dir, number, tasks.len()).as_bytes())?;
            let submitted = queue::submit(&path);
            if submitted.is_err() {
                // A number without a job would be waited for.
                let _ = std::fs::remove_file(self.dir.submission(number));
            }
            submission.job = submitted?;
            submission.write(&self.dir)?;
            for (task, ids) in tasks.iter().enumerate() {
                self.queued.extend(ids.iter().map(|id| (id.clone(), (number, task))));
            }
            self.alive.insert(number, (0..tasks.len()).collect());
            self.submissions.push(submission);
        }
        self.new.clear();
        Ok(())
    }

    /// Asks the cluster which jobs are alive. One that does not answer has changed nothing.
    fn ask(&mut self) {
        self.asked = Some(Instant::now());
        for submission in &self.submissions {
            let waits = self.queued.values().any(|&(number, _)| number == submission.number);
            // At the start nothing is known yet.
            let is_known = self.alive.contains_key(&submission.number);
            if submission.job.is_empty() || (is_known && !waits) {
                continue;
            }
            if let Some(alive) = queue::alive(&submission.job) {
                self.alive.insert(submission.number, alive);
            }
        }
    }

    fn is_alive(&self, (number, task): (usize, usize)) -> bool {
        self.alive.get(&number).is_none_or(|alive| alive.contains(&task))
    }

    /// Trials of the queue that ended.
    fn collect(&mut self) -> Vec<(String, End)> {
        let mut by_task: HashMap<(usize, usize), Vec<String>> = HashMap::new();
        for (id, &place) in &self.queued {
            by_task.entry(place).or_default().push(id.clone());
        }
        let mut ended = Vec::new();
        for (place, ids) in by_task {
            let events = journal::read(&self.dir.job_journal(place.0, place.1));
            let is_alive = self.is_alive(place);
            if is_alive {
                self.gone.remove(&place);
            }
            let is_gone = !is_alive
                && self.gone.entry(place).or_insert_with(Instant::now).elapsed() >= SETTLE;
            for id in ids {
                let end = end_told(&events, &id)
                    .or_else(|| is_gone.then(|| self.end_of_gone(place, &events, &id)));
                ended.extend(end.map(|end| (id, end)));
            }
        }
        for (id, _) in &ended {
            self.queued.remove(id);
        }
        ended
    }

    /// The end of a trial whose job left the queue without telling one.
    fn end_of_gone(&self, (number, task): (usize, usize), events: &[Event], id: &str) -> End {
        if let Ok(Some(result)) = atomic::read_json::<TrialResult>(&self.dir.run(id).result()) {
            return End::of(result.status);
        }
        let job = self.submissions.get(number - 1).map_or("", |s| s.job.as_str());
        let signal = events.iter().rev().find_map(|event| match event {
            Event::Signaled { why, .. } => Some(why.as_str()),
            _ => None,
        });
        let has_checkpoint = events
            .iter()
            .any(|e| matches!(e, Event::Ended { id: of, outcome, .. } if of == id && outcome == "preempted"));
        End::Failed(match signal {
            Some(why) if why == TIME_LIMIT && has_checkpoint => format!(
                "timed out: job {job}_{task} wrote a checkpoint at its time limit and was put back, but is not in the queue \
                 any more; the same command goes on"
            ),
            Some(why) if why == TIME_LIMIT => format!(
                "timed out: job {job}_{task} reached its time limit before a checkpoint was written; give more time, or a \
                 larger signal_s"
            ),
            Some(_) => format!(
                "cancelled: job {job}_{task} was told to end and is not in the queue any more"
            ),
            None if events.is_empty() => {
                format!("job {job}_{task} never started and is not in the queue any more")
            }
            None => format!(
                "job {job}_{task} was killed or lost its node; see submission-{number}-{task}.out"
            ),
        })
    }
}

/// Written by a worker that is told of the time limit.
pub const TIME_LIMIT: &str = "time limit";
/// Written by a worker that is told to make room.
pub const PREEMPTED: &str = "preempted";

/// The end that the job's journal tells last. A trial that stopped with a checkpoint goes on in the
/// same job.
fn end_told(events: &[Event], id: &str) -> Option<End> {
    let told = events.iter().rev().find_map(|event| match event {
        Event::Started { id: of, .. } if of == id => Some(None),
        Event::Ended { id: of, outcome, reason, is_refused, .. } if of == id => {
            Some(match outcome.as_str() {
                "done" => Some(End::Done),
                "diverged" => Some(End::Diverged),
                "stopped" => Some(End::Stopped),
                "failed" if *is_refused => Some(End::Refused(reason.clone())),
                "failed" => Some(End::Failed(reason.clone())),
                _ => None,
            })
        }
        _ => None,
    });
    told.flatten()
}

impl Executor for Slurm {
    fn slots(&self) -> Vec<String> {
        (0..self.slots).map(|i| format!("job {i}")).collect()
    }

    fn start(&mut self, trial: &PlannedTrial, _: usize) -> Result<u32, SweepError> {
        self.dir.run(&trial.id).create(&trial.spec)?;
        self.new.push(trial.id.clone());
        Ok(0)
    }

    fn left_running(&mut self) -> HashSet<String> {
        let mut ids = HashSet::new();
        for submission in &self.submissions {
            let alive = self.alive.get(&submission.number);
            for (task, of_task) in submission.tasks.iter().enumerate() {
                if alive.is_some_and(|alive| alive.contains(&task)) {
                    ids.extend(of_task.iter().cloned());
                }
            }
        }
        ids
    }

    fn adopt(&mut self, trial: &PlannedTrial, _: u32) {
        for submission in self.submissions.iter().rev() {
            if let Some(task) = submission.tasks.iter().position(|ids| ids.contains(&trial.id)) {
                self.queued.insert(trial.id.clone(), (submission.number, task));
                return;
            }
        }
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<(String, End)>, SweepError> {
        self.submit()?;
        if let Some(stop) = self.leave.take() {
            stop.fetch_add(1, Ordering::Relaxed);
        }
        if self.is_left {
            return Ok(self.queued.drain().map(|(id, _)| (id, End::Preempted)).collect());
        }
        if self.asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            self.ask();
        }
        let ended = self.collect();
        if ended.is_empty() {
            std::thread::sleep(timeout);
        }
        Ok(ended)
    }

    /// A user who presses Ctrl-C only stops following: the jobs go on. After a failure that ends
    /// the sweep they are cancelled, and their workers let trials write checkpoints.
    fn ask_to_stop(&mut self, why: Stop) {
        match why {
            Stop::User => self.is_left = true,
            Stop::Failure => self.kill(),
        }
    }

    fn kill(&mut self) {
        let jobs = self
            .submissions
            .iter()
            .filter(|s| self.alive.get(&s.number).is_none_or(|alive| !alive.is_empty()));
        jobs.for_each(|submission| queue::cancel(&submission.job));
    }

    /// The job may hold other trials; its worker ends those that are late.
    fn kill_one(&mut self, _: &str) {}

    fn now_s(&self) -> f64 {
        wall_clock_s()
    }
}
