//! The start of a trial: data, network, state, files and other processes.

use super::TrialOptions;
use super::network::{arithmetic, empty_net, given_weights, start_state, step_of};
use crate::checkpoint::{self, Saved, State};
use crate::environment::device_name;
use crate::images::{Target, augment, is_resident, source, wanted};
use crate::recorder::Recorder;
use crate::reduce::{Distributed, Local, Reduce, lost};
use crate::speed::Speed;
use crate::training::Loop;
use crate::{identity, shown};
use res2lab_data::{DataSet, DatasetRequest};
use res2lab_error::Error;
use res2lab_experiment::{Precision, Switch, TrialSpec};
use res2lab_kernels::instruction_set::{InstructionSet, use_instruction_set};
use res2lab_libtorch::Group;
use res2lab_nn::{LossScaler, Net, Placement, init, weights};
use res2lab_store::Progress;
use res2lab_store::{PlannedTrial, RunDir, atomic};
use tch::Kind;

/// Prepares a trial up to its first step: data, network, state and files.
pub(super) fn set_up<'a>(
    trial: &'a PlannedTrial,
    run: &'a RunDir,
    attempt: u32,
    options: &'a TrialOptions,
    on_progress: &'a mut dyn FnMut(&Progress),
) -> Result<Loop<'a>, Error> {
    let spec = &trial.spec;
    let speed = Speed::start();
    // Processes join before any of them reads: the first one changes no checkpoint until all have
    // read it.
    let join = |member| Group::join(member, options.device, options.patience).map_err(lost);
    let group = options.member.as_ref().map(join).transpose()?;
    let (images, set) = open_data(spec, options, run)?;
    let class_names = set.classes.clone();
    let px = trial.image_px;
    let channels = set.train.channels();
    let saved = checkpoint::open(&run.last_checkpoint(), &trial.id)?;
    let began = saved.as_ref().map(|saved| &saved.state);
    // Data sets without content of their own have identity 0.
    let data_id =
        if set.identity == 0 { String::new() } else { res2lab_data::digest::hex(set.identity) };
    identity::check_data(trial, began, (&data_id, &images.dir), run)?;
    identity::check_weights(trial, began, run)?;
    let vectors = vectors(options, saved.as_ref().map(|saved| &saved.state), run)?;
    let (kind, autocast) = arithmetic(spec.train.precision);
    let mut net = empty_net(trial, channels, options, saved.as_ref().map(|saved| &saved.state))?;
    let placement = net.placement();
    let fresh = State {
        trial: trial.id.clone(),
        layout: placement.layout.name().into(),
        engine: placement.engine.name().into(),
        vectors: vectors.clone(),
        data_id,
        weights_id: trial.weights_id.clone(),
        ..State::default()
    };
    let (mut state, start) = starting_state(trial, run, attempt, options, &mut net, saved, fresh)?;
    // A checkpoint from before engines were saved does not name one.
    state.engine = placement.engine.name().into();
    let mut step = step_of(&net, &spec.train)?;
    let mut reduce: Box<dyn Reduce> = Box::new(Local);
    if let Some(group) = &group {
        reduce = Box::new(Distributed::new(group, net.params(), &mut *step)?);
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
    log_start(&mut recorder, trial, options, &start, placement, &vectors);
    show_classes(&mut recorder, &class_names);
    let augment = augment(&spec.data, is_resident(&spec.data, &set));
    let target = Target { device: options.device, kind, threads: options.threads };
    let source = source(&spec.data, set, px, target)?;
    let scaler = (autocast == Some(Kind::Half)).then(|| scaler(options, &state));
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
        class_names,
        state,
        recorder,
        earlier_s: options.earlier_s,
        speed,
    })
}

/// Opens the data set, and writes its class names into the run folder.
/// Writes the table of class names for TensorBoard, where the data set has names.
fn show_classes(recorder: &mut Recorder, names: &[String]) {
    if !names.is_empty() {
        recorder.show(|events| events.text("classes", &shown::classes(names)));
    }
}

