//! `res2lab trial SWEEP ID`: one trial in a process of its own. What every executor starts.
//!
//! Exit status: 0 done (or already done), 2 bad spec or data, 3 diverged, 4 out of memory, 75
//! stopped with a checkpoint (or another process is training it), 1 anything else. A trial on
//! several devices starts one such process for each.

use crate::args::{Folders, TrialArgs};
use crate::failure::{FAILED, Failure};
use crate::{print, ranks};
use res2lab_store::{Halved, Plan, PlannedTrial, RunDir, SweepDir, atomic};
use res2lab_sweep::TrialProgress;
use res2lab_train::{Ended, Progress, TrainError, TrialOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tch::Device;

const DIVERGED: u8 = 3;
const OUT_OF_MEMORY: u8 = 4;
const PREEMPTED: u8 = 75;

/// Progress is told to the runner no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Trains the trial, or goes on from its last checkpoint.
pub(crate) fn run(args: &TrialArgs) -> Result<u8, Failure> {
    let dir = SweepDir::new(&args.sweep);
    let plan = Plan::read(&dir)?;
    let trial = find(&plan, args)?;
    let run = dir.run(&trial.id);
    run.create(&trial.spec)?;
    ranks::follow_parent();
    let mut options = options(args, trial, &run)?;
    let devices = trial.spec.train.devices_per_trial;
    options.member = ranks::member(devices)?;
    if devices > 1 && options.member.is_none() {
        return ranks::run(devices, &options.stop);
    }
    options.pictures.extend(
        crate::receptive::picture(trial).map(|picture| ("receptive_field".to_owned(), picture)),
    );
    let mut trial = trial.clone();
    if let Some(Halved { factor }) = atomic::read_json(&run.halved())? {
        trial.spec.train.accumulate *= factor;
        let accumulate = trial.spec.train.accumulate;
        options.changed = format!("accumulate {accumulate} after running out of memory");
    }
    res2lab_libtorch::keep_memory();
    let ended = guarded(|| res2lab_train::run(&trial, &run, &options, &mut tell(&run)));
    Ok(status(ended.map_err(|failure| with_fitting_batch(failure, &trial, &options))?))
}

/// A trial that ran out of memory tells how many images would have fitted: what that failed is free
/// again by now.
fn with_fitting_batch(failure: Failure, trial: &PlannedTrial, options: &TrialOptions) -> Failure {
    // Others of several processes still hold theirs, or wait for this one.
    if failure.status != OUT_OF_MEMORY || options.member.is_some() {
        return failure;
    }
    let train = &trial.spec.train;
    let part = train.batch_size / train.accumulate;
    let halves = std::iter::successors(Some(part / 2), |&n| Some(n / 2)).take_while(|&n| n > 0);
    let fits = |&n: &usize| {
        res2lab_libtorch::return_memory();
        guarded(|| res2lab_train::fit::step(trial, options, n)).is_ok()
    };
    let cause = match halves.into_iter().find(fits) {
        Some(n) => {
            format!("out of memory with {part} images at a time; {n} would fit ({})", failure.cause)
        }
        None => format!("out of memory, and not even one image would fit ({})", failure.cause),
    };
    Failure { cause, ..failure }
}

fn find<'a>(plan: &'a Plan, args: &TrialArgs) -> Result<&'a PlannedTrial, Failure> {
    let found = match (&args.id, args.index) {
        (Some(id), _) => plan.trials.iter().chain(&plan.earlier).find(|t| t.id == *id),
        (None, index) => plan.trials.get(index.unwrap_or(0)),
    };
    found.ok_or_else(|| {
        let which =
            args.id.clone().unwrap_or_else(|| format!("number {}", args.index.unwrap_or(0)));
        let help = "see the ids in plan.json";
        Failure::input(format!("the sweep in {} has no trial {which}", args.sweep.display()), help)
    })
}

