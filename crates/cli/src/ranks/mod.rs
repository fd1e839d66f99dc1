//! The processes of a trial on several devices. `res2lab trial` starts them itself, one per device,
//! unless torchrun or srun has: then RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say who this
//! process is.

mod part;

use crate::failure::FAILED;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use part::Part;
use res2lab_error::Error;
use res2lab_libtorch::Member;
use res2lab_libtorch::group::OPEN_PORT;
use res2lab_sweep::{local, numa, slots};
use std::env;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After one process failed the others end by themselves, or are ended after so long.
const GRACE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who this process is among those of a trial on `devices` devices; None if nobody has said.
pub(crate) fn member(devices: usize) -> Result<Option<Member>, Error> {
    let by_srun = env::var("RES2LAB_RANKS").is_ok_and(|by| by == "srun");
    if devices == 1 || (env::var("RANK").is_err() && !by_srun) {
        return Ok(None);
    }
    let number = |name: &str| -> Result<usize, Error> {
        let text = env::var(name).unwrap_or_default();
        let help = "start it with torchrun, or unset RANK";
        text.parse().map_err(|_| Error::input(format!("{name} is \"{text}\""), help))
    };
    // A worker on several nodes starts the processes with srun, whose first one runs where srun was
    // called.
    let [rank, world, host] = if by_srun {
        ["SLURM_PROCID", "SLURM_NTASKS", "SLURM_LAUNCH_NODE_IPADDR"]
    } else {
        ["RANK", "WORLD_SIZE", "MASTER_ADDR"]
    };
    let member = Member {
        rank: number(rank)?,
        world: number(world)?,
        host: env::var(host).unwrap_or_else(|_| "127.0.0.1".into()),
        port: number("MASTER_PORT")? as u16,
    };
    if member.world != devices || member.rank >= devices {
        return Err(Error::input(
            format!(
                "this is process {} of {}, and the trial wants {devices}",
                member.rank, member.world
            ),
            format!("start {devices}, or leave that to the trial: unset RANK"),
        ));
    }
    Ok(Some(member))
}

/// Asks the kernel to end this process when its parent ends, if whoever started it wants that.
pub(crate) fn follow_parent() {
    let signal = match env::var(local::DIE_WITH_PARENT).as_deref() {
        Ok("TERM") => Signal::SIGTERM,
        Ok("KILL") => Signal::SIGKILL,
        _ => return,
    };
    // Where the kernel refuses, the process only lives on, as all others do.
    let _ = nix::sys::prctl::set_pdeathsig(signal);
}

/// Runs this very command once per device of this machine and waits for all. The exit status is
/// that of the process that failed first.
pub(crate) fn run(devices: usize, stop: &AtomicBool) -> Result<u8, Error> {
    let mut part = part::part(devices)?;
    let found = tch::Cuda::device_count().max(0) as usize;
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    let gpus = part::gpus(part.count, found, visible.as_deref())?;
    let mut children = Vec::new();
    for place in 0..part.count {
        // Rank 0 is the first that starts, and the only one that opens the port.
        let listener = part.listener.take();
        let child = start(place, &part, listener, gpus.get(place)).map_err(|e| {
            Error::machine(
                format!("cannot start a process of the trial: {e}"),
                "see what else runs on this machine",
            )
        });
        if child.is_err() {
            end(&mut children);
        }
        children.push((part.first + place, child?));
    }
    wait(children, stop)
}

/// Starts the process of this place among those of this machine.
fn start(
    place: usize,
    part: &Part,
    listener: Option<TcpListener>,
    gpu: Option<&String>,
) -> std::io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1));
    command.env("RANK", (part.first + place).to_string());
    command.env("WORLD_SIZE", part.world.to_string());
    command.env("MASTER_ADDR", &part.host).env("MASTER_PORT", part.port.to_string());
    command.env(local::DIE_WITH_PARENT, "KILL");
    // As inetd does it: standard input is the open port.
    if let Some(listener) = listener {
        command.env(OPEN_PORT, "0").stdin(Stdio::from(OwnedFd::from(listener)));
    }
    if let Some(gpu) = gpu {
        command.env("CUDA_VISIBLE_DEVICES", gpu).env_remove("LOCAL_RANK");
    }
    let usable = slots::usable_cores();
    if env::var("RES2LAB_THREADS").is_err() {
        command.env("RES2LAB_THREADS", (usable / part.count).max(1).to_string());
    }
    // In the launcher's process group, so that whoever ends that ends all.
    let child = command.process_group(nix::unistd::getpgrp().as_raw()).spawn()?;
    let near = gpu.map(|name| numa::cores_of(name)).unwrap_or_default();
    if !near.is_empty() {
        local::pin(&child, &near);
        return Ok(child);
    }
    let cores = slots::available_cores();
    let share = cores.len() / part.count;
    // A container that may use some of the cores at a time shares all of them with others.
    if share > 0 && usable == cores.len() {
        local::pin(&child, &cores[place * share..(place + 1) * share]);
    }
    Ok(child)
}

/// Passes the wish to stop on, and ends the others soon after one failed.
fn wait(mut running: Vec<(usize, Child)>, stop: &AtomicBool) -> Result<u8, Error> {
    let mut told = false;
    let mut failures: Vec<(usize, ExitStatus)> = Vec::new();
    let mut first_failure: Option<Instant> = None;
    while !running.is_empty() {
        std::thread::sleep(LOOK_EVERY);
        if stop.load(Ordering::Relaxed) && !told {
            told = true;
            for (_, child) in &running {
                // One that ended meanwhile needs no telling.
                let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
            }
        }
        running.retain_mut(|(rank, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                if !status.success() {
                    failures.push((*rank, status));
                }
                false
            }
            Err(_) => false,
        });
        if !failures.is_empty() && first_failure.get_or_insert_with(Instant::now).elapsed() > GRACE
        {
            end(&mut running);
            break;
        }
    }
    // A process that lost another one fails with status 1: any other failure came first.
    let own = |status: &ExitStatus| status.code() != Some(i32::from(FAILED));
    let first = failures.iter().find(|(_, status)| own(status)).or(failures.first());
    match first {
        None => Ok(0),
        Some((rank, status)) => match (status.code(), status.signal()) {
            (Some(code), _) => Ok(code as u8),
            (None, signal) => Err(Error::machine(
                format!("process {rank} of the trial was killed by signal {}", signal.unwrap_or(0)),
                "the other processes were ended; a retry goes on from the last checkpoint",
            )),
        },
    }
}

fn end(children: &mut [(usize, Child)]) {
    for (_, child) in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}
