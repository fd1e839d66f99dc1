//! `res2lab trial SWEEP ID`: one trial in a process of its own. What every executor starts.
//!
//! Exit status: 0 done (or already done), 2 bad spec or data, 3 diverged, 4 out of memory, 75
//! stopped with a checkpoint (or another process is training it), 1 anything else. A trial on
//! several devices starts one such process for each.

use crate::args::TrialArgs;
use crate::failure::{self, DIVERGED, LEFT};
use crate::{print, ranks};
use nix::sys::resource::{Resource, setrlimit};
use res2lab_error::{Error, Kind};
use res2lab_lab::trial as lab;
use res2lab_store::{Halved, Plan, PlannedTrial, Progress, RunDir, SweepDir, atomic, disk};
use res2lab_train::{Ended, TrialOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::flag::register_conditional_default;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Progress is told to the runner no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Trains the trial, or goes on from its last checkpoint.
pub(crate) fn run(args: &TrialArgs) -> Result<u8, Error> {
    let dir = SweepDir::new(&args.sweep);
    let plan = Plan::read(&dir)?;
    let trial = find(&plan, args)?;
    let run = dir.run(&trial.id);
    run.create(&trial.spec)?;
    ranks::follow_parent();
    let devices = trial.spec.train.devices_per_trial;
    let member = ranks::member(devices)?;
    let mut options = options(args, trial, &run, member.is_some())?;
    options.member = member;
    if devices > 1 && options.member.is_none() {
        return ranks::run(devices, &options.stop);
    }
    options.pictures.extend(
        res2lab_lab::rf::picture::picture(trial)
            .map(|picture| ("receptive_field".to_owned(), picture)),
    );
    let mut trial = trial.clone();
    if let Some(Halved { factor }) = atomic::read_json(&run.halved())? {
        trial.spec.train.accumulate *= factor;
        let accumulate = trial.spec.train.accumulate;
        options.changed = format!("accumulate {accumulate} after running out of memory");
    }
    res2lab_libtorch::keep_memory();
    let ended = lab::guarded(|| res2lab_train::run(&trial, &run, &options, &mut tell(&run)));
    let ended = ended.map_err(|failure| with_fitting_batch(failure, &trial, &options))?;
    // Only the first of several processes writes. A trial that was preempted has no result yet.
    if options.member.as_ref().is_none_or(|member| member.rank == 0) {
        disk::remove(&disk::unneeded(&run, plan.keep)?)?;
    }
    Ok(status(ended))
}

/// A trial that ran out of memory tells how many images would have fitted: what that failed is free
/// again by now.
fn with_fitting_batch(mut failure: Error, trial: &PlannedTrial, options: &TrialOptions) -> Error {
    // Others of several processes still hold theirs, or wait for this one.
    if failure.kind != Kind::OutOfMemory || options.member.is_some() {
        return failure;
    }
    let train = &trial.spec.train;
    let part = train.batch_size / train.accumulate;
    let halves = std::iter::successors(Some(part / 2), |&n| Some(n / 2)).take_while(|&n| n > 0);
    let fits = |&n: &usize| {
        res2lab_libtorch::return_memory();
        lab::guarded(|| res2lab_train::fit::step(trial, options, n)).is_ok()
    };
    let what = match halves.into_iter().find(fits) {
        Some(n) => format!("out of memory with {part} images at a time; {n} would fit"),
        None => "out of memory, and not even one image would fit".to_owned(),
    };
    failure.cause = format!("{what} ({})", failure.cause);
    failure
}

fn find<'a>(plan: &'a Plan, args: &TrialArgs) -> Result<&'a PlannedTrial, Error> {
    let found = match (&args.id, args.index) {
        (Some(id), _) => plan.trials.iter().chain(&plan.earlier).find(|t| t.id == *id),
        (None, index) => plan.trials.get(index.unwrap_or(0)),
    };
    found.ok_or_else(|| {
        let which =
            args.id.clone().unwrap_or_else(|| format!("number {}", args.index.unwrap_or(0)));
        let help = "see the ids in plan.json";
        Error::input(format!("the sweep in {} has no trial {which}", args.sweep.display()), help)
    })
}

fn options(
    args: &TrialArgs,
    trial: &PlannedTrial,
    run: &RunDir,
    is_member: bool,
) -> Result<TrialOptions, Error> {
    let options = lab::options(&args.folders.data)?;
    if is_member {
        // libtorch aborts a process that waits for another one too long; its memory is of no use.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    }
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR2] {
        // While a process waits for the others of its trial it looks at no flag.
        if is_member {
            register_conditional_default(signal, Arc::clone(&options.is_starting))
                .map_err(failure::no_signals)?;
        }
        signal_hook::flag::register(signal, Arc::clone(&options.stop))
            .map_err(failure::no_signals)?;
    }
    let weights = res2lab_lab::request::weights(&trial.spec, &args.folders.data)?;
    let earlier_s = Progress::read(run).map_or(0.0, |told| told.wall_s);
    Ok(TrialOptions { weights, earlier_s, ..options })
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
        let _ = p.write(&run);
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
        Ended::Preempted => LEFT,
        Ended::Busy(process) => {
            print::told(&format!("error: process {process} is training this trial"));
            print::told("help: wait for it, or stop it");
            LEFT
        }
    }
}