/// tch panics where libtorch fails. The trial ends there, but as a value: an exit status and two
/// lines.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, Failure> {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ended = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(quiet);
    match ended {
        Ok(ended) => Ok(ended?),
        Err(panic) => Err(libtorch_failure(&*panic)),
    }
}

fn options(args: &TrialArgs, trial: &PlannedTrial, run: &RunDir) -> Result<TrialOptions, Failure> {
    let options = options_without_run(&args.folders)?;
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::clone(&options.stop))
            .map_err(Failure::no_signals)?;
    }
    let weights = crate::request::weights(&trial.spec, &args.folders.data)?;
    let earlier_s = TrialProgress::read(run).map_or(0.0, |told| told.wall_s);
    Ok(TrialOptions { weights, earlier_s, ..options })
}

/// The runner shows a trial the GPUs that it may use, or none. torchrun shows all and says which
/// one is meant.
fn device() -> Device {
    let count = tch::Cuda::device_count().max(0) as usize;
    let own = std::env::var("LOCAL_RANK")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&own| own < count);
    if count == 0 { Device::Cpu } else { Device::Cuda(own.unwrap_or(0)) }
}

/// What the runner says in the environment.
pub(crate) fn options_without_run(folders: &Folders) -> Result<TrialOptions, Failure> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    Ok(TrialOptions {
        device: device(),
        threads: number("RES2LAB_THREADS").unwrap_or(1).max(1),
        vectors: crate::vectors::choose(&folders.data)?.level,
        data: folders.data.clone(),
        weights: None,
        checkpoint_every: Duration::from_secs(number("RES2LAB_CHECKPOINT_S").unwrap_or(60) as u64),
        member: None,
        stop: Arc::new(AtomicBool::new(false)),
        code: crate::code(),
        earlier_s: 0.0,
        changed: String::new(),
        pictures: Vec::new(),
    })
}

/// Writes progress.json, now and then; nobody is hurt if it fails.
fn tell(run: &RunDir) -> impl FnMut(&Progress) {
    let run = run.clone();
    let mut last: Option<Instant> = None;
    move |p: &Progress| {
        if last.is_some_and(|at| at.elapsed() < TELL_EVERY) && p.step < p.steps {
            return;
        }
        last = Some(Instant::now());
        let told = TrialProgress {
            epoch: p.epoch,
            epochs: p.epochs,
            step: p.step,
            steps: p.steps,
            loss: p.loss,
            acc1: p.acc1,
            images_per_s: p.images_per_s,
            wall_s: p.wall_s,
        };
        let _ = told.write(&run);
    }
}

fn status(ended: Ended) -> u8 {
    match ended {
        Ended::Done | Ended::Stopped => 0,
        Ended::Diverged(reason) => {
            print::told(&format!("error: {reason}"));
            print::told("help: lower the learning rate");
            DIVERGED
        }
        Ended::Preempted => PREEMPTED,
        Ended::Busy(process) => {
            print::told(&format!("error: process {process} is training this trial"));
            print::told("help: wait for it, or stop it");
            PREEMPTED
        }
    }
}

fn libtorch_failure(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no message");
    let first = text
        .split("\\n")
        .next()
        .unwrap_or(text)
        .trim_start_matches("called `Result::unwrap()` on an `Err` value: ")
        .trim_start_matches("Torch(\"");
    if res2lab_libtorch::is_out_of_memory(panic) {
        return Failure {
            status: OUT_OF_MEMORY,
            cause: format!("out of memory: {first}"),
            help: "give --on-oom halve or a smaller batch, or run fewer trials side by side with --slots 1".into(),
        };
    }
    let is_nccl = text.to_ascii_lowercase().contains("nccl");
    let help = if is_nccl {
        "give each process of the trial a GPU of its own (CUDA_VISIBLE_DEVICES)"
    } else {
        "report this with the log of the attempt"
    };
    Failure { status: FAILED, cause: format!("libtorch failed: {first}"), help: help.into() }
}
