//! `res2lab speed`: images/s of a network's training step, or of its evaluation, on random images.

use crate::args::{SpeedArgs, SpeedOf};
use crate::print;
use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_lab::network::{Words, machine, published_input};
use res2lab_nn::{
    Conditions, Engine, Inference, Mode, Net, Placement, Rates, Sgd, Targets, init, step,
};
use res2lab_train::environment::peak_memory_mib;
use serde::Serialize;
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
    peak_rss_mib: f64,
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
    let threads = args.threads.unwrap_or_else(|| res2lab_sweep::local::available_cores().len());
    tch::set_num_threads(threads as i32);
    let graph = res2lab_arch::build(&model, input)?;
    let device = Device::cuda_if_available();
    let kind = Kind::Float;
    let conditions =
        Conditions { plain: args.plain, cuda_graph: args.cuda_graph, ..Conditions::on(device) };
    let engine = Engine::choose(&conditions).0;
    let placement = Placement::new(engine, &graph, device, kind);
    let mut net = Net::new(graph, placement).map_err(res2lab_lab::network::input)?;
    init::init(net.params_mut(), 0);
    let shape = [args.batch, input.channels, px, px].map(|n| n as i64);
    let images = net.prepare(&Tensor::randn(shape, (kind, device)));
    let seconds = match args.what {
        SpeedOf::Train => training(args, &mut net, &images, input.classes)?,
        SpeedOf::Infer => evaluation(args, &net, &images)?,
    };
    let speed = Speed {
        what: if args.what == SpeedOf::Train { "train" } else { "infer" },
        batch: args.batch,
        size: px,
        threads,
        device: res2lab_train::environment::device_name(device),
        layout: placement.layout.name(),
        engine: engine.name(),
        vectors: vectors.level.name(),
        images_per_s: args.batch as f64 / seconds,
        step_ms: 1000.0 * seconds,
        peak_rss_mib: peak_memory_mib(),
    };
    if args.json {
        print::json(&speed);
    } else {
        print::line(&format!(
            "{:.1} images/s, {:.2} ms a step, {:.0} MiB at most",
            speed.images_per_s, speed.step_ms, speed.peak_rss_mib
        ));
    }
    Ok(0)
}

/// Forward, backward, update, as the trainer does them.
fn training(
    args: &SpeedArgs,
    net: &mut Net,
    images: &Tensor,
    classes: usize,
) -> Result<f64, Error> {
    let labels: Vec<i64> = (0..args.batch).map(|i| (i % classes) as i64).collect();
    let targets = Targets::plain(Tensor::from_slice(&labels).to_device(net.placement().device));
    let mut step = step::of_engine(net, 0.1).map_err(|e| machine(&e.cause))?;
    let sgd = Sgd { weight_decay: 1e-4, decay_weights_only: false, nesterov: false };
    let mut first = true;
    median(args.steps, || {
        let out = step.forward_backward(net, images, &targets, res2lab_nn::GradScale::ONE);
        sgd.step(net.params_mut(), Rates { lr: 0.1, momentum: 0.9 }, first, None)
            .map_err(|e| machine(&e.cause))?;
        first = false;
        let _ = out.loss.double_value(&[]);
        Ok(())
    })
}

fn evaluation(args: &SpeedArgs, net: &Net, images: &Tensor) -> Result<f64, Error> {
    let mut folded = (!args.plain && Inference::fits(net)).then(|| Inference::new(net, args.batch));
    median(args.steps, || {
        let logits = match &mut folded {
            None => tch::no_grad(|| net.logits(images, Mode::Eval)),
            Some(folded) => folded.logits(images),
        };
        let _ = logits.double_value(&[0, 0]);
        Ok(())
    })
}

/// The median time of a step, seconds.
fn median(steps: usize, mut step: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let mut times = Vec::with_capacity(steps);
    for _ in 0..steps {
        let started = Instant::now();
        step()?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
