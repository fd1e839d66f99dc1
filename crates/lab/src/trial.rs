//! What a process that trains or times a trial needs beside the trial: the settings that its runner
//! put into the environment, and panics of libtorch as errors.

use crate::place::{device, place};
use res2lab_error::{Error, Kind};
use res2lab_sweep::slots;
use res2lab_train::TrialOptions;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// tch panics where libtorch fails. The trial ends there, but as a value: an exit status and two
/// lines.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ended = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(quiet);
    match ended {
        Ok(ended) => ended,
        Err(panic) => Err(libtorch_failure(&*panic)),
    }
}

/// What the runner or a launcher says in the environment. The runner shows a trial the GPUs that it
/// may use, or none.
pub fn options(data: &Path) -> Result<TrialOptions, Error> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let place = place(&|name| std::env::var(name).ok())?;
    let found = tch::Cuda::device_count().max(0) as usize;
    if found == 0 {
        crate::gpus::check_unused()?;
    }
    let is_cuda = std::env::var("RES2LAB_DEVICE").is_ok_and(|device| device == "cuda");
    let share = slots::usable_cores() / place.processes;
    Ok(TrialOptions {
        device: device(&place, found, is_cuda)?,
        threads: number("RES2LAB_THREADS").unwrap_or(share).max(1),
        vectors: crate::vectors::choose(data)?.set,
        data: data.to_owned(),
        weights: None,
        checkpoint_every: Duration::from_secs(number("RES2LAB_CHECKPOINT_S").unwrap_or(60) as u64),
        patience: Duration::from_secs(number("RES2LAB_PATIENCE_S").unwrap_or(300) as u64),
        member: None,
        stop: Arc::new(AtomicBool::new(false)),
        is_starting: Arc::new(AtomicBool::new(true)),
        code: crate::program::code(),
        earlier_s: 0.0,
        changed: String::new(),
        pictures: Vec::new(),
    })
}

fn libtorch_failure(panic: &(dyn Any + Send)) -> Error {
    let text = res2lab_libtorch::panic_message(panic).unwrap_or("no message");
    let first = res2lab_libtorch::without_trace(text);
    if res2lab_libtorch::is_out_of_memory(panic) {
        return Error::new(
            Kind::OutOfMemory,
            format!("out of memory: {first}"),
            "give --on-oom halve or a smaller batch, or run fewer trials side by side with \
             --slots 1",
        );
    }
    if text.contains("gloo") || text.contains("Connection closed by peer") {
        return Error::machine(
            format!("another process of this trial ended or cannot be reached ({first})"),
            "see in console.txt which process failed first",
        );
    }
    let is_nccl = text.to_ascii_lowercase().contains("nccl");
    let help = if is_nccl {
        "give each process of the trial a GPU of its own (CUDA_VISIBLE_DEVICES)"
    } else {
        "report this with the log of the attempt"
    };
    Error::machine(format!("libtorch failed: {first}"), help)
}
