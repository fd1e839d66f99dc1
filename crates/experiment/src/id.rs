//! Ids of trials and arms: a readable part, then a hash of the differences from the defaults. A new
//! configuration field with a default therefore changes no id.

use crate::TrialSpec;
use crate::{DataSpec, InitSpec, TrainSpec};
use res2lab_arch::{BlockKind, Family, ModelOverrides, ModelSpec};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Schema version; changed only if the meaning of a configuration field or of a default changes.
const SCHEMA: u32 = 1;

/// The id of a trial: `res2net11-26w-4s-seed0-1a2b3c4d`.
pub fn trial_id(spec: &TrialSpec) -> String {
    format!("{}-seed{}-{}", readable(&spec.model), spec.seed, hash(&differences(spec)))
}

/// The id of an arm: `res2net11-26w-4s-5e6f7a8b`. It is equal for all seeds of an arm and differs
/// between arms.
pub fn arm_id(spec: &TrialSpec) -> String {
    let mut shared = differences(spec);
    shared.remove("seed");
    format!("{}-{}", readable(&spec.model), hash(&shared))
}

/// A short name of a network: `resnet50-64w`, `res2net50-26w-4s`, `res2next29-24w-6c-4s`,
/// `dla60-28w-4s`.
pub fn readable(model: &ModelSpec) -> String {
    let family = match (model.family, model.block, model.cardinality) {
        (Family::Dla, BlockKind::Bottleneck, _) => "dla",
        (Family::Dla, BlockKind::Res2, _) => "res2dla",
        (Family::Resnet, BlockKind::Bottleneck, 1) => "resnet",
        (Family::Resnet, BlockKind::Bottleneck, _) => "resnext",
        (Family::Resnet, BlockKind::Res2, 1) => "res2net",
        (Family::Resnet, BlockKind::Res2, _) => "res2next",
    };
    let depth = match (model.family, &model.blocks[..]) {
        // The published depth, which does not count all layers.
        (Family::Dla, [1, 2, 3, 1]) => 60,
        _ => model.depth().unwrap_or_else(|| {
            2 * model.blocks.iter().map(|levels| 3 << levels).sum::<usize>() / 2
        }),
    };
    let mut name = format!("{family}{depth}-{}w", model.width);
    if model.cardinality > 1 {
        name += &format!("-{}c", model.cardinality);
    }
    if model.block == BlockKind::Res2 {
        name += &format!("-{}s", model.scale);
    }
    if model.se {
        name += "-se";
    }
    if let Some(head) = model.head {
        name += &format!("-{}", head.name());
    }
    if let Some(stride) = model.output_stride {
        name += &format!("-os{stride}");
    }
    name
}

/// The parts of `spec` that differ from the defaults, as nested maps.
pub fn differences(spec: &TrialSpec) -> Map<String, Value> {
    // Empty overrides give the family's default network, which always resolves.
    let model =
        ModelOverrides::default().resolve().map(|(model, _)| json!(model)).unwrap_or_default();
    let defaults = json!({"model": model, "init": InitSpec::default(), "data": DataSpec::default(), "train": TrainSpec::default()});
    match prune(json!(spec), Some(&defaults)) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn prune(value: Value, default: Option<&Value>) -> Option<Value> {
    if Some(&value) == default {
        return None;
    }
    match (value, default) {
        (Value::Object(map), Some(Value::Object(defaults))) => {
            let kept: Map<_, _> = map
                .into_iter()
                .filter_map(|(k, v)| Some((k.clone(), prune(v, defaults.get(&k))?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (value, _) => Some(value),
    }
}

fn hash(differences: &Map<String, Value>) -> String {
    let canonical = sorted(&json!({"schema": SCHEMA, "spec": differences})).to_string();
    Sha256::digest(canonical.as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect()
}

/// Sorts keys alphabetically at every depth.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|k| (k.clone(), sorted(&map[k]))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
