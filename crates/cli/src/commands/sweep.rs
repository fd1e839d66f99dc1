//! `res2lab sweep`: plan, train, tabulate, report.

use crate::args::{OnOom, SweepArgs};
use crate::commands::{plan, report as report_command};
use crate::failure::{FAILED, Failure};
use crate::progress::Watcher;
use crate::request::{Purpose, Request, request};
use crate::{cluster, price, print};
use res2lab_experiment::ExecutorSpec;
use res2lab_store::{Lock, Outcome, Plan, SweepDir, TrialResult, atomic};
use res2lab_sweep::{Demand, Executor, Finish, Local, Options, RetryPolicy, Slot, Slurm, local};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Running trials have this long to write a checkpoint after Ctrl-C.
const GRACE: Duration = Duration::from_secs(60);
/// The first retry of a trial waits so long, seconds.
const BACK_OFF_S: f64 = 5.0;

/// Runs what is not done yet. Exit status 0 only if every trial is done.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Failure> {
    let mut request = request(args, Purpose::Train)?;
    let executor = cluster::executor(args, &request.experiment)?;
    let slots = if executor == ExecutorSpec::Local { slots(args, &request.plan)? } else { vec![] };
    if executor == ExecutorSpec::Local {
        // What `plan` timed before; timing now would only delay the start.
        price::add(&mut request.plan, &slots, &args.folders.data, false)?;
    }
    atomic::create_dir(&request.dir.runs())?;
    // Before anything is written: another runner's plan must not change under it.
    let held = res2lab_sweep::hold(&request.dir)?;
    let (plan, dir) = write_plan(request)?;
    if args.smoke {
        crate::smoke::write_weights(&plan)?;
    }
    if !args.json {
        plan::show(&plan, &slots);
        if let Some(first) = slots.first() {
            let names: Vec<_> = slots.iter().map(|s| s.name.as_str()).collect();
            print::line(&format!(
                "running on {} ({} each)",
                names.join(", "),
                plan::count(first.threads, "thread")
            ));
        }
    }
    set_damaged_aside(&plan, &dir)?;
    if args.retry_failed {
        forget_diverged(&plan, &dir)?;
    }
    let mut finish = train(args, &held, &plan, &dir, (&executor, &slots))?;
    if args.detach {
        print::line("submitted; the same command without --detach follows and collects");
        return Ok(0);
    }
    let mut plan = plan;
    // By the rule the first stage decides alone, so this ends after one more round, unless trials
    // failed.
    while let Some(more) = with_more_seeds(&plan, &dir)?.filter(|_| finish.left == 0) {
        let added = more.trials.len() - plan.trials.len();
        if !args.json {
            print::line(&format!("{} more by the rule for seeds", plan::count(added, "trial")));
        }
        plan = more.write(&dir)?;
        finish = train(args, &held, &plan, &dir, (&executor, &slots))?;
    }
    let summary = report_command::conclude(&dir)?;
    if args.json {
        print::json(&summary);
    } else {
        report_command::show(&summary);
        print::line(&format!("report: {}", dir.page().display()));
    }
    judge(&finish, &dir, args.json)
}

/// The plan with the seeds that its rule asks for; None if it has them all.
fn with_more_seeds(plan: &Plan, dir: &SweepDir) -> Result<Option<Plan>, Failure> {
    if plan.seed_rule.is_none() {
        return Ok(None);
    }
    let wanted = res2lab_report::seeds::wanted(&res2lab_store::rows::read(dir, false)?);
    let mut trials = plan.trials.clone();
    let known: BTreeSet<String> = trials.iter().map(|t| t.id.clone()).collect();
    for first in plan.trials.iter().filter(|t| t.spec.seed == 0) {
        let count = wanted.get(&first.arm).copied().unwrap_or(0) as u64;
        let more = (0..count).map(|seed| res2lab_sweep::plan::with_seed(first, seed));
        trials.extend(more.filter(|trial| !known.contains(&trial.id)));
    }
    // Seed by seed, as all plans are.
    trials.sort_by_key(|trial| trial.spec.seed);
    Ok((trials.len() > plan.trials.len()).then(|| Plan { trials, ..plan.clone() }))
}

/// A result that cannot be read is moved aside, so that its trial counts as not done: it goes on
/// from its last checkpoint.
fn set_damaged_aside(plan: &Plan, dir: &SweepDir) -> Result<(), Failure> {
    for trial in &plan.trials {
        let path = dir.run(&trial.id).result();
        if let Err(e) = atomic::read_json::<TrialResult>(&path) {
            let aside = path.with_extension("json.damaged");
            std::fs::rename(&path, &aside)
                .map_err(|e| res2lab_store::StoreError::io("rename", &path, &e))?;
            let moved =
                format!("moved to {}; the trial goes on from its last checkpoint", aside.display());
            print::told(&format!("warning: {}; {moved}", e.cause));
        }
    }
    Ok(())
}

/// Diverged trials lose their results and checkpoints, so that they start again.
fn forget_diverged(plan: &Plan, dir: &SweepDir) -> Result<(), Failure> {
    for trial in &plan.trials {
        let run = dir.run(&trial.id);
        let result: Option<TrialResult> = atomic::read_json(&run.result())?;
        if result.is_some_and(|r| r.status == Outcome::Diverged) {
            let on_the_way = run.kept_epochs().into_iter().map(|epoch| run.epoch_weights(epoch));
            for path in [run.last_checkpoint(), run.best_weights(), run.result()]
                .into_iter()
                .chain(on_the_way)
            {
                if path.exists() {
                    std::fs::remove_file(&path)
                        .map_err(|e| res2lab_store::StoreError::io("remove", &path, &e))?;
                }
            }
        }
    }
    Ok(())
}

