//! `res2lab worker SWEEP SUBMISSION TASK`: one job of a cluster's array. Runs its trials, one after
//! the other or side by side, and keeps a journal of its own, which whoever follows the sweep
//! reads.
//!
//! Told of the time limit (USR2), it lets trials write checkpoints and puts its job back into the
//! queue; told to make room (TERM), it leaves that to the cluster. Exit status 75 if trials are
//! left, 1 if some failed, else 0.

use crate::args::{OnOom, WorkerArgs};
use crate::failure::{self, FAILED, LEFT};
use crate::print;
use res2lab_error::Error;
use res2lab_lab::slots::{self, Job};
use res2lab_store::{Event, Journal, Plan, Submission, SweepDir, lock};
use res2lab_sweep::executor::wall_clock_s;
use res2lab_sweep::slurm::{PREEMPTED, TIME_LIMIT, queue};
use res2lab_sweep::{Local, RetryPolicy, RunnerOptions, Slot};
use signal_hook::consts::{SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Checkpoints must be written before the cluster loses patience, which it does after 30 s as a
/// rule.
const GRACE: Duration = Duration::from_secs(25);

/// Runs the job's trials.
pub(crate) fn run(args: &WorkerArgs) -> Result<u8, Error> {
    let dir = SweepDir::new(&args.sweep);
    let plan = own_part(&Plan::read(&dir)?, &Submission::read(&dir, args.submission)?, args.task)?;
    let held = match lock::try_lock(&dir.job_lock(args.submission, args.task))? {
        lock::Attempt::Held(lock) => lock,
        lock::Attempt::HeldBy(process) => {
            return Err(Error::input(
                format!("process {process} is this job's worker"),
                "wait for it",
            ));
        }
    };
    let journal = dir.job_journal(args.submission, args.task);
    let stop = Arc::new(AtomicUsize::new(0));
    let is_time_limit = Arc::new(AtomicUsize::new(0));
    listen(&stop, &is_time_limit, &journal)?;
    if args.signaled {
        signal_hook::low_level::raise(SIGUSR2).map_err(failure::no_signals)?;
    }
    // Measured before trials run side by side.
    res2lab_lab::vectors::choose(&args.folders.data)?;
    let nodes = nodes();
    let slots = slots(args, &plan, nodes)?;
    let exe = res2lab_lab::program::find()?;
    let data = ["--data".to_owned(), args.folders.data.display().to_string()];
    let mut executor = Local::new(exe, dir.clone(), data.to_vec(), slots)
        .dying_with_runner()
        .launched_by(launcher(&plan, nodes)?);
    let options = RunnerOptions {
        stop: &stop,
        fail_fast: false,
        retry_policy: RetryPolicy::default(),
        halve_on_oom: args.on_oom == OnOom::Halve,
        trial_limit: Duration::from_secs_f64(60.0 * args.trial_minutes.unwrap_or(0.0)),
        grace: GRACE,
        journal,
    };
    let finish = res2lab_sweep::run(&held, &dir, &plan, &mut executor, &options, &mut |_| {})?;
    if finish.left > 0 {
        if is_time_limit.load(Ordering::Relaxed) > 0 {
            queue::requeue(&std::env::var("SLURM_JOB_ID").unwrap_or_default())?;
        }
        return Ok(LEFT);
    }
    Ok(if finish.failed + finish.diverged > 0 { FAILED } else { 0 })
}

/// The plan with this job's trials only.
fn own_part(plan: &Plan, submission: &Submission, task: usize) -> Result<Plan, Error> {
    let ids = submission.tasks.get(task).ok_or_else(|| {
        let jobs = submission.tasks.len();
        Error::input(
            format!("submission {} has {jobs} jobs, none is {task}", submission.number),
            "count from 0",
        )
    })?;
    let known =
        |id: &String| plan.trials.iter().chain(&plan.earlier).find(|t| t.id == *id).cloned();
    Ok(Plan { trials: ids.iter().filter_map(known).collect(), earlier: vec![], ..plan.clone() })
}

/// From now on signals are counted, and noted in the journal: that tells a time limit from a
/// preemption afterwards.
fn listen(
    stop: &Arc<AtomicUsize>,
    is_time_limit: &Arc<AtomicUsize>,
    path: &Path,
) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM, SIGUSR2]).map_err(failure::no_signals)?;
    let mut journal = Journal::open(path)?;
    let stop = Arc::clone(stop);
    let is_time_limit = Arc::clone(is_time_limit);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // The first one says why; those that follow are the cluster at work.
            if stop.swap(1, Ordering::Relaxed) > 0 {
                continue;
            }
            let why = if signal == SIGUSR2 { TIME_LIMIT } else { PREEMPTED }.to_owned();
            let _ = journal.append(&Event::Signaled { at_s: wall_clock_s(), why });
            if signal == SIGUSR2 {
                is_time_limit.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Ok(())
}

