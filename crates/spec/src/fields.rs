//! Where an override goes: short names of fields, and how a value is set in the file's tree.

use crate::{SpecError, Value};
use serde_yaml::Mapping;

/// Short names that are not fields of the model.
const SHORT: [(&str, &str); 9] = [
    ("seed", "seed"),
    ("lr", "train.optimizer.sgd.lr"),
    ("epochs", "train.epochs"),
    ("batch", "train.batch_size"),
    ("devices_per_trial", "train.devices_per_trial"),
    ("sync_bn", "train.sync_bn"),
    ("plain", "train.plain"),
    ("data", "data.name"),
    ("weights", "init.weights"),
];

/// The full path of a field given by its short name or its path.
pub fn path_of(name: &str) -> Result<String, SpecError> {
    if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == name) {
        return Ok((*path).to_owned());
    }
    if arch::spec::FIELDS.contains(&name) {
        return Ok(format!("model.{name}"));
    }
    let is_path = ["model.", "init.", "data.", "train."].iter().any(|part| name.starts_with(part));
    if is_path && name.split('.').all(|part| !part.is_empty()) {
        return Ok(name.to_owned());
    }
    let close = closest(name).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
    Err(SpecError::new(
        format!("no field is called {name}"),
        format!("{close}a field can also be given by its path, e.g. train.label_smoothing"),
    ))
}

/// The known short name at the smallest edit distance, if one is near.
fn closest(name: &str) -> Option<&'static str> {
    let known = arch::spec::FIELDS.iter().copied().chain(SHORT.iter().map(|(short, _)| *short));
    let (distance, nearest) = known.map(|n| (edit_distance(name, n), n)).min()?;
    (distance <= 2 && distance < nearest.len()).then_some(nearest)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// Sets one field in the tree of an experiment. Returns a remark where other fields had to give way.
pub fn set(tree: &mut Value, path: &str, value: Value) -> Option<String> {
    let remark = make_room(tree, path, &value);
    let mut at = tree;
    for part in path.split('.') {
        if !at.is_mapping() {
            *at = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(map) = at else { return remark };
        at = map.entry(part.into()).or_insert(Value::Null);
    }
    *at = value;
    remark
}

/// Fields that contradict or no longer fit the one that is about to be set leave the tree.
fn make_room(tree: &mut Value, path: &str, value: &Value) -> Option<String> {
    let model = |tree: &mut Value| match tree.get_mut("model") {
        Some(Value::Mapping(map)) => std::mem::take(map),
        _ => Mapping::new(),
    };
    match path {
        // A network named is that network, not a mixture with the file's.
        "model.zoo" => {
            model(tree);
            None
        }
        "model.depth" | "model.blocks" => {
            let other = if path == "model.depth" { "blocks" } else { "depth" };
            tree.get_mut("model").and_then(Value::as_mapping_mut)?.remove(other);
            None
        }
        "model.family" => {
            let map = tree.get_mut("model").and_then(Value::as_mapping_mut)?;
            if map.get("family") == Some(value) || (map.get("family").is_none() && value.as_str() == Some("resnet")) {
                return None;
            }
            let gone = ["zoo", "depth", "blocks", "stem_stride", "downsample", "first_block"]
                .into_iter()
                .filter(|field| map.remove(*field).is_some())
                .collect::<Vec<_>>();
            (!gone.is_empty()).then(|| format!("{} of the file is for another family and gives way", gone.join(", ")))
        }
        _ => {
            // Schedules and optimizers are maps of one key; setting a field of another kind replaces the kind.
            let mut parts = path.split('.');
            let (Some("train"), Some(field @ ("schedule" | "optimizer")), Some(kind)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return None;
            };
            let map = tree.get_mut("train")?.get_mut(field)?.as_mapping_mut()?;
            map.retain(|key, _| key.as_str() == Some(kind));
            None
        }
    }
}