/// plan.json and sweep.yaml.
pub(crate) fn write_plan(request: Request) -> Result<(Plan, SweepDir), Failure> {
    let Request { experiment, plan, dir } = request;
    let plan = plan.write(&dir)?;
    let text = serde_yaml::to_string(&experiment).unwrap_or_default();
    let text = format!("# {}\n{text}", plan.command);
    atomic::write(&dir.sweep_yaml(), text.as_bytes())?;
    Ok((plan, dir))
}

/// Where trials run, as the flags say.
pub(crate) fn slots(args: &SweepArgs, plan: &Plan) -> Result<Vec<Slot>, Failure> {
    slots_for(args, plan.trials.len(), plan.devices())
}

/// The same for a plan that is not made yet.
pub(crate) fn slots_for(
    args: &SweepArgs,
    trials: usize,
    devices: usize,
) -> Result<Vec<Slot>, Failure> {
    let cores = local::available_cores();
    let demand = Demand {
        trials,
        devices,
        slots: args.slots,
        threads: args.threads,
        per_device: args.per_device,
    };
    if args.trial_minutes.is_some_and(|m| !(m.is_finite() && m > 0.0)) {
        return Err(Failure::input(
            "--trial-minutes is impossible",
            "give minutes, e.g. --trial-minutes 90",
        ));
    }
    let gpus = tch::Cuda::device_count().max(0) as usize;
    for (flag, value) in [("--slots", args.slots), ("--threads", args.threads)] {
        if value.is_some_and(|n| n == 0 || n > 4096) {
            return Err(Failure::input(
                format!("{flag} {} is impossible", value.unwrap_or(0)),
                "give at least 1",
            ));
        }
    }
    let on_gpu = match args.device.as_str() {
        "cpu" => false,
        "cuda" if gpus == 0 => {
            return Err(Failure::input(
                "libtorch finds no GPU",
                "use --device cpu, or see what `just env` says",
            ));
        }
        "cuda" => true,
        "auto" => gpus > 0,
        other => {
            return Err(Failure::input(
                format!("no device is called {other}"),
                "use auto, cpu or cuda",
            ));
        }
    };
    if args.per_device == 0 || args.per_device > 64 || (args.per_device > 1 && devices > 1) {
        return Err(Failure::input(
            format!("--per-device {} is impossible here", args.per_device),
            "give at least 1; trials on several devices share none",
        ));
    }
    if on_gpu && devices > gpus {
        return Err(Failure::input(
            format!("devices_per_trial {devices} is more than the GPUs here ({gpus})"),
            "give fewer, or --device cpu",
        ));
    }
    Ok(if on_gpu {
        local::gpu_slots(gpus, cores.len(), demand)
    } else {
        local::cpu_slots(&cores, demand)
    })
}

fn train(
    args: &SweepArgs,
    held: &Lock,
    plan: &Plan,
    dir: &SweepDir,
    (executor, slots): (&ExecutorSpec, &[Slot]),
) -> Result<Finish, Failure> {
    let exe = crate::own_exe()?;
    let stop = Arc::new(AtomicUsize::new(0));
    crate::signals::count(&stop)?;
    let data = ["--data".to_owned(), args.folders.data.display().to_string()];
    let is_local = *executor == ExecutorSpec::Local;
    let mut executor: Box<dyn Executor> = match executor {
        ExecutorSpec::Local => {
            Box::new(Local::new(exe, dir.clone(), data.to_vec(), slots.to_vec()))
        }
        ExecutorSpec::Slurm(spec) => {
            let slurm =
                Slurm::new(dir.clone(), cluster::jobs(args, spec, plan)?, plan.trials.len())?;
            Box::new(if args.detach { slurm.leaving(&stop) } else { slurm })
        }
    };
    let retry_policy = RetryPolicy { retries: args.retries, back_off_s: BACK_OFF_S };
    // A cluster's jobs keep their own time: waiting in a queue does not count.
    let minutes = args.trial_minutes.filter(|_| is_local).unwrap_or(0.0);
    let trial_limit = Duration::from_secs_f64(60.0 * minutes);
    let halve_on_oom = args.on_oom == OnOom::Halve;
    let options = Options {
        stop: &stop,
        fail_fast: args.fail_fast,
        retry_policy,
        halve_on_oom,
        trial_limit,
        grace: GRACE,
        journal: dir.journal(),
    };
    let mut watcher = Watcher::new(plan, dir, is_local);
    let finish = res2lab_sweep::run(held, dir, plan, &mut *executor, &options, &mut |snapshot| {
        watcher.look(snapshot)
    })?;
    watcher.end();
    Ok(finish)
}

fn judge(finish: &Finish, dir: &SweepDir, is_quiet: bool) -> Result<u8, Failure> {
    // Trials that the rule stopped early are as the user wanted it.
    let Finish { done, diverged, failed, left, .. } = *finish;
    if failed + diverged + left == 0 {
        return Ok(0);
    }
    let mut parts = vec![format!("{done} done")];
    for (count, what) in [(failed, "failed"), (diverged, "diverged"), (left, "not finished")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let help = if failed + left > 0 {
        "the same command goes on with what is not done; reasons are in the report and in each run's console.txt"
    } else {
        "lower the learning rate of the arms that diverged; the report names them"
    };
    if is_quiet {
        return Ok(FAILED);
    }
    Err(Failure {
        status: FAILED,
        cause: format!("{} in {}", parts.join(", "), dir.path().display()),
        help: help.into(),
    })
}
