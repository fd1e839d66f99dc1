//! From the experiment's `executor` and the command line to jobs of a cluster.

use crate::args::{OnOom, SweepArgs};
use crate::failure::Failure;
use res2lab_experiment::{ExecutorSpec, Experiment, SlurmSpec};
use res2lab_store::{Plan, SweepDir};
use res2lab_sweep::slurm::script::{self, Jobs};

/// Who runs the trials.
pub(crate) fn executor(args: &SweepArgs, experiment: &Experiment) -> Result<ExecutorSpec, Failure> {
    let of_file = &experiment.executor;
    let chosen =
        args.executor.as_ref().map_or(Ok(of_file.clone()), |text| of_file.changed_by(text))?;
    if let ExecutorSpec::Slurm(slurm) = &chosen {
        slurm.check()?;
    }
    if args.detach && chosen == ExecutorSpec::Local {
        return Err(Failure::input(
            "--detach goes with a cluster",
            "give --executor slurm, or leave it out",
        ));
    }
    Ok(chosen)
}

/// What every job of this sweep is like.
pub(crate) fn jobs(args: &SweepArgs, spec: &SlurmSpec, plan: &Plan) -> Result<Jobs, Failure> {
    let folder = std::env::current_dir().map_err(|e| {
        Failure::machine(
            format!("cannot tell which folder this is: {e}"),
            "go to a folder that exists",
        )
    })?;
    let threads = args.threads.unwrap_or(spec.cpus);
    let mut arguments = vec![
        "--data".to_owned(),
        args.folders.data.display().to_string(),
        format!("--slots={}", spec.slots_per_job),
        format!("--threads={threads}"),
    ];
    arguments.extend((args.on_oom == OnOom::Halve).then(|| "--on-oom=halve".to_owned()));
    arguments.extend(args.trial_minutes.map(|minutes| format!("--trial-minutes={minutes}")));
    Ok(Jobs {
        spec: spec.clone(),
        exe: crate::own_exe()?,
        folder,
        name: plan.name.clone(),
        devices: plan.devices(),
        arguments,
    })
}

/// The script of a first submission of the whole plan.
pub(crate) fn script(jobs: &Jobs, dir: &SweepDir, plan: &Plan) -> String {
    script::script(jobs, dir, 1, plan.trials.len().div_ceil(jobs.spec.trials_per_job))
}
