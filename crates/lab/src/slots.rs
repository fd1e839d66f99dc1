//! The slots of this machine in which trials run.

use crate::options::SweepOptions;
use res2lab_error::Error;
use res2lab_store::Plan;
use res2lab_sweep::{Demand, Slot, local};

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
    let cores = local::available_cores();
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
    let gpus = tch::Cuda::device_count().max(0) as usize;
    for (flag, value) in [("--slots", options.slots), ("--threads", options.threads)] {
        if value.is_some_and(|n| n == 0 || n > 4096) {
            return Err(Error::input(
                format!("{flag} {} is impossible", value.unwrap_or(0)),
                "give at least 1",
            ));
        }
    }
    let on_gpu = match options.device.as_str() {
        "cpu" => false,
        "cuda" if gpus == 0 => {
            return Err(Error::input(
                "libtorch finds no GPU",
                "use --device cpu, or see what `just env` says",
            ));
        }
        "cuda" => true,
        "auto" => gpus > 0,
        other => {
            return Err(Error::input(
                format!("no device is called {other}"),
                "use auto, cpu or cuda",
            ));
        }
    };
    if options.per_device == 0 || options.per_device > 64 || (options.per_device > 1 && devices > 1)
    {
        return Err(Error::input(
            format!("--per-device {} is impossible here", options.per_device),
            "give at least 1; trials on several devices share none",
        ));
    }
    if on_gpu && devices > gpus {
        return Err(Error::input(
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
