//! Columns of the Parquet table of trials: name, meaning and value.

use crate::{TrialResult, TrialRow};
use Read::{Count, Flag, Real, Text};
use res2lab_arch::ModelSpec;
use res2lab_experiment::{DataSpec, Optimizer, TrainSpec};
use serde::Serialize;
use serde_json::Value;

/// The accessor of a column. A column has the same type in all sweeps, so that tables of several
/// sweeps can be concatenated.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Text(fn(&TrialRow) -> Option<String>),
    Count(fn(&TrialRow) -> Option<u64>),
    Real(fn(&TrialRow) -> Option<f64>),
    Flag(fn(&TrialRow) -> Option<bool>),
}

/// Name, meaning and accessor of a column.
pub(super) type Column = (&'static str, &'static str, Read);

/// The fixed columns. One column per final metric follows them.
pub const TRIAL_COLUMNS: &[Column] = &[
    (
        "id",
        "readable name and hash of what differs from the defaults; the run's folder",
        Text(|r| text(&r.planned.id)),
    ),
    ("arm", "shared by the seeds of one arm", Text(|r| text(&r.planned.arm))),
    ("label", "what tells the arm from the others", Text(|r| text(&r.planned.label))),
    (
        "seed",
        "of initial weights, order of images and augmentation",
        Count(|r| Some(r.planned.spec.seed)),
    ),
    (
        "status",
        "done, diverged, stopped early, failed, running, interrupted or pending",
        Text(|r| text(r.status.name())),
    ),
    (
        "reason",
        "why it did not end well",
        Text(|r| text(&r.reason).filter(|reason| !reason.is_empty())),
    ),
    (
        "changed",
        "what is not as the spec says, after running out of memory",
        Text(|r| result(r).and_then(|x| text(&x.changed)).filter(|changed| !changed.is_empty())),
    ),
    ("attempts", "times it was started", Count(|r| Some(r.attempts.into()))),
    ("family", "resnet or dla", Text(|r| word(&model(r).family))),
    ("block", "bottleneck or res2", Text(|r| word(&model(r).block))),
    ("stem", "imagenet, deep or cifar", Text(|r| word(&model(r).stem))),
    ("stem_stride", "stride of the cifar stem", Count(|r| count(model(r).stem_stride))),
    (
        "depth",
        "weighted layers on the longest chain; not for dla",
        Count(|r| model(r).depth().and_then(count)),
    ),
    ("blocks", "blocks (dla: tree levels) per stage", Text(|r| word(&model(r).blocks))),
    ("planes", "planes of the first stage", Count(|r| count(model(r).planes))),
    ("width", "base width w", Count(|r| count(model(r).width))),
    ("cardinality", "groups of a 3x3 convolution", Count(|r| count(model(r).cardinality))),
    ("scale", "splits s", Count(|r| count(model(r).scale))),
    ("downsample", "conv or avg", Text(|r| word(&model(r).downsample))),
    ("first_block", "pool or grouped", Text(|r| word(&model(r).first_block))),
    ("se", "squeeze-and-excitation", Flag(|r| Some(model(r).se))),
    (
        "output_stride",
        "pixels between features of the last stage; empty where nothing is dilated",
        Count(|r| model(r).output_stride.and_then(count)),
    ),
    ("data", "data set", Text(|r| text(&data(r).name))),
    (
        "crop_pad_px",
        "random crops from this much padding",
        Count(|r| count(data(r).augment.crop_pad)),
    ),
    ("flip", "random mirroring", Flag(|r| Some(data(r).augment.flip))),
    (
        "random_resized_crop",
        "random parts, resized",
        Flag(|r| Some(data(r).augment.random_resized_crop)),
    ),
    (
        "color_jitter",
        "strength of random changes of color",
        Real(|r| Some(data(r).augment.color_jitter)),
    ),
    (
        "auto_augment",
        "operations on images, in timm's notation",
        Text(|r| data(r).augment.auto.as_ref().map(ToString::to_string)),
    ),
    (
        "grayscale",
        "probability that an image becomes gray",
        Real(|r| Some(data(r).augment.grayscale)),
    ),
    (
        "interpolation",
        "of training images: bilinear, bicubic or random",
        Text(|r| word(&data(r).augment.interpolation)),
    ),
    ("repeats", "times that an image comes in an epoch", Count(|r| count(data(r).augment.repeats))),
    ("erase", "probability of random erasing; 0 is off", Real(|r| Some(data(r).augment.erase))),
    ("pad_to_px", "side that images were padded to", Count(|r| data(r).pad_to.and_then(count))),
    ("image_px", "side of an image", Count(|r| count(r.planned.image_px))),
    ("classes", "length of the logits", Count(|r| count(r.planned.classes))),
    ("epochs", "passes over the training images", Count(|r| count(train(r).epochs))),
    ("sizes", "sides of training images in pixels, over the epochs", Text(sizes)),
    ("batch_size", "images of one optimizer step", Count(|r| count(train(r).batch_size))),
    (
        "accumulate",
        "batches whose gradients one optimizer step averages",
        Count(|r| count(train(r).accumulate)),
    ),
    (
        "devices_per_trial",
        "processes that train one trial together",
        Count(|r| count(train(r).devices_per_trial)),
    ),
    ("sync_bn", "batch norm over the images of all processes", Flag(|r| Some(train(r).sync_bn))),
    ("optimizer", "sgd, adamw, lamb or rmsprop_tf", Text(|r| text(train(r).optimizer.name()))),
    ("lr", "peak learning rate", Real(|r| Some(train(r).optimizer.lr()))),
    (
        "momentum",
        "of the optimizer, or the first of its betas; one_cycle replaces it",
        Real(|r| Some(train(r).optimizer.momentum())),
    ),
    ("nesterov", "look-ahead of sgd", Flag(nesterov)),
    ("weight_decay", "of the optimizer", Real(|r| Some(train(r).optimizer.decay().0))),
    ("decay_on", "what decays: all or weights", Text(|r| word(&train(r).optimizer.decay().1))),
    (
        "layer_decay",
        "factor of the learning rate from a layer to the one before; 1 is off",
        Real(|r| Some(train(r).layer_decay)),
    ),
    ("schedule", "of the learning rate", Text(|r| word(&train(r).schedule))),
    ("loss", "what training minimized", Text(|r| word(&train(r).loss))),
    (
        "label_smoothing",
        "weight of the uniform distribution in the targets",
        Real(|r| Some(train(r).label_smoothing)),
    ),
    (
        "clip_norm",
        "largest norm of the gradient; 0 is no limit",
        Real(|r| Some(train(r).clip_norm)),
    ),
    (
        "clip_value",
        "largest element of the gradient; 0 is no limit",
        Real(|r| Some(train(r).clip_value)),
    ),
    (
        "clip_agc",
        "largest share of the gradient's norm in the weights'; 0 is no limit",
        Real(|r| Some(train(r).clip_agc)),
    ),
    ("mixup", "alpha of mixup; 0 is off", Real(|r| Some(train(r).mixup))),
    ("cutmix", "alpha of CutMix; 0 is off", Real(|r| Some(train(r).cutmix))),
    ("mix_prob", "share of what mixup or CutMix changes", Real(|r| Some(train(r).mix_prob))),
    ("mix_switch_prob", "share of CutMix beside mixup", Real(|r| Some(train(r).mix_switch_prob))),
    ("mix_mode", "batch, pair or elem", Text(|r| word(&train(r).mix_mode))),
    (
        "drop_path",
        "probability that the last block's branch is dropped; 0 is off",
        Real(|r| Some(train(r).drop_path)),
    ),
    (
        "dropout",
        "probability that a feature before the head is dropped; 0 is off",
        Real(|r| Some(train(r).dropout)),
    ),
    (
        "ema",
        "decay of the weights' moving average, which is what is evaluated; 0 is off",
        Real(|r| Some(train(r).ema)),
    ),
    ("ema_warmup", "how the decay begins", Text(|r| word(&train(r).ema_warmup))),
    ("max_minutes", "limit of training time; 0 is none", Real(|r| Some(train(r).max_minutes))),
    (
        "init_weights",
        "weights that training started from",
        Text(|r| r.planned.spec.init.weights.clone()),
    ),
    ("precision", "arithmetic", Text(|r| word(&train(r).precision))),
    ("plain", "trained by libtorch's operators and autograd", Flag(|r| Some(train(r).plain))),
    (
        "eval_every_epochs",
        "epochs from one evaluation to the next",
        Count(|r| count(train(r).eval_every)),
    ),
    ("parameters", "trained values", Count(|r| Some(r.planned.parameters))),
    ("macs", "multiply-adds for one image", Count(|r| Some(r.planned.macs))),
    (
        "activations",
        "outputs of convolutions and linear layers for one image",
        Count(|r| Some(r.planned.activations)),
    ),
    (
        "rf_min_px",
        "smallest receptive field over paths, last stage",
        Count(|r| Some(r.planned.rf_min_px)),
    ),
    ("rf_max_px", "largest receptive field, last stage", Count(|r| Some(r.planned.rf_max_px))),
    (
        "predicted_wall_s",
        "wall time that the plan predicted, seconds",
        Real(|r| r.planned.cost_estimate.as_ref().map(|p| p.wall_s)),
    ),
    ("steps", "optimizer steps made", Count(|r| result(r).map(|x| x.steps))),
    ("step_ms", "median time of a step, milliseconds", Real(|r| result(r)?.step_ms)),
    (
        "images_per_s",
        "training images per second, evaluation left out",
        Real(|r| result(r)?.images_per_s),
    ),
    ("wall_s", "wall time, seconds", Real(|r| result(r).map(|x| x.wall_s))),
    (
        "peak_memory_mib",
        "largest resident memory, MiB",
        Real(|r| result(r).map(|x| x.peak_memory_mib)),
    ),
    (
        "gpu_memory_mib",
        "largest memory of tensors on a GPU, MiB",
        Real(|r| result(r)?.gpu_memory_mib),
    ),
    ("device", "cpu, or the GPU's name", Text(|r| result(r).and_then(|x| text(&x.device)))),
    ("threads", "of libtorch", Count(|r| result(r).and_then(|x| count(x.threads)))),
    (
        "engine",
        "implementation of the training step: planned, autograd or cuda_graph",
        Text(|r| result(r).and_then(|x| text(&x.engine))),
    ),
    ("layout", "memory layout of activations", Text(|r| result(r).and_then(|x| text(&x.layout)))),
    ("version", "of res2lab", Text(|r| result(r).and_then(|x| text(&x.code.version)))),
    ("commit", "of res2lab", Text(|r| result(r).and_then(|x| text(&x.code.commit)))),
    ("finished_s", "Unix time of the end, seconds", Real(|r| result(r).map(|x| x.finished_s))),
];

fn model(row: &TrialRow) -> &ModelSpec {
    &row.planned.spec.model
}

fn data(row: &TrialRow) -> &DataSpec {
    &row.planned.spec.data
}

fn train(row: &TrialRow) -> &TrainSpec {
    &row.planned.spec.train
}

fn sizes(row: &TrialRow) -> Option<String> {
    let sizes = &train(row).sizes;
    (!sizes.is_empty()).then(|| format!("{sizes:?}"))
}

fn nesterov(row: &TrialRow) -> Option<bool> {
    match train(row).optimizer {
        Optimizer::Sgd { nesterov, .. } => Some(nesterov),
        _ => None,
    }
}

fn result(row: &TrialRow) -> Option<&TrialResult> {
    row.result.as_ref()
}

fn text(s: &str) -> Option<String> {
    Some(s.to_owned())
}

fn count(n: usize) -> Option<u64> {
    Some(n as u64)
}

/// A value as in the experiment file: names without quotes, anything else as JSON.
fn word(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value).ok()? {
        Value::Null => None,
        Value::String(name) => Some(name),
        other => Some(other.to_string()),
    }
}
