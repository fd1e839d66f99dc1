//! The processes of a trial that this machine starts: all of them, or its part where several
//! machines (or pods) start a trial together. RES2LAB_NODES and RES2LAB_NODE say how many machines
//! there are and which one this is.

use res2lab_error::Error;
use std::env;
use std::net::TcpListener;

/// Consecutive ranks of a trial, and where they meet those of other machines.
pub(super) struct Part {
    /// The lowest rank here.
    pub(super) first: usize,
    /// Processes here.
    pub(super) count: usize,
    /// Processes of the whole trial.
    pub(super) world: usize,
    /// Address of rank 0.
    pub(super) host: String,
    pub(super) port: u16,
    /// The open port, for rank 0, if all processes are on this machine. A port that is only free
    /// may be taken before rank 0 opens it.
    pub(super) listener: Option<TcpListener>,
}

/// The part of a trial on `devices` devices that the environment gives to this machine.
pub(super) fn part(devices: usize) -> Result<Part, Error> {
    let Ok(nodes) = env::var("RES2LAB_NODES") else {
        let (listener, port) = open_port().map_err(|e| {
            Error::machine(format!("cannot open a port: {e}"), "see what else runs here")
                .caused_by(e)
        })?;
        return Ok(Part {
            first: 0,
            count: devices,
            world: devices,
            host: LOOPBACK.into(),
            port,
            listener: Some(listener),
        });
    };
    let text = |name: &str| {
        env::var(name).map_err(|_| {
            let help = format!("set {name} to the same on all machines of the trial");
            Error::input(format!("{name} is missing, and RES2LAB_NODES is {nodes}"), help)
        })
    };
    let node = text("RES2LAB_NODE")?;
    let (first, count) = share(devices, &nodes, &node)?;
    let port = text("MASTER_PORT")?;
    let port = port.parse::<u16>().map_err(|_| {
        Error::input(format!("MASTER_PORT is \"{port}\""), "give a port, e.g. 29500")
    })?;
    Ok(Part { first, count, world: devices, host: text("MASTER_ADDR")?, port, listener: None })
}

const LOOPBACK: &str = "127.0.0.1";

fn open_port() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((LOOPBACK, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The lowest rank and the number of ranks of machine `node` of `nodes`.
fn share(devices: usize, nodes: &str, node: &str) -> Result<(usize, usize), Error> {
    let (Ok(of), Ok(own)) = (nodes.parse::<usize>(), node.parse::<usize>()) else {
        return Err(Error::input(
            format!("RES2LAB_NODES is \"{nodes}\" and RES2LAB_NODE is \"{node}\""),
            "give the number of machines, and the place of this one from 0",
        ));
    };
    if of == 0 || own >= of || !devices.is_multiple_of(of) {
        return Err(Error::input(
            format!("machine {own} of {of} has no part of a trial on {devices} devices"),
            "count machines from 0, and give a number that divides devices_per_trial",
        ));
    }
    let count = devices / of;
    Ok((own * count, count))
}

/// What each process here gets as CUDA_VISIBLE_DEVICES, where this process sees `found` GPUs and
/// its own variable is `visible`; empty for training on the CPU.
pub(super) fn gpus(
    processes: usize,
    found: usize,
    visible: Option<&str>,
) -> Result<Vec<String>, Error> {
    if found == 0 {
        return Ok(vec![]);
    }
    if found < processes {
        return Err(Error::input(
            format!("the trial needs {processes} GPUs on this machine, and {found} can be seen"),
            "set a smaller devices_per_trial, or let the trial see more (CUDA_VISIBLE_DEVICES)",
        ));
    }
    let names = res2lab_sweep::gpus::entries(visible.unwrap_or_default());
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| i.to_string());
    Ok((0..processes).map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_equal_parts_in_their_order() {
        assert_eq!(share(16, "2", "0").unwrap(), (0, 8));
        assert_eq!(share(16, "2", "1").unwrap(), (8, 8));
        assert_eq!(share(3, "3", "2").unwrap(), (2, 1));
        for (nodes, node) in [("2", "2"), ("0", "0"), ("3", "0"), ("two", "0"), ("2", "")] {
            let e = share(16, nodes, node).unwrap_err();
            assert!(!e.cause.is_empty() && !e.help.is_empty(), "{nodes} {node}: {e:?}");
        }
    }

    #[test]
    fn each_process_gets_a_gpu_of_its_own_or_none_starts() {
        assert_eq!(gpus(2, 4, None).unwrap(), ["0", "1"]);
        assert_eq!(gpus(2, 3, Some("5,GPU-a,7")).unwrap(), ["5", "GPU-a"]);
        assert_eq!(gpus(2, 4, Some("")).unwrap(), ["0", "1"]);
        assert!(gpus(2, 0, None).unwrap().is_empty());
        let e = gpus(2, 1, Some("3")).unwrap_err();
        assert_eq!(e.cause, "the trial needs 2 GPUs on this machine, and 1 can be seen");
    }
}
