//! Times a few steps of a trial, for the cost estimates of a plan. The only file that is written is a
//! checkpoint, which is removed again.

use crate::evaluate::{BATCH, Evaluator};
use crate::images::{Target, augment, is_resident, source, wanted};
use crate::trial::{TrialOptions, fresh_net, train_at};
use crate::{RecipeStep, checkpoint, environment};
use res2lab_data::{DataSet, EpochPlan, Shard, Source, Split, order};
use res2lab_error::Error;
use res2lab_experiment::TrialSpec;
use res2lab_nn::Net;
use res2lab_store::{PlannedTrial, Timing};
use std::time::{Duration, Instant};
use tch::Kind;

/// The least time over which steps are timed; at least three are timed in any case.
const ENOUGH: Duration = Duration::from_millis(1500);
/// Steps before the timing begins. A CUDA graph is recorded in the step after its own warm-up.
const WARM_UP: usize = res2lab_nn::graphed::WARM_UP + 1;
/// The most multiply-adds of a forward pass that is timed on a CPU. Large networks are timed on
/// fewer images than a batch has.
const MOST_MACS: u64 = 30_000_000_000;

/// Times steps, an evaluation and a checkpoint. The caller sets `startup_s`, which includes the
/// start of the process. The second value is the duration of the timing itself in seconds.
pub fn time(trial: &PlannedTrial, options: &TrialOptions) -> Result<(Timing, f64), Error> {
    let spec = &trial.spec;
    crate::trial::use_device(options, spec.train.precision)?;
    let mut net = fresh_net(trial, options)?;
    let res2lab_nn::Placement { device, kind, .. } = net.placement();
    let part = part(trial, options);
    let (set, data) = images(trial, options, part)?;
    let augment = augment(&data, is_resident(&data, &set));
    let mut source =
        source(&data, set, trial.image_px, Target { device, kind, threads: options.threads })?;

    let begun = Instant::now();
    let per_part = mean_step(&mut net, &mut *source, spec, augment, part)?;
    let evaluation_s = evaluation(&net, &mut *source)?;
    let save_s = save(&net)?;
    let timing = Timing {
        // One process runs the parts of a step one after the other. Communication between processes
        // is not included.
        step_s: per_part * (spec.train.batch_size / spec.train.devices_per_trial) as f64
            / part as f64,
        evaluation_s,
        save_s,
        startup_s: 0.0,
        memory_mib: environment::peak_memory_mib(),
        gpu_memory_mib: environment::gpu_memory_mib(device),
        slot_ratio: None,
    };
    Ok((timing, begun.elapsed().as_secs_f64()))
}

/// The images of a timed batch.
fn part(trial: &PlannedTrial, options: &TrialOptions) -> usize {
    let train = &trial.spec.train;
    let part = train.batch_size / (train.accumulate * train.devices_per_trial);
    if options.device.is_cuda() {
        part
    } else {
        part.min((MOST_MACS / trial.macs.max(1)).max(2) as usize)
    }
}

/// The trial's images, or generated ones if the data set is not on this machine.
fn images(
    trial: &PlannedTrial,
    options: &TrialOptions,
    part: usize,
) -> Result<(DataSet, res2lab_experiment::DataSpec), Error> {
    let data = trial.spec.data.clone();
    if let Ok(set) = res2lab_data::open(&wanted(&data, &options.data)) {
        return Ok((set, data));
    }
    let size = Some(trial.image_px);
    let images = Some(2 * part.max(64));
    let data = res2lab_experiment::DataSpec {
        name: "generated".into(),
        path: None,
        size,
        images,
        cache_px: None,
        pad_to: None,
        ..data
    };
    Ok((res2lab_data::open(&wanted(&data, &options.data))?, data))
}

/// The mean time of a batch of `part` images over all epochs, whose images may differ in size.
fn mean_step(
    net: &mut Net,
    source: &mut dyn Source,
    spec: &TrialSpec,
    augment: res2lab_data::Augment,
    part: usize,
) -> Result<f64, Error> {
    let train = &spec.train;
    let mut seconds = 0.0;
    for (side, epochs) in train.epochs_by_side() {
        train_at(net, &spec.model, side, train)?;
        let augment = res2lab_data::Augment { side, ..augment };
        let share = epochs as f64 / train.epochs as f64;
        seconds += share * steps(net, source, spec, augment, part)?;
    }
    Ok(seconds)
}

/// The mean time of a batch of `part` images, in the order of an epoch.
fn steps(
    net: &mut Net,
    source: &mut dyn Source,
    spec: &TrialSpec,
    augment: res2lab_data::Augment,
    part: usize,
) -> Result<f64, Error> {
    let mut step = RecipeStep::of(net, spec)?;
    let mut count = 0;
    let mut started = Instant::now();
    for epoch in 0.. {
        let batches = order::training_batches(
            source.len(Split::Train),
            spec.seed,
            epoch,
            part,
            Shard::WHOLE,
            0,
        );
        source.begin(EpochPlan {
            split: Split::Train,
            batches,
            augment: Some((augment, order::epoch_key(spec.seed, epoch))),
        })?;
        while let Some(batch) = source.next_batch()? {
            // Waits for the device.
            let _ = step.run(net, batch)?.double_value(&[]);
            count += 1;
            if count == WARM_UP {
                started = Instant::now();
            }
            let timed = count.saturating_sub(WARM_UP);
            if timed >= 3 && started.elapsed() >= ENOUGH {
                return Ok(started.elapsed().as_secs_f64() / timed as f64);
            }
        }
    }
    Ok(f64::NAN)
}

/// The mean time per test image in an evaluation.
fn evaluation(net: &Net, source: &mut dyn Source) -> Result<f64, Error> {
    let macs = res2lab_arch::cost(net.graph()).macs.max(1);
    let batch = BATCH.min(source.len(Split::Test)).min((MOST_MACS / macs).max(2) as usize);
    let batches = order::evaluation_batches(source.len(Split::Test), batch, Shard::WHOLE);
    source.begin(EpochPlan { split: Split::Test, batches, augment: None })?;
    let mut evaluator = Evaluator::new(net, batch);
    let mut images = 0;
    let mut seconds = 0.0;
    let mut started = Instant::now();
    for turn in 0..4 {
        let Some(batch) = source.next_batch()? else { break };
        let logits = evaluator.logits(&batch.images);
        let _ = logits.sum(Kind::Float).double_value(&[]);
        // The first batch is a warm-up, unless it is the only one.
        if turn > 0 || source.len(Split::Test) <= batch.indices.len() {
            images += batch.indices.len();
            seconds += started.elapsed().as_secs_f64();
        }
        started = Instant::now();
    }
    Ok(if images > 0 { seconds / images as f64 } else { 0.0 })
}

/// The time of writing a checkpoint.
fn save(net: &Net) -> Result<f64, Error> {
    let path =
        std::env::temp_dir().join(format!("res2lab-timing-{}.safetensors", std::process::id()));
    let started = Instant::now();
    let saved = checkpoint::save(&path, net.params(), &checkpoint::State::default());
    let seconds = started.elapsed().as_secs_f64();
    let _ = std::fs::remove_file(&path);
    saved.map(|()| seconds)
}
