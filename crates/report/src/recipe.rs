//! The configuration of a trial as a list of configuration fields: those that all arms share, and
//! those that differ.

use crate::together;
use res2lab_store::{PlannedTrial, SweepRows};
use serde_json::Value;

/// Configuration fields of a trial by path (`train.optimizer.sgd.lr`), without the seed.
pub fn fields(trial: &PlannedTrial) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // Specs are read from JSON, so serialization cannot fail.
    flatten("", &serde_json::to_value(&trial.spec).unwrap_or_default(), &mut found);
    found.retain(|(path, _)| path != "seed");
    found
}

fn flatten(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, found);
            }
        }
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

/// Whether the field at `path` is the learning rate of an optimizer.
fn is_lr(path: &str) -> bool {
    path.starts_with("train.optimizer.") && path.ends_with(".lr")
}

/// The value of an axis (`scale`, `lr`, `scale+width`, a path) in a trial that does not name the
/// axis.
pub fn value_on(axis: &str, trial: &PlannedTrial) -> Option<String> {
    let fields = fields(trial);
    let one = |name: &str| {
        if name == "lr" {
            let lr = fields.iter().find(|(path, _)| is_lr(path));
            return lr.map(|(_, value)| value.clone());
        }
        if name == "depth" {
            return trial.spec.model.depth().map(|d| d.to_string());
        }
        let path = match name {
            "epochs" => "train.epochs".to_owned(),
            "batch" => "train.batch_size".to_owned(),
            "data" => "data.name".to_owned(),
            path if path.contains('.') => path.to_owned(),
            field => format!("model.{field}"),
        };
        fields.iter().find(|(p, _)| *p == path).map(|(_, value)| value.clone())
    };
    axis.split('+').map(one).collect::<Option<Vec<_>>>().map(|values| values.join("+"))
}

/// Configuration fields that all trials of a sweep share but that differ between the sweeps of a
/// combined page, each with its value per sweep. Fields that any axis varies are excluded.
pub fn between_sweeps(rows: &SweepRows) -> Vec<(String, Vec<(String, String)>)> {
    let mut sweeps: Vec<(&str, Vec<&PlannedTrial>)> = Vec::new();
    let mut axes: Vec<&str> = Vec::new();
    for trial in rows.trials.iter().map(|t| &t.planned) {
        let Some((_, name)) = trial.coordinates.iter().find(|(axis, _)| axis == together::AXIS)
        else {
            continue;
        };
        axes.extend(trial.coordinates.iter().map(|(axis, _)| axis.as_str()));
        match sweeps.iter_mut().find(|(known, _)| known == name) {
            Some((_, trials)) => trials.push(trial),
            None => sweeps.push((name, vec![trial])),
        }
    }
    let shared: Vec<(&str, Vec<(String, String)>)> =
        sweeps.into_iter().map(|(name, trials)| (name, compare(trials.into_iter()).0)).collect();
    let Some((_, first)) = shared.first() else { return Vec::new() };
    let is_varied =
        |path: &str| axes.iter().flat_map(|axis| axis.split('+')).any(|axis| varies(axis, path));
    let value = |of: &[(String, String)], path: &str| {
        of.iter().find(|(p, _)| p == path).map(|(_, v)| v.clone())
    };
    let field = |(path, _): &(String, String)| {
        let each =
            shared.iter().map(|(name, fields)| Some(((*name).to_owned(), value(fields, path)?)));
        let each: Vec<(String, String)> = each.collect::<Option<_>>()?;
        let differs = each.iter().any(|(_, v)| *v != each[0].1);
        (differs && !is_varied(path)).then(|| (path.clone(), each))
    };
    first.iter().filter_map(field).collect()
}

/// Whether an axis sets a configuration field directly or indirectly.
fn varies(axis: &str, path: &str) -> bool {
    match axis {
        "zoo" => path.starts_with("model."),
        "depth" => path == "model.blocks",
        // Matched budgets derive the width from the scale.
        "scale" => ["model.scale", "model.width"].contains(&path),
        "lr" => is_lr(path),
        "epochs" => path == "train.epochs",
        "batch" => path == "train.batch_size",
        "data" => path.starts_with("data."),
        axis => path == axis || path.strip_prefix("model.") == Some(axis),
    }
}

/// Splits configuration fields into those that all trials share and those that differ. A differing
/// field has one value per trial, empty if the trial lacks the field.
pub fn compare<'a>(
    trials: impl Iterator<Item = &'a PlannedTrial>,
) -> (Vec<(String, String)>, Vec<Differing>) {
    let all: Vec<_> = trials.map(fields).collect();
    let mut paths: Vec<&String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (path, _) in all.iter().flatten() {
        if seen.insert(path) {
            paths.push(path);
        }
    }
    let value = |of: &[(String, String)], path: &str| {
        of.iter().find(|(p, _)| p == path).map(|(_, v)| v.clone()).unwrap_or_default()
    };
    let mut shared = Vec::new();
    let mut differing = Vec::new();
    for path in paths {
        let values: Vec<_> = all.iter().map(|fields| value(fields, path)).collect();
        if values.windows(2).all(|pair| pair[0] == pair[1]) {
            shared.push((path.clone(), values[0].clone()));
        } else {
            differing.push(Differing { path: path.clone(), values });
        }
    }
    (shared, differing)
}

/// A configuration field whose value differs between trials.
pub struct Differing {
    pub path: String,
    /// One value per trial, in the order of the trials.
    pub values: Vec<String>,
}
