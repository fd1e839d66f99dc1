//! The whole of a trial: lock, attempt, setup, training loop, result.

mod network;
mod setup;

use crate::checkpoint::State;
use crate::environment::{device_name, environment, gpu_memory_mib, now_s, peak_memory_mib};
use crate::training::{Loop, LoopEnd};
pub use network::{arithmetic, conditions};
pub(crate) use network::{
    fresh_net, noise_rates, objective, optimizer, start_state, step_of, train_at,
};
use res2lab_data::Shard;
use res2lab_error::Error;
use res2lab_experiment::Precision;
use res2lab_kernels::instruction_set::InstructionSet;
use res2lab_libtorch::Member;
use res2lab_store::Progress;
use res2lab_store::tensorboard::Picture;
use res2lab_store::{Code, Outcome, PlannedTrial, RunDir, TrialResult, atomic, lock};
use setup::set_up;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tch::Device;

/// The options of one run of a trial. They may differ between two runs without changing the result.
pub struct TrialOptions {
    pub device: Device,
    /// The number of threads.
    pub threads: usize,
    /// The instruction set of the kernels if the trial starts; a resumed trial keeps its own.
    pub vectors: InstructionSet,
    /// The folder of the data sets.
    pub data: PathBuf,
    /// The file of the spec's `init.weights`; None if the spec has none.
    pub weights: Option<PathBuf>,
    /// The longest time between checkpoints. A checkpoint is also written after each epoch.
    pub checkpoint_every: Duration,
    /// The longest wait for another process of the trial, at the start and within a step.
    pub patience: Duration,
    /// The rank of this process among those of the trial; None if it is the only one.
    pub member: Option<Member>,
    /// A flag that the caller sets to make the trial write a checkpoint and stop.
    pub stop: Arc<AtomicBool>,
    /// A flag that is false as soon as the training loop looks at `stop`. Until then nothing is lost
    /// if the process ends at once.
    pub is_starting: Arc<AtomicBool>,
    /// The version of the program.
    pub code: Code,
    /// The wall time of earlier attempts in seconds.
    pub earlier_s: f64,
    /// A description of the differences from the trial's plan; usually empty.
    pub changed: String,
    /// Pictures of the network for TensorBoard, with their tags.
    pub pictures: Vec<(String, Picture)>,
}

impl TrialOptions {
    pub(crate) fn shard(&self, accumulate: usize) -> Shard {
        let (rank, world) = self.member.as_ref().map_or((0, 1), |m| (m.rank, m.world));
        Shard { rank, world, accumulate }
    }

    /// Whether this process is the first one, which writes.
    pub(crate) fn is_first(&self) -> bool {
        self.member.as_ref().is_none_or(|m| m.rank == 0)
    }
}

/// The end of a run of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The trial has been trained to its end, now or earlier.
    Done,
    /// The loss became NaN or infinite, now or earlier; the reason in words.
    Diverged(String),
    /// The sweep's rule ended the trial early, now or earlier.
    Stopped,
    /// The trial was asked to stop, and wrote a checkpoint.
    Preempted,
    /// Another process is training the trial; its process id.
    Busy(u32),
}

/// Runs a trial from its start or its last checkpoint to its end. The run folder must contain its
/// spec. Each process of a trial calls this function; only the first one writes.
pub fn run(
    trial: &PlannedTrial,
    run: &RunDir,
    options: &TrialOptions,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Ended, Error> {
    let _lock = match options.is_first().then(|| lock::try_lock(&run.lock())).transpose()? {
        Some(lock::Attempt::HeldBy(process)) => return Ok(Ended::Busy(process)),
        held => held,
    };
    if let Some(result) = atomic::read_json::<TrialResult>(&run.result())? {
        return Ok(ended(result.status, result.reason));
    }
    use_device(options, trial.spec.train.precision)?;
    let mut attempt = run.last_attempt();
    if options.is_first() {
        attempt = run.begin_attempt()?;
        let here = environment(options.device, options.threads, options.code.clone());
        atomic::write_json(&run.env(attempt), &here)?;
    }
    let mut training = set_up(trial, run, attempt, options, on_progress)?;
    let end = training.run().map_err(crate::reduce::explained)?;
    finish(training, end, attempt)
}

/// Sets libtorch up for a trial on its device.
pub(crate) fn use_device(options: &TrialOptions, precision: Precision) -> Result<(), Error> {
    let Device::Cuda(_) = options.device else {
        tch::set_num_threads(options.threads as i32);
        return Ok(());
    };
    // The threads of libtorch's CPU operators spin while they wait, on cores that decode pictures.
    tch::set_num_threads(options.threads.min(2) as i32);
    use_gpu(options.device, precision)
}

/// Makes libtorch compute on a GPU in this precision, by the fastest algorithms. Does nothing for
/// the CPU.
pub fn use_gpu(device: Device, precision: Precision) -> Result<(), Error> {
    if device.is_cuda() {
        res2lab_libtorch::device::set_current(device)?;
        res2lab_libtorch::device::allow_tf32(precision == Precision::Tf32);
        // Shapes of batches do not change, so cuDNN times its algorithms once and keeps the fastest.
        tch::Cuda::cudnn_set_benchmark(true);
    }
    Ok(())
}

fn finish(mut training: Loop, end: LoopEnd, attempt: u32) -> Result<Ended, Error> {
    let (status, reason) = match end {
        LoopEnd::Preempted => return Ok(Ended::Preempted),
        LoopEnd::Finished => (Outcome::Done, String::new()),
        LoopEnd::OutOfTime(reason) => (Outcome::Done, reason),
        LoopEnd::Diverged(reason) => (Outcome::Diverged, reason),
        LoopEnd::Stopped(reason) => (Outcome::Stopped, reason),
    };
    if !training.options.is_first() {
        return Ok(ended(status, reason));
    }
    let metrics = final_metrics(&training.state);
    training.recorder.end(training.state.step, &metrics, status == Outcome::Done);
    let result = TrialResult {
        status,
        reason: reason.clone(),
        metrics,
        steps: training.state.step as u64,
        step_ms: training.speed.step_ms(),
        images_per_s: training.speed.images_per_s(),
        wall_s: training.earlier_s + training.speed.wall_s(),
        peak_memory_mib: peak_memory_mib(),
        gpu_memory_mib: gpu_memory_mib(training.options.device),
        device: device_name(training.options.device),
        threads: training.options.threads,
        layout: training.state.layout.clone(),
        engine: training.state.engine.clone(),
        vectors: training.state.vectors.clone(),
        data_id: training.state.data_id.clone(),
        weights_id: training.state.weights_id.clone(),
        code: training.options.code.clone(),
        attempts: attempt,
        changed: training.options.changed.clone(),
        finished_s: now_s(),
    };
    training.recorder.sync()?;
    atomic::write_json(&training.run.result(), &result)?;
    Ok(ended(status, reason))
}

fn ended(status: Outcome, reason: String) -> Ended {
    match status {
        Outcome::Done => Ended::Done,
        Outcome::Diverged => Ended::Diverged(reason),
        Outcome::Stopped => Ended::Stopped,
    }
}

fn final_metrics(state: &State) -> BTreeMap<String, f64> {
    let mut metrics = state.latest.clone();
    metrics.remove("train/lr");
    if let Some((acc1, epoch)) = state.best {
        metrics.insert("best/acc1".into(), acc1);
        metrics.insert("best/epoch".into(), epoch as f64);
    }
    metrics
}
