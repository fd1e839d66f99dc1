//! What the file and the command line vary, as lists of moves away from the base. What the command
//! line sets replaces what the file would set for the same thing.

use crate::axes::{Axis, show, show_point};
use crate::known::{self, Kind};
use crate::{Experiment, SpecError, Value, fields};
use serde_yaml::Mapping;

/// One override that an arm makes on the base: axis label, shown value, and the fields it sets.
#[derive(Clone)]
pub(crate) struct Move {
    /// The axis, or `arm`.
    pub axis: String,
    /// Its value.
    pub shown: String,
    /// Where values go.
    pub sets: Vec<(String, Value)>,
}

/// The lists of moves whose product is the sweep.
pub(crate) fn lines_of_the_sweep(
    experiment: &Experiment,
    fixed: &[Axis],
    swept: &[Axis],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<Vec<Move>>>, SpecError> {
    let of_axis =
        |axis: &Axis| axis.points.iter().map(|p| vec![axis_move(axis, p)]).collect::<Vec<_>>();
    if !swept.is_empty() {
        let given_way: Vec<_> = [&experiment.axes, &experiment.arms, &experiment.one_at_a_time]
            .into_iter()
            .flat_map(|map| map.keys().filter_map(Value::as_str))
            .filter(|key| !swept.iter().any(|axis| axis.label == *key))
            .collect();
        if !given_way.is_empty() {
            notes.push(format!(
                "the file varies {} too; the command line's axes replace that",
                given_way.join(", ")
            ));
        }
        return Ok(swept.iter().map(of_axis).collect());
    }
    let mut lines: Vec<_> = free(&experiment.axes, fixed)?.iter().map(of_axis).collect();
    if !experiment.arms.is_empty() {
        lines.push(named_arms(&experiment.arms, fixed, notes)?);
    }
    if !experiment.one_at_a_time.is_empty() {
        let base = vec![Vec::new()];
        lines.push(
            base.into_iter()
                .chain(free(&experiment.one_at_a_time, fixed)?.iter().flat_map(of_axis))
                .collect(),
        );
    }
    for map in [&experiment.axes, &experiment.one_at_a_time] {
        for axis in axes_of(map)?.iter() {
            let by: Vec<String> =
                fixed.iter().filter(|given| is_about(given, &axis.paths)).map(written).collect();
            if !by.is_empty() {
                notes.push(format!("{} replaces the file's axis {}", by.join(" "), axis.label));
            }
        }
    }
    Ok(lines)
}

/// The file's axes that the command line says nothing about.
pub(crate) fn free(map: &Mapping, fixed: &[Axis]) -> Result<Vec<Axis>, SpecError> {
    let mut axes = axes_of(map)?;
    axes.retain(|axis| !fixed.iter().any(|given| is_about(given, &axis.paths)));
    Ok(axes)
}

/// Whether a word of the command line sets what one of `paths` would set.
fn is_about(given: &Axis, paths: &[String]) -> bool {
    given.paths.iter().any(|own| paths.iter().any(|path| fields::same_thing(own, path)))
}

/// A word of the command line with one value.
fn written(axis: &Axis) -> String {
    format!("{}={}", axis.label, show_point(&axis.points[0]))
}

fn axes_of(map: &Mapping) -> Result<Vec<Axis>, SpecError> {
    map.iter().map(|(key, value)| Axis::from_yaml(&key_text(key), value)).collect()
}

/// A key as it is written.
fn key_text(key: &Value) -> String {
    key.as_str().map_or_else(|| show(key), str::to_owned)
}

fn axis_move(axis: &Axis, point: &[Value]) -> Move {
    let sets = axis.paths.iter().cloned().zip(point.iter().cloned()).collect();
    Move { axis: axis.label.clone(), shown: show_point(point), sets }
}

/// The arms of the file. What the command line has set, an arm does not set again.
fn named_arms(
    arms: &Mapping,
    fixed: &[Axis],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<Move>>, SpecError> {
    let mut moves = Vec::new();
    let mut given_way: Vec<(String, Vec<String>)> = Vec::new();
    for (name, overrides) in arms {
        let shown = key_text(name);
        if shown.trim().is_empty() {
            return Err(SpecError::new(
                "an arm has no name",
                "give each arm a name, e.g. arms: {plain: {scale: 1}}",
            ));
        }
        let mut sets = Vec::new();
        for (key, value) in flat(overrides_of(&shown, overrides)?) {
            let path = fields::path_of(&key).map_err(|e| e.at(&format!("arm {shown}")))?;
            match fixed.iter().find(|given| is_about(given, std::slice::from_ref(&path))) {
                None => {
                    let value = known::fit(&path, value, false);
                    sets.push((path, value));
                }
                Some(given) => match given_way.iter_mut().find(|(by, _)| *by == written(given)) {
                    Some((_, of)) => of.push(format!("{key} of {shown}")),
                    None => given_way.push((written(given), vec![format!("{key} of {shown}")])),
                },
            }
        }
        moves.push(vec![Move { axis: "arm".into(), shown, sets }]);
    }
    notes.extend(
        given_way.into_iter().map(|(by, of)| format!("{by} replaces the file's {}", of.join(", "))),
    );
    Ok(moves)
}

/// Fields by their paths, where an arm has a part of the file with fields in it. A schedule is one
/// value.
fn flat(map: Mapping) -> Vec<(String, Value)> {
    fn add(path: String, value: Value, found: &mut Vec<(String, Value)>) {
        let has_fields =
            known::kind(&path) == Some(Kind::Section) || path.starts_with("train.optimizer");
        match value {
            Value::Mapping(map) if has_fields => {
                map.into_iter().for_each(|(key, value)| {
                    add(format!("{path}.{}", key_text(&key)), value, found)
                });
            }
            value => found.push((path, value)),
        }
    }
    let mut found = Vec::new();
    map.into_iter().for_each(|(key, value)| add(key_text(&key), value, &mut found));
    found
}

/// The fields that an arm changes. An arm without any is the base network.
fn overrides_of(arm: &str, overrides: &Value) -> Result<Mapping, SpecError> {
    let (what, words) = match overrides {
        Value::Mapping(map) => return Ok(map.clone()),
        Value::Null => return Ok(Mapping::new()),
        Value::String(text) => (format!("the text \"{text}\""), vec![text.clone()]),
        Value::Sequence(items) => {
            (format!("the list {}", show(overrides)), items.iter().map(show).collect())
        }
        other => (show(other), vec![]),
    };
    let pair = |word: &String| {
        word.split_once(['=', ':'])
            .map(|(name, value)| format!("{}: {}", name.trim(), value.trim()))
    };
    let pairs: Option<Vec<String>> = words.iter().map(pair).collect();
    let pairs = pairs
        .filter(|pairs| !pairs.is_empty())
        .map_or_else(|| "scale: 2".into(), |pairs| pairs.join(", "));
    Err(SpecError::new(
        format!("arm {arm} has {what} where its fields should stand"),
        format!("write fields and values: {arm}: {{{pairs}}}"),
    ))
}

/// Every combination, the last line moving fastest.
pub(crate) fn product(lines: &[Vec<Vec<Move>>]) -> Vec<Vec<Move>> {
    lines.iter().fold(vec![Vec::new()], |so_far, line| {
        let longer = |head: &Vec<Move>| {
            let head = head.clone();
            line.iter().map(move |tail| head.iter().chain(tail).cloned().collect::<Vec<_>>())
        };
        so_far.iter().flat_map(longer).collect()
    })
}