fn open_data(
    spec: &TrialSpec,
    options: &TrialOptions,
    run: &RunDir,
) -> Result<(DatasetRequest, DataSet), Error> {
    let images = wanted(&spec.data, &options.data);
    let set = res2lab_data::open(&images)?;
    if set.train.len() < spec.train.batch_size {
        return Err(Error::input(
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
    Ok((images, set))
}

/// Loads the checkpoint, or initializes the net. Returns the state, and a description of the start.
fn starting_state(
    trial: &PlannedTrial,
    run: &RunDir,
    attempt: u32,
    options: &TrialOptions,
    net: &mut Net,
    saved: Option<Saved>,
    fresh: State,
) -> Result<(State, String), Error> {
    let spec = &trial.spec;
    match saved {
        Some(Saved { bytes, state, was_checked }) => {
            start_state(net, &spec.train);
            weights::from_bytes(net.params_mut(), &bytes, &run.last_checkpoint())?;
            let unchecked =
                if was_checked { "" } else { ", from a checkpoint of before checksums, unchecked" };
            let start = format!("resume from step {} in attempt {attempt}{unchecked}", state.step);
            Ok((state, start))
        }
        None => {
            init::init(net.params_mut(), spec.seed);
            let start = given_weights(net, trial, options)?;
            start_state(net, &spec.train);
            Ok((fresh, start))
        }
    }
}

/// A loss scaler, with the state of the checkpoint if there is one.
fn scaler(options: &TrialOptions, state: &State) -> LossScaler {
    match state.loss_scale {
        Some((scale, growth)) => LossScaler::restored(options.device, scale, growth),
        None => LossScaler::new(options.device),
    }
}

/// Writes into the log how the trial starts.
fn log_start(
    recorder: &mut Recorder,
    trial: &PlannedTrial,
    options: &TrialOptions,
    start: &str,
    placement: Placement,
    vectors: &str,
) {
    let spec = &trial.spec;
    let device = device_name(options.device);
    let threads = options.threads;
    recorder.log(&format!(
        "{start}: {} on {device} with {threads} threads, {}, engine {}",
        trial.id,
        placement.layout.name(),
        placement.engine.name()
    ));
    if !vectors.is_empty() {
        let kept = if vectors == options.vectors.name() { "" } else { ", as the checkpoint says" };
        recorder.log(&format!("vectors: {vectors}{kept}"));
    }
    let on = [spec.train.features(), spec.data.augment.features()].concat();
    if !options.changed.is_empty() {
        recorder.log(&format!("changed: {}", options.changed));
    }
    if options.device.is_cuda() {
        recorder.log("cuDNN chose its algorithms by their times: runs may differ in the last bits");
    }
    if spec.train.precision == Precision::Tf32 && !options.device.is_cuda() {
        recorder.log("precision tf32 is f32 on a CPU");
    }
    if spec.train.cuda_graph == Switch::Always && !options.device.is_cuda() {
        recorder.log("cuda_graph does nothing on a CPU");
    }
    recorder
        .log(&format!("recipe: {}", if on.is_empty() { "plain".into() } else { on.join(", ") }));
}

/// Sets the instruction set of the kernels, and returns its name for the checkpoint and the result;
/// empty on a GPU.
fn vectors(options: &TrialOptions, saved: Option<&State>, run: &RunDir) -> Result<String, Error> {
    if options.device.is_cuda() {
        return Ok(String::new());
    }
    let set = match saved {
        None => options.vectors,
        // Checkpoints from before this field existed.
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
            Error::machine(cause, help)
        })?,
    };
    Ok(use_instruction_set(set).name().to_owned())
}

/// Checks that all processes start at the same step. On machines with different files, they would
/// train different networks.
fn check_equal_starts(
    reduce: &mut dyn Reduce,
    step: usize,
    options: &TrialOptions,
) -> Result<(), Error> {
    let mut sum = [step as f64];
    reduce.sums(&mut sum)?;
    if sum[0] == (step * options.shard(1).world) as f64 {
        return Ok(());
    }
    Err(Error::machine(
        format!(
            "the processes of this trial read different checkpoints; this one starts at step {step}"
        ),
        "the run folder must be on a disk that all machines share",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_store::Code;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;
    use tch::Device;

    #[test]
    fn an_instruction_set_that_this_processor_lacks_is_refused_with_the_remedy() {
        let options = TrialOptions {
            device: Device::Cpu,
            threads: 1,
            vectors: res2lab_kernels::instruction_set::highest(),
            data: PathBuf::new(),
            weights: None,
            checkpoint_every: Duration::ZERO,
            patience: Duration::ZERO,
            member: None,
            stop: Arc::default(),
            is_starting: Arc::default(),
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
