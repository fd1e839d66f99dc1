//! From the experiment's `executor` and the command line to jobs of a cluster.

use crate::asked_gpus;
use crate::options::SweepOptions;
use res2lab_error::Error;
use res2lab_experiment::{ExecutorSpec, Experiment, SlurmSpec};
use res2lab_store::{Plan, SweepDir};
use res2lab_sweep::slurm::script::{self, Jobs};
use std::path::PathBuf;

/// Who runs the trials.
pub fn executor(options: &SweepOptions, experiment: &Experiment) -> Result<ExecutorSpec, Error> {
    let of_file = &experiment.executor;
    let chosen =
        options.executor.as_ref().map_or(Ok(of_file.clone()), |text| of_file.changed_by(text))?;
    if let ExecutorSpec::Slurm(slurm) = &chosen {
        slurm.check()?;
    }
    if options.detach && chosen == ExecutorSpec::Local {
        return Err(Error::input(
            "--detach goes with a cluster",
            "give --executor slurm, or leave it out",
        ));
    }
    Ok(chosen)
}

/// Refuses jobs whose GPUs their trials cannot use; returns a note on GPUs that would stay idle.
pub fn check(executor: &ExecutorSpec, plan: &Plan) -> Result<Option<String>, Error> {
    match executor {
        ExecutorSpec::Local => Ok(None),
        ExecutorSpec::Slurm(spec) => {
            asked_gpus::check(spec, plan.devices(), tch::utils::has_cudart())
        }
    }
}

/// What every job of this sweep is like.
pub fn jobs(
    options: &SweepOptions,
    spec: &SlurmSpec,
    plan: &Plan,
    exe: PathBuf,
) -> Result<Jobs, Error> {
    let folder = std::env::current_dir().map_err(|e| {
        Error::machine(
            format!("cannot tell which folder this is: {e}"),
            "go to a folder that exists",
        )
    })?;
    let threads = options.threads.unwrap_or(spec.cpus);
    let mut arguments = vec![
        "--data".to_owned(),
        options.folders.data.display().to_string(),
        format!("--slots={}", spec.slots_per_job),
        format!("--threads={threads}"),
    ];
    arguments.extend((options.halve_on_oom).then(|| "--on-oom=halve".to_owned()));
    arguments.extend(options.trial_minutes.map(|minutes| format!("--trial-minutes={minutes}")));
    Ok(Jobs {
        spec: spec.clone(),
        exe,
        folder,
        name: plan.name.clone(),
        devices: plan.devices(),
        arguments,
    })
}

/// The script of a first submission of the whole plan.
pub fn script(jobs: &Jobs, dir: &SweepDir, plan: &Plan) -> String {
    script::script(jobs, dir, 1, plan.trials.len().div_ceil(jobs.spec.trials_per_job))
}