/// Where this job's trials run, as the GPUs of its node allow.
fn slots(args: &WorkerArgs, plan: &Plan, nodes: usize) -> Result<Vec<Slot>, Error> {
    let gpus = res2lab_lab::gpus::count();
    let given = std::env::var("SLURM_JOB_GPUS").unwrap_or_default();
    if gpus == 0 && !given.is_empty() {
        return Err(Error::input(
            format!("SLURM gave this job GPUs ({given}), and libtorch finds none"),
            "see what `res2lab env` says there; a build for GPUs needs RES2LAB_CUDA=1 just setup",
        ));
    }
    let (slots, note) = slots::of_job(Job {
        gpus,
        nodes,
        trials: plan.trials.len(),
        devices: plan.devices(),
        slots: args.slots,
        threads: args.threads.max(1),
    })?;
    if slots.iter().any(|slot| slot.sharing > 1) {
        slots::check_sharing()?;
    }
    if let Some(note) = note {
        print::told(&format!("note: {note}"));
    }
    Ok(slots)
}

fn nodes() -> usize {
    std::env::var("SLURM_JOB_NUM_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// On several nodes srun starts a trial's processes, and this program finds its rank in what srun
/// says.
fn launcher(plan: &Plan, nodes: usize) -> Result<Vec<String>, Error> {
    let devices = plan.devices();
    if nodes < 2 {
        return Ok(vec![]);
    }
    if plan.trials.iter().any(|t| t.spec.train.devices_per_trial != devices) || devices < nodes {
        return Err(Error::input(
            format!(
                "jobs of {nodes} nodes need trials that all have as many devices, at least {nodes}"
            ),
            "set devices_per_trial, or nodes: 1",
        ));
    }
    let port = 20_000 + std::process::id() % 20_000;
    let words = ["srun", "--kill-on-bad-exit=1", "--ntasks"].map(str::to_owned);
    let mut launcher = words.to_vec();
    launcher.extend([
        devices.to_string(),
        format!("--export=ALL,RES2LAB_RANKS=srun,MASTER_PORT={port}"),
    ]);
    let cores = std::env::var("SLURM_CPUS_ON_NODE").ok().and_then(|n| n.parse().ok());
    launcher.push(cores_of_task(cores.unwrap_or(1), devices.div_ceil(nodes)));
    Ok(launcher)
}

/// What tells srun how the cores of a node are divided among its tasks. By itself it gives each task
/// one core, and starts none if there are more tasks than cores.
fn cores_of_task(cores: usize, tasks: usize) -> String {
    if cores < tasks {
        return "--overcommit".to_owned();
    }
    format!("--cpus-per-task={}", cores / tasks.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_divide_the_cores_of_their_node() {
        assert_eq!(cores_of_task(64, 8), "--cpus-per-task=8");
        assert_eq!(cores_of_task(2, 2), "--cpus-per-task=1");
        assert_eq!(cores_of_task(1, 2), "--overcommit");
    }
}
