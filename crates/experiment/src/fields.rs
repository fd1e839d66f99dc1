//! Configuration fields as targets of overrides: short names, and setting values in the file's
//! tree.

use crate::{Value, known, words};
use res2lab_error::Error;
use serde_yaml::Mapping;

/// The learning rate of the optimizer that the file names, whichever that is.
const OPTIMIZERS_LR: &str = "train.optimizer.lr";

/// Short names of fields outside of the model, whose fields are named without `model.`.
pub const SHORT: [(&str, &str); 9] = [
    ("seed", "seed"),
    ("lr", OPTIMIZERS_LR),
    ("epochs", "train.epochs"),
    ("batch", "train.batch_size"),
    ("devices_per_trial", "train.devices_per_trial"),
    ("sync_bn", "train.sync_bn"),
    ("plain", "train.plain"),
    ("data", "data.name"),
    ("weights", "init.weights"),
];

/// Names in other programs, with this program's equivalent.
const ELSEWHERE: [(&str, &str); 14] = [
    ("name", "--name"),
    ("device", "--device"),
    ("slots", "--slots"),
    ("threads", "--threads"),
    ("executor", "--executor"),
    ("smoke", "--smoke"),
    ("learning_rate", "lr"),
    ("bs", "batch"),
    ("wd", "train.optimizer.sgd.weight_decay"),
    ("dataset", "data"),
    ("net", "zoo"),
    ("network", "zoo"),
    ("arch", "zoo"),
    ("pretrained", "weights"),
];

/// The full path of a configuration field, given by its short name or its path.
pub fn path_of(name: &str) -> Result<String, Error> {
    if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == name) {
        return Ok((*path).to_owned());
    }
    if res2lab_arch::overrides::FIELDS.contains(&name) {
        return Ok(format!("model.{name}"));
    }
    if is_override(name) && name.split('.').all(|part| !part.is_empty()) {
        return Ok(name.to_owned());
    }
    let close = suggestion(name).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
    Err(Error::input(
        format!("no field is called {name}"),
        format!("{close}a field can also be given by its path, e.g. train.label_smoothing"),
    ))
}

/// Whether an arm may change the field at `path`.
pub(crate) fn is_override(path: &str) -> bool {
    ["model.", "init.", "data.", "train."].iter().any(|part| path.starts_with(part))
}

/// The configuration fields that `name` may mean, as they can be written: the end of a path,
/// another program's name, or a similar name.
pub fn suggestion(name: &str) -> Option<String> {
    let wanted = name.to_lowercase().replace('-', "_");
    let paths = || known::FIELDS.iter().map(|(path, ..)| *path).filter(|path| is_override(path));
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == wanted) {
        return Some((*ours).to_owned());
    }
    // A section of the file is no field, but contains fields.
    if let Some(inside) =
        paths().find(|path| path.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('.')))
    {
        return Some(written(inside));
    }
    let ends: Vec<String> =
        paths().filter(|path| path.ends_with(&format!(".{wanted}"))).map(written).collect();
    if !ends.is_empty() {
        return Some(ends.join(" or "));
    }
    let short = || SHORT.iter().map(|(short, _)| *short).chain(res2lab_arch::overrides::FIELDS);
    if let Some(found) = words::nearest(&wanted, short()) {
        return Some(found.to_owned());
    }
    if let Some(found) = words::nearest(&wanted, paths().map(last).filter(|name| name.len() > 3)) {
        return paths().find(|path| last(path) == found).map(written);
    }
    words::nearest(&wanted, paths()).map(str::to_owned)
}

/// The shortest notation of a path.
pub fn written(path: &str) -> String {
    if let Some((short, _)) = SHORT.iter().find(|(_, full)| *full == path) {
        return (*short).to_owned();
    }
    path.strip_prefix("model.").unwrap_or(path).to_owned()
}

/// Whether two paths concern the same setting, so that an override of one replaces the other: the
/// same field, a field and a part of it, a data set's name and its folder, a network's depth and
/// its blocks.
pub fn same_thing(a: &str, b: &str) -> bool {
    fn thing(path: &str) -> &str {
        match path {
            "data.path" => "data.name",
            "model.blocks" => "model.depth",
            other if is_lr(other) => OPTIMIZERS_LR,
            other => other,
        }
    }
    let a = thing(a);
    let b = thing(b);
    let is_part = |part: &str, whole: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
    };
    a == b || is_part(a, b) || is_part(b, a)
}

/// Whether the field at `path` is the learning rate of an optimizer.
pub fn is_lr(path: &str) -> bool {
    path.starts_with("train.optimizer.") && path.ends_with(".lr")
}

/// The path of a field in this tree: [`OPTIMIZERS_LR`] is a field of the optimizer that the tree
/// has.
fn place(tree: &Value, path: &str) -> String {
    if path != OPTIMIZERS_LR {
        return path.to_owned();
    }
    let optimizer = tree.get("train").and_then(|train| train.get("optimizer"));
    let name = match optimizer {
        Some(Value::Mapping(map)) => map.keys().next().and_then(Value::as_str),
        _ => None,
    };
    format!("train.optimizer.{}.lr", name.unwrap_or("sgd"))
}

