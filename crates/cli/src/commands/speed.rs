//! `res2lab speed`: images/s of a network's training step, or of its evaluation, on random images.

use crate::args::{SpeedArgs, SpeedOf};
use crate::commands::profile;
use crate::{print, records};
use res2lab_arch::Input;
use res2lab_data::Batch;
use res2lab_error::Error;
use res2lab_lab::gpus;
use res2lab_lab::network::{Words, machine, published_input};
use res2lab_lab::peak::{self, Peak};
use res2lab_nn::objective::IGNORED;
use res2lab_nn::{
    Conditions, Engine, FusedInference, Inference, Layout, Mode, Net, Objective, Placement, Rates,
    Sgd, Targets, graphed, init, step,
};
use res2lab_train::environment::{gpu_memory_mib, peak_memory_mib};
use res2lab_train::{RecipeStep, arithmetic, use_gpu};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Serialize)]
struct Speed {
    what: &'static str,
    batch: usize,
    size: usize,
    threads: usize,
    device: String,
    layout: &'static str,
    engine: &'static str,
    vectors: &'static str,
    images_per_s: f64,
    step_ms: f64,
    precision: String,
    peak_rss_mib: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_memory_mib: Option<f64>,
    /// GFLOP/s of convolutions and products.
    gflops: f64,
    /// What this processor reaches in registers alone, in each width; empty on a GPU.
    peaks: Vec<Peak>,
    /// `gflops` divided by the greatest peak in float32; on a CPU in float32.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_share: Option<f64>,
    /// What one thread's time goes to, with `--profile`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<profile::Row>,
}

/// Steps before the clock starts: memory is touched, plans are made.
const WARM_UP: usize = 2;

/// Measures and prints.
pub(crate) fn run(args: &SpeedArgs) -> Result<u8, Error> {
    if args.batch == 0 || args.steps == 0 {
        return Err(Error::input(
            "--batch and --steps must be at least 1",
            "e.g. --batch 8 --steps 7",
        ));
    }
    res2lab_libtorch::keep_memory();
    let vectors = res2lab_lab::vectors::choose(&args.folders.data)?;
    let words = Words::split(&args.words, &[])?.model()?;
    let (model, _) = words.resolve()?;
    let published = published_input(&words)?;
    let px = args.size.unwrap_or(published.height);
    let input = Input {
        height: px,
        width: px,
        channels: args.channels.unwrap_or(published.channels),
        classes: args.classes.unwrap_or(published.classes),
    };
    let threads = args.threads.unwrap_or_else(|| res2lab_sweep::slots::available_cores().len());
    tch::set_num_threads(threads as i32);
    let graph = res2lab_arch::build(&model, input)?;
    let device = gpus::device(&args.device)?;
    let kind = Kind::Float;
    let precision = super::precision(&args.precision)?;
    let autocast = arithmetic(precision).1;
    use_gpu(device, precision)?;
    let conditions = Conditions {
        plain: args.plain,
        cuda_graph: args.cuda_graph,
        autocast,
        ..Conditions::on(device)
    };
    let engine = Engine::choose(&conditions).0;
    let fastest = engine.layout(&graph, device, autocast.is_some());
    let layout = args.layout.as_deref().map(layout).transpose()?.unwrap_or(fastest);
    let placement = Placement { device, kind, layout, engine };
    let mut net = Net::new(graph, placement).map_err(res2lab_lab::network::input)?;
    net.set_autocast(autocast);
    init::init(net.params_mut(), 0);
    let shape = [args.batch, input.channels, px, px].map(|n| n as i64);
    let images = net.prepare(&Tensor::randn(shape, (kind, device)));
    let seconds = match args.what {
        SpeedOf::Train if args.recipe.is_some() => by_recipe(args, &mut net, &images)?,
        SpeedOf::Train => training(args, &mut net, &images, input)?,
        SpeedOf::Infer => evaluation(args, &net, &images)?,
    };
    let profile = match args.profile {
        true => profile::of(args, &mut net, &images)?,
        false => vec![],
    };
    let per_image = peak::operations(net.graph(), args.what == SpeedOf::Train) as f64;
    let gflops = per_image * args.batch as f64 / seconds / 1e9;
    let peaks = if device == Device::Cpu { peak::peaks(threads) } else { vec![] };
    let highest = peak::of_float32(&peaks).filter(|_| autocast.is_none());
    let speed = Speed {
        what: if args.what == SpeedOf::Train { "train" } else { "infer" },
        batch: args.batch,
        size: px,
        threads,
        device: res2lab_train::environment::device_name(device),
        layout: placement.layout.name(),
        engine: engine.name(),
        vectors: vectors.set.name(),
        images_per_s: args.batch as f64 / seconds,
        step_ms: 1000.0 * seconds,
        precision: args.precision.clone(),
        peak_rss_mib: peak_memory_mib(),
        gpu_memory_mib: gpu_memory_mib(device),
        gflops,
        peak_share: highest.map(|peak| gflops / peak.gflops),
        peaks,
        profile,
    };
    show(args, &speed)?;
    Ok(0)
}

/// Prints what was measured.
fn show(args: &SpeedArgs, speed: &Speed) -> Result<(), Error> {
    if !args.output.is_text() {
        return records::print(args.output.format(), speed, &[speed]);
    }
    print::line(&format!(
        "{:.1} images/s, {:.2} ms a step, {:.0} MiB at most",
        speed.images_per_s, speed.step_ms, speed.peak_rss_mib
    ));
    show_peaks(speed);
    profile::show(&speed.profile);
    Ok(())
}

