//! What launchers of parallel programs leave in the environment.

use std::process::Command;

/// Variables by which torchrun, srun and this program tell a process its place among others.
const VARIABLES: [&str; 12] = [
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "RES2LAB_RANKS",
    "RES2LAB_NODES",
    "RES2LAB_NODE",
    "RES2LAB_OPEN_PORT",
];

/// A trial that a runner starts has no such place, whatever the runner's own environment says.
pub(crate) fn forget(command: &mut Command) {
    for name in VARIABLES {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_passed_on() {
        let mut command = Command::new("res2lab");
        command.env("RANK", "3").env("HOME", "/home/me");
        forget(&mut command);
        let kept = command.get_envs().filter(|(_, value)| value.is_some()).count();
        assert_eq!((kept, command.get_envs().count()), (1, VARIABLES.len() + 1));
    }
}
