//! The place of this process among those of its trial, as torchrun or srun tell it: which GPU is
//! its own, and how many processes share this machine.

use res2lab_error::Error;
use tch::Device;

/// What a launcher says about a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index of its GPU among those that it sees; none if it sees only its own.
    gpu: Option<usize>,
    /// Processes of the trial on this machine.
    pub(crate) processes: usize,
}

/// Reads the place from the variables of the environment.
pub(crate) fn place(variable: &dyn Fn(&str) -> Option<String>) -> Result<Place, Error> {
    let number = |name: &str| -> Result<Option<usize>, Error> {
        let Some(text) = variable(name) else { return Ok(None) };
        let help = format!("start it with torchrun or srun, or unset {name}");
        text.parse().map(Some).map_err(|_| Error::input(format!("{name} is \"{text}\""), help))
    };
    if variable("RES2LAB_RANKS").is_some_and(|by| by == "srun") {
        let tasks = variable("SLURM_STEP_TASKS_PER_NODE").unwrap_or_default();
        let node = number("SLURM_NODEID")?.unwrap_or(0);
        // Where tasks are bound, srun shows each its own GPUs only.
        let is_bound = variable("SLURM_GPU_BIND")
            .map_or_else(|| variable("SLURM_GPUS_PER_TASK").is_some(), |how| how != "none");
        let gpu = if is_bound { None } else { number("SLURM_LOCALID")? };
        return Ok(Place { gpu, processes: tasks_on_node(&tasks, node).unwrap_or(1).max(1) });
    }
    // Whoever sets the ranks of processes on one machine by hand need not say how many are there.
    let is_here = variable("MASTER_ADDR").is_none_or(|host| host == "127.0.0.1");
    let by_hand = variable("RANK").is_some() && is_here;
    let world = if by_hand { number("WORLD_SIZE")? } else { None };
    let processes = number("LOCAL_WORLD_SIZE")?.or(world).unwrap_or(1).max(1);
    Ok(Place { gpu: number("LOCAL_RANK")?, processes })
}

/// The number for one node in SLURM's notation: `2(x3),1` is 2 on each of three nodes and 1 on the
/// next.
fn tasks_on_node(list: &str, node: usize) -> Option<usize> {
    let mut before = 0;
    for group in list.split(',') {
        let (tasks, nodes) = group.split_once("(x").unwrap_or((group, "1"));
        before += nodes.trim_end_matches(')').parse::<usize>().ok()?;
        if node < before {
            return tasks.parse().ok();
        }
    }
    None
}

/// The device of the process, which sees `found` GPUs. `is_cuda` refuses the CPU: a pod that got a
/// GPU would otherwise train there unseen.
pub(crate) fn device(place: &Place, found: usize, is_cuda: bool) -> Result<Device, Error> {
    match place.gpu {
        _ if found == 0 && is_cuda => Err(Error::machine(
            "this trial is to run on a GPU (RES2LAB_DEVICE), and libtorch finds none",
            "see what `res2lab env` says there; a build for GPUs needs RES2LAB_CUDA=1 just setup",
        )),
        _ if found == 0 => Ok(Device::Cpu),
        Some(gpu) if gpu >= found => Err(Error::input(
            format!("process {gpu} on this machine has no GPU of its own: {found} can be seen"),
            "start no more processes than GPUs, or let them see more (CUDA_VISIBLE_DEVICES)",
        )),
        gpu => Ok(Device::Cuda(gpu.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_in(variables: &[(&str, &str)]) -> Result<Place, Error> {
        place(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn torchrun_and_srun_say_which_gpu_and_how_many_processes() {
        let read = |variables: &[(&str, &str)]| {
            let place = place_in(variables).unwrap();
            (place.gpu, place.processes)
        };
        assert_eq!(read(&[]), (None, 1));
        assert_eq!(read(&[("LOCAL_RANK", "3"), ("LOCAL_WORLD_SIZE", "4")]), (Some(3), 4));
        assert_eq!(read(&[("RANK", "1"), ("WORLD_SIZE", "2")]), (None, 2));
        let away = [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "n1")];
        assert_eq!(read(&away), (None, 1));
        let srun = [
            ("RES2LAB_RANKS", "srun"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_NODEID", "2"),
            ("SLURM_STEP_TASKS_PER_NODE", "4(x2),2"),
        ];
        assert_eq!(read(&srun), (Some(1), 2));
        let bound = [&srun[..], &[("SLURM_GPUS_PER_TASK", "1")]].concat();
        assert_eq!(read(&bound), (None, 2));
        let unbound = [&bound[..], &[("SLURM_GPU_BIND", "none")]].concat();
        assert_eq!(read(&unbound), (Some(1), 2));
        let e = place_in(&[("LOCAL_RANK", "first")]).unwrap_err();
        assert_eq!(e.cause, "LOCAL_RANK is \"first\"");
    }

    #[test]
    fn tasks_are_counted_per_node() {
        assert_eq!(tasks_on_node("2(x3),1", 2), Some(2));
        assert_eq!(tasks_on_node("2(x3),1", 3), Some(1));
        assert_eq!(tasks_on_node("8", 0), Some(8));
        assert_eq!(tasks_on_node("8", 1), None);
        assert_eq!(tasks_on_node("", 0), None);
    }

    #[test]
    fn a_process_without_a_gpu_of_its_own_is_refused() {
        let at = |gpu| Place { gpu, processes: 1 };
        assert_eq!(device(&at(None), 0, false).unwrap(), Device::Cpu);
        assert_eq!(device(&at(Some(3)), 0, false).unwrap(), Device::Cpu);
        assert_eq!(device(&at(None), 2, true).unwrap(), Device::Cuda(0));
        assert_eq!(device(&at(Some(1)), 2, false).unwrap(), Device::Cuda(1));
        assert!(device(&at(Some(2)), 2, false).is_err());
        assert!(device(&at(None), 0, true).is_err());
    }
}
