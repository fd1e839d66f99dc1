//! Every configuration field that an override can name, with its path and type. Values in another
//! notation of the same type (a number in quotes, `1e1` for 10, `True`, `none`) are converted.

use crate::Value;
use crate::axes::show;
use serde_yaml::{Mapping, Number};

/// The type of a configuration field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer.
    Whole,
    /// A real number.
    Real,
    /// true or false.
    Flag,
    /// Any text, as written.
    Text,
    /// One of a few names.
    Name,
    /// A list of integers.
    Wholes,
    /// A list of real numbers.
    Reals,
    /// A section with fields of its own; an empty section is treated as missing.
    Section,
    /// A name or a map, such as a schedule.
    Other,
}

impl Kind {
    /// The type in words.
    pub fn name(self) -> &'static str {
        match self {
            Whole => "whole number",
            Real => "number",
            Flag => "true or false",
            Text => "text",
            Name => "name",
            Wholes => "whole numbers",
            Reals => "numbers",
            Section => "section",
            Other => "name, list or map",
        }
    }
}

/// Path, type, and whether the field can be unset with `none`.
pub type Field = (&'static str, Kind, bool);

use Kind::{Flag, Name, Other, Real, Reals, Section, Text, Whole, Wholes};

/// The fields, in the order of a file.
pub const FIELDS: &[Field] = &[
    ("name", Text, false),
    ("description", Text, false),
    ("model", Section, false),
    ("model.zoo", Text, true),
    ("model.family", Name, true),
    ("model.block", Name, true),
    ("model.stem", Name, true),
    ("model.stem_stride", Whole, true),
    ("model.depth", Whole, true),
    ("model.blocks", Wholes, true),
    ("model.planes", Whole, true),
    ("model.width", Whole, true),
    ("model.cardinality", Whole, true),
    ("model.scale", Whole, true),
    ("model.downsample", Name, true),
    ("model.first_block", Name, true),
    ("model.se", Flag, true),
    ("model.head", Name, true),
    ("model.output_stride", Whole, true),
    ("model.pyramid_channels", Whole, true),
    ("model.segmentation_channels", Whole, true),
    ("model.merge_policy", Name, true),
    ("model.decoder_channels", Wholes, true),
    ("model.atrous_rates", Wholes, true),
    ("model.aspp_separable", Flag, true),
    ("model.head_dropout", Real, true),
    ("init", Section, false),
    ("init.weights", Text, true),
    ("data", Section, false),
    ("data.name", Text, false),
    ("data.path", Text, true),
    ("data.augment", Section, false),
    ("data.augment.crop_pad", Whole, false),
    ("data.augment.flip", Flag, false),
    ("data.augment.random_resized_crop", Flag, false),
    ("data.augment.crop_scale", Reals, false),
    ("data.augment.crop_ratio", Reals, false),
    ("data.augment.color_jitter", Real, false),
    ("data.augment.auto", Text, true),
    ("data.augment.grayscale", Real, false),
    ("data.augment.interpolation", Name, false),
    ("data.augment.repeats", Whole, false),
    ("data.augment.erase", Real, false),
    ("data.augment.erase_mode", Name, false),
    ("data.augment.erase_count", Whole, false),
    ("data.pad_to", Whole, true),
    ("data.size", Whole, true),
    ("data.resize", Whole, true),
    ("data.normalize", Name, false),
    ("data.cache_px", Whole, true),
    ("data.max_corrupt", Whole, false),
    ("data.images", Whole, true),
    ("data.classes", Whole, true),
    ("data.shuffle_labels", Flag, false),
    ("train", Section, false),
    ("train.epochs", Whole, false),
    ("train.sizes", Wholes, false),
    ("train.batch_size", Whole, false),
    ("train.accumulate", Whole, false),
    ("train.devices_per_trial", Whole, false),
    ("train.sync_bn", Flag, false),
    ("train.optimizer", Other, false),
    ("train.optimizer.lr", Real, false),
    ("train.optimizer.sgd", Other, false),
    ("train.optimizer.sgd.lr", Real, false),
    ("train.optimizer.sgd.momentum", Real, false),
    ("train.optimizer.sgd.nesterov", Flag, false),
    ("train.optimizer.sgd.weight_decay", Real, false),
    ("train.optimizer.sgd.decay_on", Name, false),
    ("train.optimizer.adamw", Other, false),
    ("train.optimizer.adamw.lr", Real, false),
    ("train.optimizer.adamw.betas", Reals, false),
    ("train.optimizer.adamw.eps", Real, false),
    ("train.optimizer.adamw.weight_decay", Real, false),
    ("train.optimizer.adamw.decay_on", Name, false),
    ("train.optimizer.lamb", Other, false),
    ("train.optimizer.lamb.lr", Real, false),
    ("train.optimizer.lamb.betas", Reals, false),
    ("train.optimizer.lamb.eps", Real, false),
    ("train.optimizer.lamb.weight_decay", Real, false),
    ("train.optimizer.lamb.decay_on", Name, false),
    ("train.optimizer.lamb.max_grad_norm", Real, false),
    ("train.optimizer.lamb.trust_clip", Flag, false),
    ("train.optimizer.lamb.always_adapt", Flag, false),
    ("train.optimizer.rmsprop_tf", Other, false),
    ("train.optimizer.rmsprop_tf.lr", Real, false),
    ("train.optimizer.rmsprop_tf.alpha", Real, false),
    ("train.optimizer.rmsprop_tf.eps", Real, false),
    ("train.optimizer.rmsprop_tf.momentum", Real, false),
    ("train.optimizer.rmsprop_tf.weight_decay", Real, false),
    ("train.optimizer.rmsprop_tf.decay_on", Name, false),
    ("train.layer_decay", Real, false),
    ("train.schedule", Other, false),
    ("train.schedule.step", Other, false),
    ("train.schedule.step.every", Whole, false),
    ("train.schedule.step.gamma", Real, false),
    ("train.schedule.multi_step", Other, false),
    ("train.schedule.multi_step.at", Wholes, false),
    ("train.schedule.multi_step.gamma", Real, false),
    ("train.schedule.cosine", Other, false),
    ("train.schedule.cosine.warmup_epochs", Whole, false),
    ("train.schedule.cosine.warmup_lr", Real, false),
    ("train.schedule.cosine.min_lr", Real, false),
    ("train.schedule.cosine.cooldown_epochs", Whole, false),
    ("train.schedule.cosine.cycles", Whole, false),
    ("train.schedule.cosine.cycle_decay", Real, false),
    ("train.schedule.cosine.from_start", Flag, false),
    ("train.schedule.cosine.per_epoch", Flag, false),
    ("train.schedule.polynomial", Other, false),
    ("train.schedule.polynomial.power", Real, false),
    ("train.schedule.polynomial.warmup_epochs", Whole, false),
    ("train.schedule.polynomial.warmup_lr", Real, false),
    ("train.schedule.polynomial.min_lr", Real, false),
    ("train.schedule.polynomial.cooldown_epochs", Whole, false),
    ("train.schedule.polynomial.cycles", Whole, false),
    ("train.schedule.polynomial.cycle_decay", Real, false),
    ("train.schedule.polynomial.from_start", Flag, false),
    ("train.schedule.polynomial.per_epoch", Flag, false),
    ("train.loss", Other, false),
    ("train.loss.bce", Other, false),
    ("train.loss.bce.threshold", Real, false),
    ("train.loss.bce.sum_classes", Flag, false),
    ("train.loss.focal", Other, false),
    ("train.loss.focal.gamma", Real, false),
    ("train.class_weights", Reals, false),
    ("train.label_smoothing", Real, false),
    ("train.clip_norm", Real, false),
    ("train.clip_value", Real, false),
    ("train.clip_agc", Real, false),
    ("train.mixup", Real, false),
    ("train.cutmix", Real, false),
    ("train.mix_prob", Real, false),
    ("train.mix_switch_prob", Real, false),
    ("train.mix_mode", Name, false),
    ("train.drop_path", Real, false),
    ("train.dropout", Real, false),
    ("train.ema", Real, false),
    ("train.ema_warmup", Name, false),
    ("train.eval_every", Whole, false),
    ("train.log_every", Whole, false),
    ("train.precision", Name, false),
    ("train.plain", Flag, false),
    ("train.cuda_graph", Name, false),
    ("train.fused_evaluation", Name, false),
    ("train.layout", Name, false),
    ("train.max_minutes", Real, false),
    ("seed", Whole, false),
    ("seeds", Wholes, false),
    ("seeds.min", Whole, false),
    ("seeds.max", Whole, false),
    ("seeds.half_width", Real, false),
    ("axes", Section, false),
    ("arms", Section, false),
    ("one_at_a_time", Section, false),
    ("compare", Other, false),
    ("against", Section, false),
    ("baseline", Text, false),
    ("margin", Real, false),
    ("keep", Name, false),
    ("early_stop", Section, false),
    ("early_stop.asha.rungs", Wholes, false),
    ("early_stop.asha.reduction", Whole, false),
    ("executor", Section, false),
    ("executor.slurm.partition", Text, false),
    ("executor.slurm.time", Text, false),
    ("executor.slurm.gres", Text, false),
    ("executor.slurm.cpus", Whole, false),
    ("executor.slurm.mem", Text, false),
    ("executor.slurm.account", Text, false),
    ("executor.slurm.qos", Text, false),
    ("executor.slurm.nodes", Whole, false),
    ("executor.slurm.array_limit", Whole, false),
    ("executor.slurm.trials_per_job", Whole, false),
    ("executor.slurm.slots_per_job", Whole, false),
    ("executor.slurm.signal_s", Whole, false),
    ("executor.slurm.setup", Text, false),
    ("executor.slurm.options", Other, false),
    ("reference", Section, false),
    ("reference.source", Text, false),
    ("reference.top1_error", Section, false),
];

/// The type of the field at `path`; `None` if there is no such field.
pub fn kind(path: &str) -> Option<Kind> {
    find(path).map(|(_, kind, _)| kind)
}

fn find(path: &str) -> Option<Field> {
    FIELDS.iter().find(|(known, ..)| *known == path).copied()
}

/// Converts `value` to the type of the field at `path`. Values that cannot be converted are
/// returned unchanged and refused later. Text that was quoted on the command line is never `none`.
pub fn fit(path: &str, value: Value, is_quoted: bool) -> Value {
    let Some((_, kind, can_be_none)) = find(path) else { return value };
    let is_none = |text: &str| {
        !is_quoted && ["none", "null", "~"].contains(&text.trim().to_lowercase().as_str())
    };
    if can_be_none && value.as_str().is_some_and(is_none) {
        return Value::Null;
    }
    match (kind, value) {
        (Whole, value) => whole(value),
        (Real, value) => real(value),
        (Flag, Value::String(text)) => match text.trim() {
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ => Value::String(text),
        },
        (Text | Name, scalar @ (Value::Number(_) | Value::Bool(_))) => Value::String(show(&scalar)),
        (Wholes | Reals | Other, Value::String(text))
            if text.trim_start().starts_with(['[', '{']) =>
        {
            match serde_yaml::from_str(&text) {
                Ok(inner @ (Value::Sequence(_) | Value::Mapping(_))) => fit(path, inner, is_quoted),
                _ => Value::String(text),
            }
        }
        (Wholes, Value::Sequence(items)) => Value::Sequence(items.into_iter().map(whole).collect()),
        (Reals, Value::Sequence(items)) => Value::Sequence(items.into_iter().map(real).collect()),
        (Other | Section, Value::Mapping(map)) => Value::Mapping(fit_map(path, map)),
        (_, value) => value,
    }
}

/// Converts the whole tree of a file. Empty sections are left out. The varied fields are parsed
/// later, like axes.
pub fn fit_file(tree: Mapping) -> Mapping {
    let is_varied = |key: &str| ["axes", "arms", "one_at_a_time", "against"].contains(&key);
    let kept = tree.into_iter().filter(|(key, value)| {
        !(value.is_null() && key.as_str().and_then(kind).is_some_and(|kind| kind == Section))
    });
    kept.map(|(key, value)| {
        let value = match key.as_str() {
            Some(name) if !is_varied(name) => fit_deep(name, value),
            _ => value,
        };
        (key, value)
    })
    .collect()
}

fn fit_map(path: &str, map: Mapping) -> Mapping {
    let inner = map.into_iter().filter_map(|(key, value)| {
        let Some(name) = key.as_str() else { return Some((key, value)) };
        let path = format!("{path}.{name}");
        let is_empty_section = value.is_null() && kind(&path) == Some(Section);
        (!is_empty_section).then(|| {
            let value = fit_deep(&path, value);
            (key, value)
        })
    });
    inner.collect()
}

fn fit_deep(path: &str, value: Value) -> Value {
    match value {
        Value::Mapping(map) => Value::Mapping(fit_map(path, map)),
        Value::Tagged(mut tagged) => {
            let tag = tagged.tag.to_string();
            tagged.value =
                fit_deep(&format!("{path}.{}", tag.trim_start_matches('!')), tagged.value);
            Value::Tagged(tagged)
        }
        other => fit(path, other, false),
    }
}

fn whole(value: Value) -> Value {
    match real(value) {
        Value::Number(n) => Value::Number(n),
        other => other,
    }
}

/// Converts a value to a number if possible. Integral numbers become integers in any notation.
fn real(value: Value) -> Value {
    let x = match &value {
        Value::Number(n) if !n.is_f64() => return value,
        Value::Number(n) => n.as_f64(),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(whole) = text.parse::<u64>() {
                return Value::Number(whole.into());
            }
            text.parse::<f64>().ok()
        }
        _ => None,
    };
    x.map_or(value, |x| Value::Number(number(x)))
}

