//! The axes of a sweep: their values in order, and the place of each arm on them.

use crate::recipe;
use res2lab_store::tables::AxisColumn;
use res2lab_store::{PlannedTrial, SweepRows};
use std::collections::HashSet;

/// One axis of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The axis as written in the experiment: `scale`, `scale+width`, or `arm` for named arms.
    pub label: String,
    /// Values in ascending order if all are numbers, otherwise in the plan's order.
    pub values: Vec<String>,
    /// The values as numbers; `None` if any value is not a number.
    pub numbers: Option<Vec<f64>>,
}

/// The axis of arms that have names of their own.
const NAMED: &str = "arm";

/// An arm's value on each axis, `None` where the arm has no value on an axis. An arm that
/// represents several arms of the same network has several places.
pub type Place = Vec<Option<String>>;

impl Axis {
    /// All axes along which the rows differ. Axes of the plan come first.
    pub fn all(rows: &SweepRows) -> Vec<Axis> {
        let mut labels: Vec<String> =
            rows.plan.axes.iter().map(|axis| axis.label.clone()).collect();
        for (label, _) in rows.trials.iter().flat_map(|t| &t.planned.coordinates) {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        let axis = |label: &String| Axis::new(label, values_of(label, &labels, rows));
        labels.iter().map(axis).filter(|axis| axis.values.len() > 1).collect()
    }

    /// Creates an axis from its values. The values are sorted in ascending order if all are
    /// numbers.
    pub fn new(label: &str, mut values: Vec<String>) -> Axis {
        let number = |v: &String| v.parse::<f64>().ok().filter(|x| x.is_finite());
        let mut numbers: Option<Vec<f64>> = values.iter().map(number).collect();
        if let Some(numbers) = &mut numbers {
            // Every value has parsed as a number at this point.
            values.sort_by(|a, b| {
                number(a).unwrap_or_default().total_cmp(&number(b).unwrap_or_default())
            });
            numbers.sort_by(f64::total_cmp);
        }
        Axis { label: label.to_owned(), values, numbers }
    }

    /// The name of the axis's column in tables and conditions. Named arms are told apart by their
    /// labels; the column `arm` holds ids.
    pub fn column(&self) -> &str {
        if self.label == NAMED { "label" } else { &self.label }
    }

    /// The index of `value` among the axis's values.
    pub fn index(&self, value: &str) -> Option<usize> {
        self.values.iter().position(|v| v == value)
    }
}

fn values_of(label: &str, labels: &[String], rows: &SweepRows) -> Vec<String> {
    let planned = rows
        .plan
        .axes
        .iter()
        .filter(|axis| axis.label == label)
        .flat_map(|axis| axis.values.clone());
    let mut values: Vec<String> = planned.collect();
    let mut seen: HashSet<String> = values.iter().cloned().collect();
    for trial in &rows.trials {
        for place in coordinates(&trial.planned, labels) {
            if let Some(value) = value_in(label, &place, &trial.planned)
                && seen.insert(value.clone())
            {
                values.push(value);
            }
        }
    }
    values
}

/// The axes as columns of the tables of trials.
pub fn columns(rows: &SweepRows) -> Vec<AxisColumn> {
    let axes: Vec<Axis> = Axis::all(rows).into_iter().filter(|axis| axis.label != NAMED).collect();
    let place = |trial: &res2lab_store::TrialRow| places(&trial.planned, &axes).swap_remove(0);
    let of_trials: Vec<Place> = rows.trials.iter().map(place).collect();
    let column = |(i, axis): (usize, &Axis)| AxisColumn {
        name: axis.label.clone(),
        values: of_trials.iter().map(|place| place[i].clone()).collect(),
    };
    axes.iter().enumerate().map(column).collect()
}

/// The places of a trial's arm on `axes`, at least one.
pub fn places(trial: &PlannedTrial, axes: &[Axis]) -> Vec<Place> {
    let labels: Vec<String> = axes.iter().map(|axis| axis.label.clone()).collect();
    let place = |c: Vec<(String, String)>| {
        labels.iter().map(|label| value_in(label, &c, trial)).collect::<Place>()
    };
    let mut places: Vec<Place> = coordinates(trial, &labels).into_iter().map(place).collect();
    places.dedup();
    places
}

/// The trial's own coordinates and the coordinates of the arms that it represents.
fn coordinates(trial: &PlannedTrial, labels: &[String]) -> Vec<Vec<(String, String)>> {
    let others = trial.same_as.iter().filter_map(|label| parse(label, labels));
    std::iter::once(trial.coordinates.clone()).chain(others).collect()
}

/// Parses a label such as `scale=4 width=26` into coordinates; `None` if the text is no such label.
fn parse(label: &str, labels: &[String]) -> Option<Vec<(String, String)>> {
    let word = |word: &str| {
        let (axis, value) = word.split_once('=')?;
        labels.iter().any(|known| known == axis).then(|| (axis.to_owned(), value.to_owned()))
    };
    label.split_whitespace().map(word).collect()
}

/// The value on the axis `label`. If the arm does not name the axis (the base of one-at-a-time
/// sweeps), the value comes from the trial's spec.
fn value_in(label: &str, coordinates: &[(String, String)], trial: &PlannedTrial) -> Option<String> {
    let named = coordinates.iter().find(|(axis, _)| axis == label).map(|(_, value)| value.clone());
    named.or_else(|| recipe::value_on(label, trial))
}
