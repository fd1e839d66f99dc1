//! A sweep from its options to its report: plan, train, tabulate, report.

mod earlier;

use crate::options::{Purpose, SweepOptions};
use crate::request::{Request, request};
use crate::{cluster, cost_estimate, report, slots};
use res2lab_error::Error;
use res2lab_experiment::ExecutorSpec;
use res2lab_report::Summary;
use res2lab_store::{Lock, Plan, SweepDir, atomic};
use res2lab_sweep::{
    Executor, Finish, Local, Mps, RetryPolicy, RunnerOptions, Slot, Slurm, Snapshot,
};
use res2lab_train::gpu_record::checked;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tch::Device;

/// Time in which running trials may write a checkpoint after a request to stop.
const GRACE: Duration = Duration::from_secs(60);
/// Seconds before the first retry of a trial.
const BACK_OFF_S: f64 = 5.0;

/// What a caller learns while trials run.
pub enum Event<'a> {
    /// The rule for seeds added so many trials.
    MoreTrials(usize),
    /// Trials are about to start.
    Started { plan: &'a Plan, dir: &'a SweepDir, is_local: bool },
    /// The state of the trials, several times a second.
    Progress(&'a Snapshot<'a>),
    /// No trial runs any more.
    Ended,
}

/// A sweep whose plan is on the disk and whose folder is locked against other runners.
pub struct Prepared<'a> {
    options: &'a SweepOptions,
    pub plan: Plan,
    pub dir: SweepDir,
    /// Where trials run; empty on a cluster.
    pub slots: Vec<Slot>,
    /// What was repaired in the folder, and GPUs of a cluster that would stay idle.
    pub warnings: Vec<String>,
    executor: ExecutorSpec,
    held: Lock,
}

/// A sweep after its last trial.
pub struct Ended {
    /// How many trials ended in which way.
    pub finish: Finish,
    pub dir: SweepDir,
    /// What the report says; none if the jobs of a cluster were only submitted.
    pub summary: Option<Summary>,
}

/// Plans a sweep, and prepares its folder.
///
/// # Errors
/// Wrong words, data or weights before anything is written; a folder that cannot be written;
/// another runner of the same sweep.
pub fn prepare(options: &SweepOptions) -> Result<Prepared<'_>, Error> {
    let mut request = request(options, Purpose::Train)?;
    let executor = cluster::executor(options, &request.experiment)?;
    let idle = cluster::check(&executor, &request.plan)?;
    let is_local = executor == ExecutorSpec::Local;
    let slots = if is_local { slots::of_plan(options, &request.plan)? } else { vec![] };
    if is_local {
        // Estimates that an earlier `plan` measured; measuring now would only delay the start.
        cost_estimate::add(&mut request.plan, &slots, &options.folders.data, None)?;
    }
    atomic::create_dir(&request.dir.runs())?;
    // The lock comes first: the plan of another runner must not change under it.
    let held = res2lab_sweep::hold(&request.dir)?;
    let (plan, dir) = write_plan(request)?;
    if options.smoke {
        crate::smoke::write_weights(&plan)?;
    }
    let mut warnings = earlier::set_damaged_aside(&plan, &dir)?;
    warnings.extend(idle);
    if options.retry_diverged {
        earlier::forget_diverged(&plan, &dir)?;
    }
    Ok(Prepared { options, plan, dir, slots, warnings, executor, held })
}

impl Prepared<'_> {
    /// Trains what is not done yet, and writes the tables and the report. `program` is the res2lab
    /// binary, which trains each trial in a process of its own. A caller adds 1 to `stop` to end the
    /// sweep after checkpoints, and 1 more to end it at once.
    ///
    /// # Errors
    /// A folder that cannot be written, or a cluster that refuses jobs. A failed trial is no error:
    /// see [`Ended::finish`].
    pub fn run(
        mut self,
        program: &Path,
        stop: &Arc<AtomicUsize>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Ended, Error> {
        let mut finish = self.round(program, stop, on_event)?;
        if self.options.detach {
            return Ok(Ended { finish, dir: self.dir, summary: None });
        }
        // The rule decides from the first stage alone, so this ends after one more round, unless
        // trials failed.
        while finish.left == 0
            && let Some(more) = earlier::with_more_seeds(&self.plan, &self.dir)?
        {
            on_event(Event::MoreTrials(more.trials.len() - self.plan.trials.len()));
            self.plan = more.write(&self.dir)?;
            finish = self.round(program, stop, on_event)?;
        }
        let summary = Some(report::conclude(&self.dir)?);
        Ok(Ended { finish, dir: self.dir, summary })
    }

    /// Trains the trials of the plan as it is.
    fn round(
        &self,
        program: &Path,
        stop: &Arc<AtomicUsize>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Finish, Error> {
        let options = self.options;
        let is_local = self.executor == ExecutorSpec::Local;
        // The jobs of a cluster keep their own time, in which waiting in a queue does not count.
        let minutes = options.trial_minutes.filter(|_| is_local).unwrap_or(0.0);
        let of_runner = RunnerOptions {
            stop,
            fail_fast: options.fail_fast,
            retry_policy: RetryPolicy { retries: options.retries, back_off_s: BACK_OFF_S },
            halve_on_oom: options.halve_on_oom,
            trial_limit: Duration::from_secs_f64(60.0 * minutes),
            grace: GRACE,
            journal: self.dir.journal(),
        };
        let mut executor = self.executor(program, stop)?;
        on_event(Event::Started { plan: &self.plan, dir: &self.dir, is_local });
        let finish = res2lab_sweep::run(
            &self.held,
            &self.dir,
            &self.plan,
            &mut *executor,
            &of_runner,
            &mut |snapshot| on_event(Event::Progress(snapshot)),
        )?;
        on_event(Event::Ended);
        Ok(finish)
    }

    /// The service through which trials share GPUs, if they do and it is wanted.
    fn mps(&self) -> Result<Option<Mps>, Error> {
        let pays = || checked(&self.options.folders.data, Device::Cuda(0)).mps;
        let is_shared = self.slots.iter().any(|slot| slot.sharing > 1);
        if !is_shared || !self.options.mps.is_on(pays) {
            return Ok(None);
        }
        Mps::start(self.dir.path())
    }

    fn executor(
        &self,
        program: &Path,
        stop: &Arc<AtomicUsize>,
    ) -> Result<Box<dyn Executor>, Error> {
        let data = vec!["--data".to_owned(), self.options.folders.data.display().to_string()];
        let dir = self.dir.clone();
        Ok(match &self.executor {
            ExecutorSpec::Local => {
                let local = Local::new(program.to_owned(), dir, data, self.slots.clone());
                Box::new(local.sharing_through(self.mps()?))
            }
            ExecutorSpec::Slurm(spec) => {
                let jobs = cluster::jobs(self.options, spec, &self.plan, program.to_owned())?;
                let slurm = Slurm::new(dir, jobs, self.plan.trials.len())?;
                Box::new(if self.options.detach { slurm.leaving(stop) } else { slurm })
            }
        })
    }
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
