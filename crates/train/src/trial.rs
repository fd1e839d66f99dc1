//! The whole of a trial: lock, attempt, data, network, loop, result.

use crate::TrainError;
use crate::checkpoint::{self, Saved, State};
use crate::environment::{device_name, environment, now_s, peak_memory_mib};
use crate::identity;
use crate::images::{Target, augment, is_resident, source, wanted};
use crate::recorder::{Progress, Recorder};
use crate::reduce::{Distributed, Local, Reduce, lost};
use crate::shown;
use crate::speed::Speed;
use crate::training::{Loop, LoopEnd};
use res2lab_arch::Input;
use res2lab_data::Shard;
use res2lab_experiment::{Precision, TrainSpec, TrialSpec};
use res2lab_kernels::instruction_set::{InstructionSet, use_instruction_set};
use res2lab_libtorch::{Group, Member};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_nn::{Layout, LossScaler, Net, Placement, Step, init};
use res2lab_store::tensorboard::Picture;
use res2lab_store::{Code, Outcome, PlannedTrial, RunDir, TrialResult, atomic, lock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tch::{Device, Kind};

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
    /// The rank of this process among those of the trial; None if it is the only one.
    pub member: Option<Member>,
    /// A flag that the caller sets to make the trial write a checkpoint and stop.
    pub stop: Arc<AtomicBool>,
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

    /// Whether this process is the one that writes.
    pub(crate) fn is_first(&self) -> bool {
        self.member.as_ref().is_none_or(|m| m.rank == 0)
    }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Trained to the end, now or before.
    Done,
    /// The loss became NaN or infinite, now or before; why.
    Diverged(String),
    /// Ended early by the sweep's rule, now or before.
    Stopped,
    /// Stopped when asked, with a checkpoint.
    Preempted,
    /// Another process (its id) is training it.
    Busy(u32),
}