/// The rate of multiply-adds, and the processor's peaks beside it.
fn show_peaks(speed: &Speed) {
    let share = speed.peak_share.map(|share| format!(", {:.0} % of the peak", 100.0 * share));
    print::line(&format!("{:.1} GFLOP/s{}", speed.gflops, share.unwrap_or_default()));
    let one = |peak: &Peak| format!("{:.0} ({})", peak.gflops, peak.name);
    let peaks: Vec<String> = speed.peaks.iter().map(one).collect();
    if !peaks.is_empty() {
        print::line(&format!("peaks here, GFLOP/s: {}", peaks.join(", ")));
    }
}

/// Of `--layout`.
fn layout(word: &str) -> Result<Layout, Error> {
    Layout::from_name(word).ok_or_else(|| {
        Error::input(format!("--layout {word} is unknown"), "give contiguous or channels_last")
    })
}

/// Forward, backward, update, as the trainer does them.
fn training(args: &SpeedArgs, net: &mut Net, images: &Tensor, input: Input) -> Result<f64, Error> {
    let device = net.placement().device;
    let (labels, smoothing) = match net.graph().is_dense() {
        true => (masks(args.batch, input), 0.0),
        false => {
            let label = |i: usize| (i % input.classes) as i64;
            (Tensor::from_slice(&(0..args.batch).map(label).collect::<Vec<_>>()), 0.1)
        }
    };
    let targets = Targets::plain(labels.to_device(device));
    let mut step =
        step::of_engine(net, Objective::cross_entropy(smoothing)).map_err(|e| machine(&e.cause))?;
    let sgd = Sgd { weight_decay: 1e-4, decay_weights_only: false, nesterov: false };
    let mut first = true;
    median(args.steps, device, || {
        let out = step.forward_backward(net, images, &targets, res2lab_nn::GradScale::ONE);
        sgd.step(net.params_mut(), Rates { lr: 0.1, momentum: 0.9 }, first, None)
            .map_err(|e| machine(&e.cause))?;
        first = false;
        Ok(out.loss)
    })
}

/// Steps by the recipe of an experiment file, on one batch without accumulation.
fn by_recipe(args: &SpeedArgs, net: &mut Net, images: &Tensor) -> Result<f64, Error> {
    if net.graph().is_dense() {
        return Err(Error::input(
            "--recipe is for networks that classify whole images",
            "leave out the head, or leave out --recipe",
        ));
    }
    let file = args.recipe.as_deref().unwrap_or(Path::new(""));
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| {
        let help = "give an experiment file, e.g. experiments/rsb-a1.yaml";
        Error::input(format!("cannot read {name}: {e}"), help)
    })?;
    let experiment = res2lab_experiment::experiment::read(&bytes, &name)?;
    let expansion = res2lab_experiment::expand(&experiment, &[]).map_err(|e| e.at(&name))?;
    let Some(arm) = expansion.arms.first() else {
        return Err(Error::input(format!("{name} has no arms"), "give another file"));
    };
    let device = net.placement().device;
    let classes = net.graph().node(net.graph().output()).shape.channels;
    let labels: Vec<i64> = (0..args.batch).map(|i| (i % classes) as i64).collect();
    let labels = Tensor::from_slice(&labels).to_device(device);
    let mut step = RecipeStep::start(net, &arm.spec).map_err(|e| machine(&e.cause))?;
    median(args.steps, device, || {
        // Mixing may overwrite images.
        let images = images.copy();
        let batch = Batch { images, labels: labels.shallow_clone(), indices: vec![] };
        step.run(net, batch)
    })
}

/// A random class for each pixel. One pixel in twenty has none.
fn masks(batch: usize, input: Input) -> Tensor {
    let shape = [batch, input.height, input.width].map(|n| n as i64);
    let on_cpu = |kind| (kind, Device::Cpu);
    let classes = Tensor::randint(input.classes as i64, shape, on_cpu(Kind::Int64));
    let ignored = Tensor::rand(shape, on_cpu(Kind::Float)).lt(0.05);
    classes.masked_fill(&ignored, IGNORED)
}

fn evaluation(args: &SpeedArgs, net: &Net, images: &Tensor) -> Result<f64, Error> {
    if args.fused && FusedInference::fits(net) {
        let fused = FusedInference::new(net);
        return median(args.steps, net.placement().device, || {
            Ok(fused.logits(net, images).flatten(0, -1).get(0))
        });
    }
    let mut folded = (!args.plain && Inference::fits(net)).then(|| Inference::new(net, args.batch));
    median(args.steps, net.placement().device, || {
        let logits = match &mut folded {
            None => tch::no_grad(|| net.logits(images, Mode::Eval)),
            Some(folded) => folded.logits(images),
        };
        Ok(logits.flatten(0, -1).get(0))
    })
}

/// The median time of a step, seconds. `step` returns a number that is there when it is done.
///
/// On a CPU each step is timed. A GPU is given all steps of a round before anybody waits for it, as
/// a training loop does, and the rounds are timed.
fn median(
    steps: usize,
    device: Device,
    mut step: impl FnMut() -> Result<Tensor, Error>,
) -> Result<f64, Error> {
    const ROUNDS: usize = 3;
    let (rounds, each) = if device.is_cuda() { (ROUNDS, steps) } else { (steps, 1) };
    // A CUDA graph is recorded in one of the first steps.
    for _ in 0..WARM_UP.max(if device.is_cuda() { graphed::WARM_UP + 1 } else { 0 }) {
        let _ = step()?.double_value(&[]);
    }
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        let mut last = Tensor::new();
        for _ in 0..each {
            last = step()?;
        }
        let _ = last.double_value(&[]);
        times.push(started.elapsed().as_secs_f64() / each as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
