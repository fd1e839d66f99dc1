//! The slots of this machine in which trials run.

use crate::gpus;
use crate::options::SweepOptions;
use res2lab_error::Error;
use res2lab_experiment::Switch;
use res2lab_store::Plan;
use res2lab_sweep::{Demand, Slot, numa, slots};

/// Where trials run, as the flags say.
pub fn of_plan(options: &SweepOptions, plan: &Plan) -> Result<Vec<Slot>, Error> {
    of_trials(options, plan.trials.len(), plan.devices())
}

/// The same for a plan that is not made yet.
pub fn of_trials(
    options: &SweepOptions,
    trials: usize,
    devices: usize,
) -> Result<Vec<Slot>, Error> {
    let cores = slots::available_cores();
    let demand = Demand {
        trials,
        devices,
        slots: options.slots,
        threads: options.threads,
        per_device: options.per_device,
    };
    if options.trial_minutes.is_some_and(|m| !(m.is_finite() && m > 0.0)) {
        return Err(Error::input(
            "--trial-minutes is impossible",
            "give minutes, e.g. --trial-minutes 90",
        ));
    }
    let gpus = gpus::count();
    for (flag, value) in [("--slots", options.slots), ("--threads", options.threads)] {
        if value.is_some_and(|n| n == 0 || n > 4096) {
            return Err(Error::input(
                format!("{flag} {} is impossible", value.unwrap_or(0)),
                "give at least 1",
            ));
        }
    }
    let on_gpu = gpus::is_wanted(&options.device)?;
    if options.per_device == 0 || options.per_device > 64 || (options.per_device > 1 && devices > 1)
    {
        return Err(Error::input(
            format!("--per-device {} is impossible here", options.per_device),
            "give at least 1; trials on several devices share none",
        ));
    }
    if on_gpu && options.per_device > 1 {
        check_sharing()?;
    } else if options.mps == Switch::Always {
        return Err(Error::input(
            "--mps on does nothing here: no trials share a GPU",
            "give --per-device 2 or more on a machine with a GPU, or leave --mps out",
        ));
    }
    if on_gpu && devices > gpus {
        return Err(Error::input(
            format!("devices_per_trial {devices} is more than the GPUs here ({gpus})"),
            "give fewer, or --device cpu",
        ));
    }
    if on_gpu && devices > 1 && res2lab_sweep::gpus::named().iter().any(|n| n.starts_with("MIG-")) {
        return Err(Error::input(
            "MIG instances cannot exchange gradients (NCCL does not support it)",
            "set devices_per_trial=1, or use whole GPUs",
        ));
    }
    Ok(if on_gpu {
        let near = |gpu: &usize| numa::cores_of(&res2lab_sweep::gpus::name(*gpu));
        let with_cores =
            |slot: Slot| Slot { cores: slot.gpus.iter().flat_map(near).collect(), ..slot };
        slots::gpu_slots(gpus, cores.len(), demand).into_iter().map(with_cores).collect()
    } else {
        slots::cpu_slots(&cores, demand)
    })
}

/// Refuses to let trials share GPUs that admit one process at a time.
pub fn check_sharing() -> Result<(), Error> {
    let Some((gpu, mode)) = res2lab_sweep::gpus::exclusive() else { return Ok(()) };
    Err(Error::input(
        format!("trials cannot share GPU {gpu}: its compute mode is {mode}"),
        "leave --per-device out, or set the mode as root: nvidia-smi --compute-mode=DEFAULT",
    ))
}

/// What a cluster has given to a job, and what the job is to do with it.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// GPUs of this node.
    pub gpus: usize,
    pub nodes: usize,
    pub trials: usize,
    /// Processes per trial.
    pub devices: usize,
    /// Trials that are to run side by side.
    pub slots: usize,
    /// Threads of each process.
    pub threads: usize,
}

/// Where the trials of a cluster's job run, and a note on what stays idle. The cluster has given
/// the job its cores, so nothing is pinned.
pub fn of_job(job: Job) -> Result<(Vec<Slot>, Option<String>), Error> {
    let Job { gpus, nodes, trials, devices, threads, .. } = job;
    let count = job.slots.clamp(1, trials.max(1));
    // On several nodes the launcher shows each process the GPUs of its node.
    if gpus == 0 || nodes > 1 {
        if gpus > 0 && count > 1 {
            return Err(Error::input(
                format!("{count} trials side by side would use the same GPUs of {nodes} nodes"),
                "set executor.slurm.slots_per_job: 1, or nodes: 1",
            ));
        }
        let name = |i: usize| format!("slot {i}");
        let slot =
            |i: usize| Slot { name: name(i), gpus: vec![], cores: vec![], threads, sharing: 1 };
        return Ok(((0..count).map(slot).collect(), None));
    }
    if devices > gpus {
        return Err(Error::input(
            format!("a trial needs {devices} GPUs, and its job has {gpus}"),
            format!("set executor.slurm.gres: gpu:{devices}, or a smaller devices_per_trial"),
        ));
    }
    let per_device = if devices == 1 { count.div_ceil(gpus) } else { 1 };
    let demand = Demand { trials, devices, slots: Some(count), threads: Some(threads), per_device };
    let slots = slots::gpu_slots(gpus, 0, demand);
    let used = (slots.len() * devices).min(gpus);
    let note = (used < gpus).then(|| {
        format!(
            "{} of the {gpus} GPUs of this job stay idle; ask for fewer (gres), or set \
             trials_per_job and slots_per_job to {}",
            gpus - used,
            gpus / devices
        )
    });
    Ok((slots, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Job = Job { gpus: 8, nodes: 1, trials: 100, devices: 1, slots: 1, threads: 4 };

    #[test]
    fn trials_of_a_job_get_gpus_of_their_own() {
        let gpus = |job: Job| {
            let (slots, note) = of_job(job).unwrap();
            let gpus = slots.into_iter().map(|slot| (slot.gpus, slot.sharing));
            (gpus.collect::<Vec<_>>(), note)
        };
        let (one, note) = gpus(JOB);
        assert_eq!(one, [(vec![0], 1)]);
        assert!(note.is_some_and(|note| note.starts_with("7 of the 8 GPUs")));
        assert_eq!(gpus(Job { devices: 8, ..JOB }), (vec![((0..8).collect(), 1)], None));
        // More trials than GPUs share them, each with its part of the memory.
        let (shared, note) = gpus(Job { gpus: 2, slots: 4, ..JOB });
        assert_eq!(shared, [(vec![0], 2), (vec![1], 2), (vec![0], 2), (vec![1], 2)]);
        assert_eq!(note, None);
        // Of two trials on several GPUs each, as many run as the job has GPUs for.
        let (pairs, note) = gpus(Job { gpus: 5, devices: 2, slots: 3, ..JOB });
        assert_eq!(pairs, [(vec![0, 1], 1), (vec![2, 3], 1)]);
        assert!(note.is_some());
        let none: Vec<usize> = vec![];
        assert_eq!(
            gpus(Job { gpus: 0, slots: 2, ..JOB }).0,
            [(none.clone(), 1), (none.clone(), 1)]
        );
        assert_eq!(gpus(Job { nodes: 2, devices: 16, ..JOB }).0, [(none, 1)]);
    }

    #[test]
    fn a_job_without_enough_gpus_is_refused() {
        assert!(of_job(Job { gpus: 2, devices: 4, ..JOB }).is_err());
        assert!(of_job(Job { nodes: 2, devices: 16, slots: 2, ..JOB }).is_err());
    }
}