/// Another process of the trial is waited for at most so long, at the start and within a step.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a trial to its end, or from its last checkpoint on. The run folder must hold its spec. Of
/// several processes each calls this; the first one writes.
pub fn run(
    trial: &PlannedTrial,
    run: &RunDir,
    options: &TrialOptions,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Ended, TrainError> {
    let _lock = match options.is_first().then(|| lock::try_lock(&run.lock())).transpose()? {
        Some(lock::Attempt::HeldBy(process)) => return Ok(Ended::Busy(process)),
        held => held,
    };
    if let Some(result) = atomic::read_json::<TrialResult>(&run.result())? {
        return Ok(ended(result.status, result.reason));
    }
    tch::set_num_threads(options.threads as i32);
    let mut attempt = run.last_attempt();
    if options.is_first() {
        attempt = run.begin_attempt()?;
        let here = environment(options.device, options.threads, options.code.clone());
        atomic::write_json(&run.env(attempt), &here)?;
    }
    let mut training = set_up(trial, run, attempt, options, on_progress)?;
    let end = training.run()?;
    finish(training, end, attempt)
}

fn set_up<'a>(
    trial: &'a PlannedTrial,
    run: &'a RunDir,
    attempt: u32,
    options: &'a TrialOptions,
    on_progress: &'a mut dyn FnMut(&Progress),
) -> Result<Loop<'a>, TrainError> {
    let spec = &trial.spec;
    let speed = Speed::start();
    // Before anything is read: the first process changes no checkpoint until all have read it.
    let join = |member| Group::join(member, options.device.is_cuda(), PATIENCE).map_err(lost);
    let group = options.member.as_ref().map(join).transpose()?;
    let images = wanted(&spec.data, &options.data);
    let set = res2lab_data::open(&images)?;
    if set.train.len() < spec.train.batch_size {
        return Err(TrainError::input(
            format!(
                "batch_size {} is larger than the {} training images",
                spec.train.batch_size,
                set.train.len()
            ),
            "give a smaller batch",
        ));
    }
    if options.is_first() && !set.classes.is_empty() {
        atomic::write_json(&run.classes(), &set.classes)?;
    }
    let class_names = set.classes.clone();
    let px = trial.image_px;
    let channels = set.train.channels();
    let saved = checkpoint::open(&run.last_checkpoint(), &trial.id)?;
    let began = saved.as_ref().map(|saved| &saved.state);
    // 0 where a set has no content of its own.
    let data_id =
        if set.identity == 0 { String::new() } else { res2lab_data::digest::hex(set.identity) };
    identity::check_data(trial, began, (&data_id, &images.dir), run)?;
    identity::check_weights(trial, began, run)?;
    let vectors = vectors(options, saved.as_ref().map(|saved| &saved.state), run)?;
    let (kind, autocast) = arithmetic(spec.train.precision);
    let mut net =
        empty_net(trial, channels, options, saved.as_ref().map(|saved| saved.state.layout()))?;
    let layout = net.layout();
    let (state, start) = match saved {
        Some(Saved { bytes, state, was_checked }) => {
            start_average(&mut net, spec);
            weights::from_bytes(net.params_mut(), &bytes, &run.last_checkpoint())?;
            let unchecked =
                if was_checked { "" } else { ", from a checkpoint of before checksums, unchecked" };
            let start = format!("resume from step {} in attempt {attempt}{unchecked}", state.step);
            (state, start)
        }
        None => {
            init::init(net.params_mut(), spec.seed);
            let start = given_weights(&mut net, trial, options)?;
            start_average(&mut net, spec);
            let weights_id = trial.weights_id.clone();
            let vectors = vectors.clone();
            let trial = trial.id.clone();
            let layout = layout.name().into();
            (State { trial, layout, vectors, data_id, weights_id, ..State::default() }, start)
        }
    };
    let mut reduce: Box<dyn Reduce> = Box::new(Local);
    if let Some(group) = &group {
        reduce = Box::new(Distributed::new(group, net.params())?);
        if spec.train.sync_bn {
            net.sync_batch_norm(group);
        }
    }
    check_equal_starts(&mut *reduce, state.step, options)?;
    let groups = crate::images::size_groups(&spec.data, &options.data);
    let mut recorder = if options.is_first() {
        Recorder::open(run, attempt, trial, state.metrics_length, on_progress)?
    } else {
        Recorder::silent(on_progress)
    };
    let device = device_name(options.device);
    let threads = options.threads;
    recorder.log(&format!(
        "{start}: {} on {device} with {threads} threads, {}",
        trial.id,
        layout.name()
    ));
    if !vectors.is_empty() {
        let kept = if vectors == options.vectors.name() { "" } else { ", as the checkpoint says" };
        recorder.log(&format!("vectors: {vectors}{kept}"));
    }
    let on = [spec.train.features(), spec.data.augment.features()].concat();
    if !options.changed.is_empty() {
        recorder.log(&format!("changed: {}", options.changed));
    }
    if spec.train.cuda_graph && !options.device.is_cuda() {
        recorder.log("cuda_graph does nothing on a CPU");
    }
    if !class_names.is_empty() {
        recorder.show(|events| events.text("classes", &shown::classes(&class_names)));
    }
    recorder
        .log(&format!("recipe: {}", if on.is_empty() { "plain".into() } else { on.join(", ") }));
    let augment = augment(&spec.data, is_resident(&spec.data, &set));
    let target = Target { device: options.device, kind, threads: options.threads };
    let source = source(&spec.data, set, px, target)?;
    let step = step_of(&net, &spec.train)?;
    let scaler = (autocast == Some(Kind::Half)).then(|| match state.loss_scale {
        Some((scale, growth)) => LossScaler::restored(options.device, scale, growth),
        None => LossScaler::new(options.device),
    });
    let earlier_s = options.earlier_s;
    Ok(Loop {
        spec,
        options,
        run,
        net,
        source,
        augment,
        step,
        scaler,
        reduce,
        groups,
        state,
        recorder,
        earlier_s,
        speed,
    })
}

/// The instruction set that the kernels use from now on, by name, for the record; none is recorded
/// on a GPU.
fn vectors(
    options: &TrialOptions,
    saved: Option<&State>,
    run: &RunDir,
) -> Result<String, TrainError> {
    if options.device.is_cuda() {
        return Ok(String::new());
    }
    let set = match saved {
        None => options.vectors,
        // Checkpoints of before there was a choice.
        Some(state) if state.vectors.is_empty() => InstructionSet::Avx512Narrow,
        Some(state) => InstructionSet::from_name(&state.vectors)
            .filter(|set| set.is_available())
            .ok_or_else(|| {
            let cause = format!(
                "this trial began with {} vectors, which this processor lacks",
                state.vectors
            );
            let file = run.last_checkpoint();
            let help = format!(
                "go on where it began, or remove {} to start from the beginning",
                file.display()
            );
            TrainError::machine(cause, help)
        })?,
    };
    Ok(use_instruction_set(set).name().to_owned())
}

/// The step that trains this net by this recipe.
pub(crate) fn step_of(net: &Net, train: &TrainSpec) -> Result<Box<dyn Step>, TrainError> {
    Ok(res2lab_nn::step::choose(net, train.label_smoothing, train.cuda_graph && !train.plain)?)
}

