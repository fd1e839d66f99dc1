//! Slots: the resources of this machine, divided among trials that run side by side.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// A slot: the resources of one running trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `core 0`, `cores 0-3` or `gpu 1`.
    pub name: String,
    /// Indices of the GPUs that the trial may use.
    pub gpus: Vec<usize>,
    /// The cores that the trial may use; empty for all.
    pub cores: Vec<usize>,
    /// Number of libtorch threads.
    pub threads: usize,
    /// Number of trials that share the slot's GPU.
    pub sharing: usize,
}

/// The cores in this process's affinity mask.
pub fn available_cores() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect()
}

/// Number of cores that this process may use at a time. In a container with a limit this is less
/// than its affinity mask has.
pub fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The request from which slots are derived.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Number of trials in the plan.
    pub trials: usize,
    /// Processes per trial, each on a device of its own.
    pub devices: usize,
    /// Requested number of slots.
    pub slots: Option<usize>,
    /// Requested number of threads per process.
    pub threads: Option<usize>,
    /// Trials that share a GPU.
    pub per_device: usize,
}

/// Slots on the CPU. By default there is one slot per core and process; each process gets its share
/// of the cores as threads.
pub fn cpu_slots(cores: &[usize], demand: Demand) -> Vec<Slot> {
    let Demand { trials, devices, slots: wanted, threads, .. } = demand;
    let each = threads.unwrap_or(1).max(1) * devices;
    let count = wanted.unwrap_or(cores.len() / each).clamp(1, trials.max(1));
    // A single trial may use all cores; several trials get one core each by default.
    let share = (cores.len() / count).max(1);
    (0..count)
        .map(|i| {
            // If there are more slots than cores, all slots share all cores.
            let own: Vec<usize> = cores.iter().copied().skip(i * share).take(share).collect();
            let name = match own[..] {
                [] => format!("slot {i}"),
                [one] => format!("core {one}"),
                [first, .., last] => format!("cores {first}-{last}"),
            };
            let cores = if count * share <= cores.len() { own } else { vec![] };
            Slot {
                name,
                gpus: vec![],
                cores,
                threads: threads.unwrap_or((share / devices).max(1)),
                sharing: 1,
            }
        })
        .collect()
}

/// Slots on GPUs: one per GPU, or per group of GPUs if a trial needs several. Threads are a share
/// of the cores.
pub fn gpu_slots(gpus: usize, cores: usize, demand: Demand) -> Vec<Slot> {
    let devices = demand.devices.max(1);
    let sharing = demand.per_device.max(1);
    let threads = demand.threads.unwrap_or((cores / (gpus.max(1) * sharing)).max(1));
    let most = gpus / devices * sharing;
    let count = demand.slots.map_or(most, |n| n.min(most));
    let slot = |i: usize| {
        // Slots fill all GPUs once before a GPU gets its second trial.
        let place = i % (gpus / devices).max(1);
        let turn = i / (gpus / devices).max(1);
        let gpus: Vec<usize> = (place * devices..(place + 1) * devices).collect();
        let name = match (devices, sharing) {
            (1, 1) => format!("gpu {place}"),
            (1, _) => format!("gpu {place} ({} of {sharing})", turn + 1),
            _ => format!("gpus {}-{}", gpus[0], gpus[devices - 1]),
        };
        Slot { name, gpus, cores: vec![], threads, sharing }
    };
    (0..count.min(demand.trials.max(1))).map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_out_and_never_twice() {
        let names = |slots: &[Slot]| {
            slots.iter().map(|s| format!("{} x{}", s.name, s.threads)).collect::<Vec<_>>()
        };
        let all = Demand { trials: 9, devices: 1, slots: None, threads: None, per_device: 1 };
        assert_eq!(names(&cpu_slots(&[0, 1], all)), ["core 0 x1", "core 1 x1"]);
        assert_eq!(names(&cpu_slots(&[0, 1], Demand { trials: 1, ..all })), ["cores 0-1 x2"]);
        let two = Demand { slots: Some(2), ..all };
        assert_eq!(names(&cpu_slots(&[0, 1, 2, 3], two)), ["cores 0-1 x2", "cores 2-3 x2"]);
        let twice = Demand { threads: Some(2), ..all };
        assert_eq!(names(&cpu_slots(&[0, 1, 2, 3], twice)), ["cores 0-1 x2", "cores 2-3 x2"]);
        // More slots than cores: no process is pinned.
        let three = Demand { slots: Some(3), ..all };
        assert!(cpu_slots(&[0, 1], three).iter().all(|s| s.cores.is_empty() && s.threads == 1));
        assert_eq!(names(&gpu_slots(2, 16, all)), ["gpu 0 x8", "gpu 1 x8"]);
        // Trials of two processes.
        let pairs = Demand { devices: 2, ..all };
        assert_eq!(names(&cpu_slots(&[0, 1, 2, 3], pairs)), ["cores 0-1 x1", "cores 2-3 x1"]);
        assert_eq!(names(&cpu_slots(&[0], pairs)), ["core 0 x1"]);
        assert_eq!(names(&gpu_slots(5, 20, pairs)), ["gpus 0-1 x4", "gpus 2-3 x4"]);
        // Two trials on each GPU.
        let shared = gpu_slots(2, 16, Demand { per_device: 2, ..all });
        assert_eq!(
            names(&shared),
            ["gpu 0 (1 of 2) x4", "gpu 1 (1 of 2) x4", "gpu 0 (2 of 2) x4", "gpu 1 (2 of 2) x4"]
        );
    }
}