/// Above this, not every integer is representable as a float.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Formats a float as in a file: 10, not 10.0.
pub(crate) fn number(x: f64) -> Number {
    if x.fract() == 0.0 && x.abs() <= LARGEST_WHOLE {
        Number::from(x as i64)
    } else {
        Number::from(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Experiment, fields};

    fn of(path: &str, yaml: &str) -> Value {
        fit(path, serde_yaml::from_str(yaml).unwrap(), false)
    }

    #[test]
    fn other_forms_of_a_value_are_brought_into_the_fields_own() {
        assert_eq!(of("train.batch_size", "1e1"), Value::from(10));
        assert_eq!(of("train.batch_size", "'16'"), Value::from(16));
        assert_eq!(of("train.optimizer.sgd.lr", "'1e-4'"), Value::from(1e-4));
        assert_eq!(of("train.batch_size", "1.5"), Value::from(1.5));
        assert_eq!(of("train.sync_bn", "'True'"), Value::from(true));
        assert_eq!(of("train.sync_bn", "yes"), Value::from("yes"));
        assert_eq!(of("data.path", "2024"), Value::from("2024"));
        assert_eq!(of("data.pad_to", "none"), Value::Null);
        assert_eq!(of("init.weights", "None"), Value::Null);
        assert_eq!(of("data.name", "none"), Value::from("none"));
        assert_eq!(fit("init.weights", "none".into(), true), Value::from("none"));
        assert_eq!(
            of("model.blocks", "'[1, 2e0]'"),
            serde_yaml::from_str::<Value>("[1, 2]").unwrap()
        );
    }

    /// The list must be updated when a configuration field is added or removed.
    #[test]
    fn the_list_has_every_field_and_no_other() {
        let base: Experiment = serde_yaml::from_str("name: t").unwrap();
        for (path, ..) in FIELDS.iter().filter(|(path, ..)| fields::is_override(path)) {
            let mut tree = serde_yaml::to_value(&base).unwrap();
            fields::set(&mut tree, path, Value::from("?"));
            let said = serde_yaml::from_value::<Experiment>(tree)
                .map_or_else(|e| e.to_string(), |_| String::new());
            assert!(!said.contains("unknown field"), "{path}: {said}");
        }
        for section in [
            "model",
            "init",
            "data",
            "data.augment",
            "train",
            "train.optimizer.sgd",
            "train.optimizer.adamw",
            "train.optimizer.lamb",
            "train.optimizer.rmsprop_tf",
            "train.schedule.step",
            "train.schedule.cosine",
            "train.loss.bce",
            "early_stop.asha",
            "executor.slurm",
            "reference",
        ] {
            let mut tree = serde_yaml::to_value(&base).unwrap();
            fields::set(&mut tree, &format!("{section}.zzz"), Value::from(1));
            let said = serde_yaml::from_value::<Experiment>(tree).unwrap_err().to_string();
            let (_, names) =
                said.split_once("expected ").unwrap_or_else(|| panic!("{section}: {said}"));
            for name in names.split('`').skip(1).step_by(2) {
                let path = format!("{section}.{name}");
                assert!(kind(&path).is_some(), "{path} is missing");
            }
        }
    }
}
