//! A sweep from its options to its report: plan, train, tabulate, report.

mod earlier;

use crate::options::{Purpose, SweepOptions};
use crate::request::{Request, request};
use crate::{cluster, cost_estimate, report, slots};
use res2lab_error::Error;
use res2lab_experiment::ExecutorSpec;
use res2lab_report::Summary;
use res2lab_store::{Lock, Plan, SweepDir, atomic};
use res2lab_sweep::{Executor, Finish, Local, RetryPolicy, RunnerOptions, Slot, Slurm, Snapshot};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Time in which running trials may write a checkpoint after a request to stop.
const GRACE: Duration = Duration::from_secs(60);
/// Seconds before the first retry of a trial.
const BACK_OFF_S: f64 = 5.0;

/// What a caller learns while a sweep runs.
pub enum Event<'a> {
    /// The plan is on the disk. `slots` is empty on a cluster.
    Planned { plan: &'a Plan, slots: &'a [Slot] },
    /// Something was repaired or left out.
    Warning(String),
    /// The rule for seeds added so many trials.
    MoreTrials(usize),
    /// Trials are about to start.
    Started { plan: &'a Plan, dir: &'a SweepDir, is_local: bool },
    /// The state of the trials, several times a second.
    Progress(&'a Snapshot<'a>),
    /// No trial runs any more.
    Ended,
}

/// A sweep after its last trial.
pub struct Ended {
    /// How many trials ended in which way.
    pub finish: Finish,
    pub dir: SweepDir,
    /// What the report says; none if the jobs of a cluster were only submitted.
    pub summary: Option<Summary>,
}

/// Trains what is not done yet, and writes the tables and the report. `program` is the res2lab
/// binary, which trains each trial in a process of its own. A caller adds 1 to `stop` to end the
/// sweep after checkpoints, and 1 more to end it at once.
///
/// # Errors
/// Wrong words, data or weights before anything is written; a folder that cannot be written; another
/// runner of the same sweep. A failed trial is no error: see [`Ended::finish`].
pub fn run(
    options: &SweepOptions,
    program: PathBuf,
    stop: &Arc<AtomicUsize>,
    on_event: &mut dyn FnMut(Event),
) -> Result<Ended, Error> {
    let mut request = request(options, Purpose::Train)?;
    let executor = cluster::executor(options, &request.experiment)?;
    let is_local = executor == ExecutorSpec::Local;
    let slots = if is_local { slots::of_plan(options, &request.plan)? } else { vec![] };
    if is_local {
        // Estimates that an earlier `plan` measured; measuring now would only delay the start.
        cost_estimate::add(&mut request.plan, &slots, &options.folders.data, None)?;
    }
    atomic::create_dir(&request.dir.runs())?;
    // The lock comes first: the plan of another runner must not change under it.
    let held = res2lab_sweep::hold(&request.dir)?;
    let (mut plan, dir) = write_plan(request)?;
    if options.smoke {
        crate::smoke::write_weights(&plan)?;
    }
    on_event(Event::Planned { plan: &plan, slots: &slots });
    for warning in earlier::set_damaged_aside(&plan, &dir)? {
        on_event(Event::Warning(warning));
    }
    if options.retry_diverged {
        earlier::forget_diverged(&plan, &dir)?;
    }
    let training = Training { options, program, held, dir: &dir, executor, slots, stop };
    let mut finish = training.run(&plan, on_event)?;
    if options.detach {
        return Ok(Ended { finish, dir, summary: None });
    }
    // The rule decides from the first stage alone, so this ends after one more round, unless
    // trials failed.
    while let Some(more) = earlier::with_more_seeds(&plan, &dir)?.filter(|_| finish.left == 0) {
        on_event(Event::MoreTrials(more.trials.len() - plan.trials.len()));
        plan = more.write(&dir)?;
        finish = training.run(&plan, on_event)?;
    }
    let summary = Some(report::conclude(&dir)?);
    Ok(Ended { finish, dir, summary })
}

/// Writes plan.json and sweep.yaml.
pub fn write_plan(request: Request) -> Result<(Plan, SweepDir), Error> {
    let Request { experiment, plan, dir } = request;
    let plan = plan.write(&dir)?;
    let text = serde_yaml::to_string(&experiment).unwrap_or_default();
    let text = format!("# {}\n{text}", plan.command);
    atomic::write(&dir.sweep_yaml(), text.as_bytes())?;
    Ok((plan, dir))
}

/// What the rounds of a sweep share.
struct Training<'a> {
    options: &'a SweepOptions,
    program: PathBuf,
    held: Lock,
    dir: &'a SweepDir,
    executor: ExecutorSpec,
    slots: Vec<Slot>,
    stop: &'a Arc<AtomicUsize>,
}

impl Training<'_> {
    fn run(&self, plan: &Plan, on_event: &mut dyn FnMut(Event)) -> Result<Finish, Error> {
        let options = self.options;
        let is_local = self.executor == ExecutorSpec::Local;
        // The jobs of a cluster keep their own time, in which waiting in a queue does not count.
        let minutes = options.trial_minutes.filter(|_| is_local).unwrap_or(0.0);
        let of_runner = RunnerOptions {
            stop: self.stop,
            fail_fast: options.fail_fast,
            retry_policy: RetryPolicy { retries: options.retries, back_off_s: BACK_OFF_S },
            halve_on_oom: options.halve_on_oom,
            trial_limit: Duration::from_secs_f64(60.0 * minutes),
            grace: GRACE,
            journal: self.dir.journal(),
        };
        let mut executor = self.executor(plan)?;
        on_event(Event::Started { plan, dir: self.dir, is_local });
        let finish = res2lab_sweep::run(
            &self.held,
            self.dir,
            plan,
            &mut *executor,
            &of_runner,
            &mut |snapshot| on_event(Event::Progress(snapshot)),
        )?;
        on_event(Event::Ended);
        Ok(finish)
    }

    fn executor(&self, plan: &Plan) -> Result<Box<dyn Executor>, Error> {
        let data = vec!["--data".to_owned(), self.options.folders.data.display().to_string()];
        let dir = self.dir.clone();
        Ok(match &self.executor {
            ExecutorSpec::Local => {
                Box::new(Local::new(self.program.clone(), dir, data, self.slots.clone()))
            }
            ExecutorSpec::Slurm(spec) => {
                let jobs = cluster::jobs(self.options, spec, plan, self.program.clone())?;
                let slurm = Slurm::new(dir, jobs, plan.trials.len())?;
                Box::new(if self.options.detach { slurm.leaving(self.stop) } else { slurm })
            }
        })
    }
}