/// Sets one field in the tree of an experiment. Returns a remark if other fields were reset.
pub fn set(tree: &mut Value, path: &str, value: Value) -> Option<String> {
    let remark = make_room(tree, path, &value);
    put(tree, path, value);
    remark
}

/// Sets one field and leaves the others unchanged.
pub(crate) fn put(tree: &mut Value, path: &str, value: Value) {
    let path = place(tree, path);
    let mut at = tree;
    for part in path.split('.') {
        if !at.is_mapping() {
            *at = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(map) = at else { return };
        at = map.entry(part.into()).or_insert(Value::Null);
    }
    *at = value;
}

/// The value at a path.
pub(crate) fn get<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    place(tree, path).split('.').try_fold(tree, |at, part| at.get(part))
}

/// Removes fields that contradict the field about to be set. Returns a remark on removed fields.
fn make_room(tree: &mut Value, path: &str, value: &Value) -> Option<String> {
    if path == OPTIMIZERS_LR {
        return None;
    }
    let model = |tree: &mut Value| match tree.get_mut("model") {
        Some(Value::Mapping(map)) => std::mem::take(map),
        _ => Mapping::new(),
    };
    match path {
        // A named network replaces the file's network completely.
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
            if map.get("family") == Some(value)
                || (map.get("family").is_none() && value.as_str() == Some("resnet"))
            {
                return None;
            }
            let gone = ["zoo", "depth", "blocks", "stem_stride", "downsample", "first_block"]
                .into_iter()
                .filter(|field| map.remove(*field).is_some())
                .collect::<Vec<_>>();
            (!gone.is_empty()).then(|| {
                format!("{} of the file is for another family and gives way", gone.join(", "))
            })
        }
        "data.name" => another_data_set(tree.get_mut("data")?.as_mapping_mut()?, value),
        // A data set named by its folder would ignore another folder, so it is renamed to `images`.
        "data.path" => {
            let map = tree.get_mut("data")?.as_mapping_mut()?;
            let name = map.get("name")?.as_str().filter(|name| name.contains('/'))?.to_owned();
            map.insert("name".into(), "images".into());
            Some(format!("data.path replaces the folder {name}"))
        }
        _ => {
            // Schedules and optimizers are maps with one key; a field of another kind replaces the
            // kind.
            let mut parts = path.split('.');
            let (Some("train"), Some(field @ ("schedule" | "optimizer" | "loss")), Some(kind)) =
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

/// Removes what belongs to the old data set only: its folder, and the amount of generated data.
/// Preprocessing is kept.
fn another_data_set(data: &mut Mapping, name: &Value) -> Option<String> {
    if data.get("name") == Some(name) {
        return None;
    }
    let of_the_old = ["path", "images", "classes"].into_iter().filter_map(|field| {
        let value = data.remove(field).filter(|value| !value.is_null())?;
        Some(format!("data.{field}={}", crate::axes::show(&value)))
    });
    let gone: Vec<String> = of_the_old.collect();
    let name = crate::axes::show(name);
    (!gone.is_empty()).then(|| {
        format!("data={name} replaces the file's data set; its {} gives way", gone.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_known_by_its_path_is_suggested_as_it_can_be_written() {
        let of = |name: &str| suggestion(name).unwrap_or_default();
        for (name, found) in [
            ("ema", "train.ema"),
            ("mixup", "train.mixup"),
            ("label_smoothing", "train.label_smoothing"),
            ("label-smoothing", "train.label_smoothing"),
            ("label_smooting", "train.label_smoothing"),
            (
                "weight_decay",
                "train.optimizer.sgd.weight_decay or train.optimizer.adamw.weight_decay or \
                 train.optimizer.lamb.weight_decay or train.optimizer.rmsprop_tf.weight_decay",
            ),
            ("augment.flip", "data.augment.flip"),
            ("flip", "data.augment.flip"),
            ("batch_size", "batch"),
            ("learning_rate", "lr"),
            (
                "gamma",
                "train.schedule.step.gamma or train.schedule.multi_step.gamma or \
                 train.loss.focal.gamma",
            ),
            ("scle", "scale"),
            ("name", "--name"),
            ("train", "epochs"),
            ("Scale", "scale"),
            ("4", ""),
            ("", ""),
        ] {
            assert_eq!(of(name), found, "{name}");
        }
    }

    #[test]
    fn what_is_one_thing_is_set_once() {
        for (a, b) in [
            ("data.name", "data.path"),
            ("model.depth", "model.blocks"),
            ("train.schedule", "train.schedule.step.every"),
            ("train.ema", "train.ema"),
        ] {
            assert!(same_thing(a, b) && same_thing(b, a), "{a} {b}");
        }
        assert!(!same_thing("data.name", "data.size") && !same_thing("train.ema", "train.emaa"));
    }
}