/// Processes on machines that see different files would train different networks.
fn check_equal_starts(
    reduce: &mut dyn Reduce,
    step: usize,
    options: &TrialOptions,
) -> Result<(), TrainError> {
    let mut sum = [step as f64];
    reduce.sums(&mut sum)?;
    if sum[0] == (step * options.shard(1).world) as f64 {
        return Ok(());
    }
    Err(TrainError::machine(
        format!(
            "the processes of this trial read different checkpoints; this one starts at step {step}"
        ),
        "the run folder must be on a disk that all machines share",
    ))
}

/// The kind of weights, and that of convolutions and products where it differs.
fn arithmetic(precision: Precision) -> (Kind, Option<Kind>) {
    match precision {
        Precision::F32 => (Kind::Float, None),
        Precision::F64 => (Kind::Double, None),
        Precision::Bf16 => (Kind::Float, Some(Kind::BFloat16)),
        Precision::Fp16 => (Kind::Float, Some(Kind::Half)),
    }
}

/// Whether the planned step trains this trial: on a CPU, in one process, without mixed precision,
/// unless it is told not to.
fn is_planned(spec: &TrialSpec, options: &TrialOptions) -> bool {
    let (_, autocast) = arithmetic(spec.train.precision);
    options.device == Device::Cpu
        && options.member.is_none()
        && autocast.is_none()
        && !spec.train.plain
}

/// The trial's network, all state zero. Without a `layout` the one that is faster here.
fn empty_net(
    trial: &PlannedTrial,
    channels: usize,
    options: &TrialOptions,
    layout: Option<Layout>,
) -> Result<Net, TrainError> {
    let px = trial.image_px;
    let classes = trial.classes;
    let graph =
        res2lab_arch::build(&trial.spec.model, Input { channels, height: px, width: px, classes })?;
    let layout = layout.unwrap_or_else(|| {
        Layout::choose(&graph, options.device, is_planned(&trial.spec, options))
    });
    let (kind, autocast) = arithmetic(trial.spec.train.precision);
    let mut net = Net::new(graph, Placement { device: options.device, kind, layout })?;
    net.set_autocast(autocast);
    Ok(net)
}

/// The trial's network as it starts, for those who only try it.
pub(crate) fn fresh_net(trial: &PlannedTrial, options: &TrialOptions) -> Result<Net, TrainError> {
    let mut net = empty_net(trial, trial.image_channels, options, None)?;
    init::init(net.params_mut(), trial.spec.seed);
    start_average(&mut net, &trial.spec);
    Ok(net)
}

fn start_average(net: &mut Net, spec: &TrialSpec) {
    if spec.train.ema > 0.0 {
        net.params_mut().start_average();
    }
}

/// Loads the weights that the spec starts from, and says where it starts.
fn given_weights(
    net: &mut Net,
    trial: &PlannedTrial,
    options: &TrialOptions,
) -> Result<String, TrainError> {
    let Some(path) = &options.weights else { return Ok("start from step 0".to_owned()) };
    let input = |e: res2lab_nn::NnError| TrainError::input(e.cause, e.help);
    let file = WeightsFile::open(path).map_err(input)?;
    identity::check_planned_weights(trial, &file.digest, path)?;
    let loaded = weights::load(net.params_mut(), &file, Fit::Start).map_err(input)?;
    let told: String = loaded.notes.iter().map(|note| format!(", {note}")).collect();
    Ok(format!("start from weights {}{told}", path.display()))
}

fn finish(mut training: Loop, end: LoopEnd, attempt: u32) -> Result<Ended, TrainError> {
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
        device: device_name(training.options.device),
        threads: training.options.threads,
        layout: training.state.layout.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_set_that_this_processor_lacks_is_refused_with_the_remedy() {
        let options = TrialOptions {
            device: Device::Cpu,
            threads: 1,
            vectors: res2lab_kernels::instruction_set::highest(),
            data: PathBuf::new(),
            weights: None,
            checkpoint_every: Duration::ZERO,
            member: None,
            stop: Arc::default(),
            code: Code::default(),
            earlier_s: 0.0,
            changed: String::new(),
            pictures: vec![],
        };
        let state = State { vectors: "avx1024".into(), ..State::default() };
        let e = vectors(&options, Some(&state), &RunDir::new("run")).unwrap_err();
        assert!(
            e.cause.contains("avx1024") && e.help.contains("run/checkpoints/last.safetensors"),
            "{e:?}"
        );
        assert_eq!(vectors(&options, None, &RunDir::new("run")).unwrap(), options.vectors.name());
    }
}
