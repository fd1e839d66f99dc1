//! The default of each configuration field, derived from the types themselves.

use crate::known::{self, Kind};
use crate::{Contrasts, Experiment, Value, experiment, fields};
use res2lab_arch::ModelOverrides;
use res2lab_error::Error;

/// A field's value where a file does not give it.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// The file must give it.
    Required,
    /// The field has no value.
    Unset,
    Value(Value),
}

/// The smallest files that have the sections which no other file has. Every field in them is
/// required.
const SECTIONS: [(&str, &str); 13] = [
    ("train.optimizer.sgd", "train: {optimizer: {sgd: {lr: 0.1}}}"),
    ("train.optimizer.adamw", "train: {optimizer: {adamw: {lr: 0.1}}}"),
    ("train.optimizer.lamb", "train: {optimizer: {lamb: {lr: 0.1}}}"),
    ("train.optimizer.rmsprop_tf", "train: {optimizer: {rmsprop_tf: {lr: 0.1}}}"),
    ("train.schedule.step", "train: {schedule: {step: {every: 1}}}"),
    ("train.schedule.multi_step", "train: {schedule: {multi_step: {at: [1]}}}"),
    ("train.schedule.cosine", "train: {schedule: {cosine: {}}}"),
    ("train.schedule.polynomial", "train: {schedule: {polynomial: {}}}"),
    ("train.loss.bce", "train: {loss: {bce: {}}}"),
    ("train.loss.focal", "train: {loss: {focal: {}}}"),
    ("seeds", "seeds: {min: 2, max: 2, half_width: 1}"),
    ("early_stop.asha", "early_stop: {asha: {rungs: [1]}}"),
    ("executor.slurm", "executor: {slurm: {}}"),
];

/// The default of the field at `path` in a file that has no section around the field, and in a file
/// that has it. Either is `None` where the field does not exist in such a file.
pub fn of(path: &str) -> Result<[Option<DefaultValue>; 2], Error> {
    Ok([in_a_file(path)?, in_its_section(path)?])
}

fn in_a_file(path: &str) -> Result<Option<DefaultValue>, Error> {
    if path == "name" {
        return Ok(Some(DefaultValue::Required));
    }
    if path == "margin" {
        return Ok(Some(DefaultValue::Value(Contrasts::default().margin.into())));
    }
    if let Some(field) = path.strip_prefix("model.") {
        return of_a_network(field).map(Some);
    }
    let file = parsed("")?;
    let tree = tree(&file)?;
    if let Some(value) = fields::get(&tree, path) {
        return Ok(Some(DefaultValue::Value(value.clone())));
    }
    let is_in_section = SECTIONS.iter().any(|(section, _)| is_inside(path, section));
    // No file has the field `seed`: it names the seeds of a command line.
    if is_in_section || path == "seed" {
        return Ok(None);
    }
    Ok(Some(left_out(&file, tree, path)))
}

/// The default of a field that a file leaves out: flags that are off, and numbers that came later.
fn left_out(file: &Experiment, tree: Value, path: &str) -> DefaultValue {
    let candidates = match known::kind(path) {
        Some(Kind::Flag) => vec![Value::from(false)],
        Some(Kind::Whole | Kind::Real) => vec![Value::from(0), Value::from(1)],
        _ => vec![],
    };
    let is_same = |value: &Value| {
        let mut with = tree.clone();
        fields::put(&mut with, path, value.clone());
        serde_yaml::from_value::<Experiment>(with).is_ok_and(|with| with == *file)
    };
    candidates.into_iter().find(is_same).map_or(DefaultValue::Unset, DefaultValue::Value)
}

/// The field of the network that has no field set.
fn of_a_network(field: &str) -> Result<DefaultValue, Error> {
    let (network, _) = ModelOverrides::default().resolve()?;
    if field == "depth" {
        return Ok(network
            .depth()
            .map_or(DefaultValue::Unset, |depth| DefaultValue::Value(depth.into())));
    }
    let tree = serde_yaml::to_value(&network).map_err(|e| experiment::explain(&e))?;
    Ok(fields::get(&tree, field)
        .map_or(DefaultValue::Unset, |value| DefaultValue::Value(value.clone())))
}

fn in_its_section(path: &str) -> Result<Option<DefaultValue>, Error> {
    let Some((_, text)) = SECTIONS.iter().find(|(section, _)| is_inside(path, section)) else {
        return Ok(None);
    };
    let written: Value = serde_yaml::from_str(text).map_err(|e| experiment::explain(&e))?;
    if fields::get(&written, path).is_some() {
        return Ok(Some(DefaultValue::Required));
    }
    let file = parsed(text)?;
    let tree = tree(&file)?;
    let written = fields::get(&tree, path).cloned();
    Ok(Some(match written {
        Some(value) => DefaultValue::Value(value),
        None => left_out(&file, tree, path),
    }))
}

fn is_inside(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn parsed(text: &str) -> Result<Experiment, Error> {
    experiment::parse(&format!("name: t\n{text}\n"), "defaults")
}

fn tree(file: &Experiment) -> Result<Value, Error> {
    serde_yaml::to_value(file).map_err(|e| experiment::explain(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::FIELDS;

    fn value(yaml: &str) -> Option<DefaultValue> {
        Some(DefaultValue::Value(serde_yaml::from_str(yaml).unwrap()))
    }

    #[test]
    fn defaults_are_those_of_the_types() {
        for (path, expected) in [
            ("train.epochs", [value("6"), None]),
            ("train.optimizer.sgd.nesterov", [value("true"), value("false")]),
            ("train.optimizer.sgd.lr", [value("0.1"), Some(DefaultValue::Required)]),
            ("train.schedule.step.gamma", [None, value("0.1")]),
            ("train.schedule.step.every", [None, Some(DefaultValue::Required)]),
            ("train.schedule.cosine.cycles", [None, value("1")]),
            ("train.schedule.polynomial.power", [None, value("1.0")]),
            ("train.schedule.polynomial.warmup_lr", [None, Some(DefaultValue::Unset)]),
            ("seeds", [value("[0]"), None]),
            ("seeds.min", [None, Some(DefaultValue::Required)]),
            ("seed", [None, None]),
            ("early_stop", [Some(DefaultValue::Unset), None]),
            ("early_stop.asha.reduction", [None, value("3")]),
            ("executor.slurm.signal_s", [None, value("120")]),
            ("executor.slurm.options", [None, value("[]")]),
            ("data.shuffle_labels", [value("false"), None]),
            ("data.path", [Some(DefaultValue::Unset), None]),
            ("model.width", [value("26"), None]),
            ("model.depth", [value("50"), None]),
            ("model.zoo", [Some(DefaultValue::Unset), None]),
            ("margin", [value("0.5"), None]),
        ] {
            assert_eq!(of(path).unwrap(), expected, "{path}");
        }
        for (path, ..) in FIELDS {
            of(path).unwrap();
        }
    }

    #[test]
    fn files_of_sections_have_no_field_that_could_be_left_out() {
        for (section, text) in SECTIONS {
            let whole: Value = serde_yaml::from_str(text).unwrap();
            let inside = fields::get(&whole, section).unwrap().as_mapping().unwrap();
            for key in inside.keys() {
                let mut less = inside.clone();
                less.remove(key);
                let mut tree = serde_yaml::to_value(parsed("").unwrap()).unwrap();
                fields::put(&mut tree, section, Value::Mapping(less));
                let ended = serde_yaml::from_value::<Experiment>(tree);
                assert!(ended.is_err(), "{section} does not need {key:?}");
            }
        }
    }
}
