//! The columns of the trials table, one line each: name, meaning, value.

use crate::TrialRow;
use serde_json::Value;
use spec::Optimizer;

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    Count(u64),
    Flag(bool),
    Missing,
}

/// Name, meaning and value of a column.
pub type Column = (&'static str, &'static str, fn(&TrialRow) -> Cell);

/// The fixed columns; one per final metric follows them.
pub const TRIAL_COLUMNS: &[Column] = &[
    ("id", "readable name and hash of what differs from the defaults; the run's folder", |r| text(&r.planned.id)),
    ("arm", "shared by the seeds of one arm", |r| text(&r.planned.arm)),
    ("label", "what tells the arm from the others", |r| text(&r.planned.label)),
    ("seed", "of initial weights, order of images and augmentation", |r| Cell::Count(r.planned.spec.seed)),
    ("status", "done, diverged, failed, running, interrupted or pending", |r| text(r.status.name())),
    ("reason", "why it did not end well", |r| if r.reason.is_empty() { Cell::Missing } else { text(&r.reason) }),
    ("attempts", "times it was started", |r| Cell::Count(u64::from(r.attempts))),
    ("family", "resnet or dla", |r| model(r, "family")),
    ("block", "bottleneck or res2", |r| model(r, "block")),
    ("stem", "imagenet, deep or cifar", |r| model(r, "stem")),
    ("stem_stride", "stride of the cifar stem", |r| model(r, "stem_stride")),
    ("depth", "weighted layers on the longest chain; not for dla", |r| {
        r.planned.spec.model.depth().map_or(Cell::Missing, |d| Cell::Count(d as u64))
    }),
    ("blocks", "blocks (dla: tree levels) per stage", |r| model(r, "blocks")),
    ("planes", "planes of the first stage", |r| model(r, "planes")),
    ("width", "base width w", |r| model(r, "width")),
    ("cardinality", "groups of a 3x3 convolution", |r| model(r, "cardinality")),
    ("scale", "splits s", |r| model(r, "scale")),
    ("downsample", "conv or avg", |r| model(r, "downsample")),
    ("first_block", "pool or grouped", |r| model(r, "first_block")),
    ("se", "squeeze-and-excitation", |r| model(r, "se")),
    ("data", "data set", |r| text(&r.planned.spec.data.name)),
    ("crop_pad_px", "random crops from this much padding", |r| {
        Cell::Count(r.planned.spec.data.augment.crop_pad as u64)
    }),
    ("flip", "random mirroring", |r| Cell::Flag(r.planned.spec.data.augment.flip)),
    ("image_px", "side of an image", |r| Cell::Count(r.planned.image_px as u64)),
    ("classes", "length of the logits", |r| Cell::Count(r.planned.classes as u64)),
    ("epochs", "passes over the training images", |r| train(r, "epochs")),
    ("batch_size", "images of one optimizer step", |r| train(r, "batch_size")),
    ("lr", "peak learning rate", |r| sgd(r).0),
    ("momentum", "of the optimizer; one_cycle replaces it", |r| sgd(r).1),
    ("nesterov", "look-ahead", |r| sgd(r).2),
    ("weight_decay", "L2 decay", |r| sgd(r).3),
    ("schedule", "of the learning rate", |r| train(r, "schedule")),
    ("label_smoothing", "weight of the uniform distribution in the targets", |r| train(r, "label_smoothing")),
    ("precision", "arithmetic", |r| train(r, "precision")),
    ("parameters", "trained values", |r| Cell::Count(r.planned.parameters)),
    ("macs", "multiply-adds for one image", |r| Cell::Count(r.planned.macs)),
    ("activations", "outputs of convolutions and linear layers for one image", |r| Cell::Count(r.planned.activations)),
    ("rf_min_px", "smallest receptive field over paths, last stage", |r| Cell::Count(r.planned.rf_min_px)),
    ("rf_max_px", "largest receptive field, last stage", |r| Cell::Count(r.planned.rf_max_px)),
    ("steps", "optimizer steps made", |r| result(r, |x| Cell::Count(x.steps))),
    ("step_ms", "median time of a step, milliseconds", |r| result(r, |x| Cell::Number(x.step_ms))),
    ("images_per_s", "training images per second, evaluation left out", |r| {
        result(r, |x| Cell::Number(x.images_per_s))
    }),
    ("wall_s", "wall time, seconds", |r| result(r, |x| Cell::Number(x.wall_s))),
    ("peak_memory_mib", "largest resident memory, MiB", |r| result(r, |x| Cell::Number(x.peak_memory_mib))),
    ("device", "cpu or cuda:N", |r| result(r, |x| text(&x.device))),
    ("threads", "of libtorch", |r| result(r, |x| Cell::Count(x.threads as u64))),
    ("layout", "memory layout of activations", |r| result(r, |x| text(&x.layout))),
    ("version", "of res2lab", |r| result(r, |x| text(&x.code.version))),
    ("commit", "of res2lab", |r| result(r, |x| text(&x.code.commit))),
    ("finished_s", "Unix time of the end, seconds", |r| result(r, |x| Cell::Number(x.finished_s))),
];

fn text(s: &str) -> Cell {
    Cell::Text(s.to_owned())
}

fn result(row: &TrialRow, value: impl Fn(&crate::TrialResult) -> Cell) -> Cell {
    row.result.as_ref().map_or(Cell::Missing, value)
}

fn model(row: &TrialRow, field: &str) -> Cell {
    of_json(serde_json::to_value(&row.planned.spec.model).unwrap_or_default().get(field))
}

fn train(row: &TrialRow, field: &str) -> Cell {
    of_json(serde_json::to_value(&row.planned.spec.train).unwrap_or_default().get(field))
}

fn sgd(row: &TrialRow) -> (Cell, Cell, Cell, Cell) {
    let Optimizer::Sgd { lr, momentum, nesterov, weight_decay } = row.planned.spec.train.optimizer;
    (Cell::Number(lr), Cell::Number(momentum), Cell::Flag(nesterov), Cell::Number(weight_decay))
}

fn of_json(value: Option<&Value>) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Missing,
        Some(Value::Bool(b)) => Cell::Flag(*b),
        Some(Value::String(s)) => Cell::Text(s.clone()),
        Some(Value::Number(n)) => n.as_u64().map_or_else(|| Cell::Number(n.as_f64().unwrap_or(f64::NAN)), Cell::Count),
        Some(other) => Cell::Text(other.to_string()),
    }
}
