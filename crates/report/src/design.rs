//! Sets of arms that can be analyzed together: a complete grid of axes, or the arms along one axis.

use crate::lines::along;
use crate::stats::Blocks;
use crate::study::{Arm, Study};
use std::collections::BTreeMap;

/// A complete grid with one arm per cell, and the least-squares fit of all values.
pub struct Design<'s, 'a> {
    /// Indices of the study's axes. The last axis varies fastest.
    pub axes: Vec<usize>,
    /// For each axis, the indices of the values that take part.
    pub values: Vec<Vec<usize>>,
    /// The arms in cell order.
    pub arms: Vec<&'s Arm<'a>>,
    /// Indices of the measured arms that were left out to make the grid complete.
    pub left_out: Vec<usize>,
    /// The least-squares fit of the arms' values.
    pub fit: Blocks,
}

impl<'s, 'a> Design<'s, 'a> {
    /// The number of values of each axis.
    pub fn levels(&self) -> Vec<usize> {
        self.values.iter().map(Vec::len).collect()
    }

    fn of(
        axes: Vec<usize>,
        values: Vec<Vec<usize>>,
        arms: Vec<&'s Arm<'a>>,
        study: &'s Study<'a>,
    ) -> Option<Self> {
        let cells: Vec<&BTreeMap<u64, f64>> = arms.iter().map(|arm| &arm.values).collect();
        let fit = Blocks::of(&cells)?;
        let is_in = |arm: &Arm| arms.iter().any(|other| other.id == arm.id);
        let is_left_out = |&i: &usize| study.arms[i].sample.is_some() && !is_in(&study.arms[i]);
        let left_out = (0..study.arms.len()).filter(is_left_out).collect();
        Some(Design { axes, values, arms, left_out, fit })
    }
}

/// The largest complete grid of two axes or more; `None` if it holds at most half of the measured
/// arms. Axis values are removed one by one while they have empty cells, or cells whose arm
/// represents several cells.
pub fn grid<'s, 'a>(study: &'s Study<'a>) -> Option<Design<'s, 'a>> {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some()).count();
    if study.arms.iter().any(|arm| arm.variant != study.arms[0].variant) {
        return None;
    }
    let mut values: Vec<Vec<usize>> =
        study.axes.iter().map(|axis| (0..axis.values.len()).collect()).collect();
    let mut cells: BTreeMap<Vec<usize>, &Arm> = BTreeMap::new();
    for arm in study.arms.iter().filter(|arm| arm.sample.is_some() && arm.places.len() == 1) {
        let place = arm.places[0]
            .iter()
            .enumerate()
            .map(|(a, value)| study.axes[a].index(value.as_deref()?));
        if cells.insert(place.collect::<Option<_>>()?, arm).is_some() {
            return None;
        }
    }
    while let Some((axis, value)) = emptiest(&values, &cells) {
        values[axis].retain(|v| *v != value);
    }
    let places = product(&values);
    let is_most = 2 * places.len() > measured;
    if values.iter().filter(|values| values.len() > 1).count() < 2 || !is_most {
        return None;
    }
    let arms = places.iter().map(|place| cells.get(place).copied()).collect::<Option<Vec<_>>>()?;
    let axes: Vec<usize> = (0..values.len()).filter(|&a| values[a].len() > 1).collect();
    let values = axes.iter().map(|&a| values[a].clone()).collect();
    Design::of(axes, values, arms, study)
}

/// The axis value that lacks the largest share of its cells; `None` if no cell is empty.
fn emptiest(values: &[Vec<usize>], cells: &BTreeMap<Vec<usize>, &Arm>) -> Option<(usize, usize)> {
    let places = product(values);
    let empty: Vec<&Vec<usize>> =
        places.iter().filter(|place| !cells.contains_key(*place)).collect();
    if empty.is_empty() {
        return None;
    }
    let mut worst: Option<(f64, usize, usize)> = None;
    for (axis, of_axis) in values.iter().enumerate() {
        for &value in of_axis {
            let missing = empty.iter().filter(|place| place[axis] == value).count();
            let share = missing as f64 / (places.len() / of_axis.len()) as f64;
            // On ties the last value is removed, which keeps the baseline's values.
            if worst.is_none_or(|(most, ..)| share >= most) {
                worst = Some((share, axis, value));
            }
        }
    }
    worst.map(|(_, axis, value)| (axis, value))
}

/// The Cartesian product of the values; the last axis varies fastest.
fn product(values: &[Vec<usize>]) -> Vec<Vec<usize>> {
    values.iter().fold(vec![vec![]], |so_far, of_axis| {
        so_far
            .iter()
            .flat_map(|head| of_axis.iter().map(move |v| [&head[..], &[*v]].concat()))
            .collect()
    })
}

/// The only line of arms along an axis, restricted to measured values. `None` if there are several
/// lines.
pub fn line<'s, 'a>(study: &'s Study<'a>, axis: usize) -> Option<Design<'s, 'a>> {
    let groups = along(study, axis);
    let [group] = &groups[..] else { return None };
    let measured: Vec<_> = group.points.iter().filter(|(_, arm)| arm.sample.is_some()).collect();
    let mut values: Vec<usize> = measured.iter().map(|(at, _)| *at).collect();
    values.dedup();
    if values.len() < 2 || values.len() < measured.len() {
        return None;
    }
    let arms: Vec<&Arm> = measured.iter().map(|(_, arm)| *arm).collect();
    // An arm at two places would be counted twice.
    if (1..arms.len()).any(|i| arms[..i].iter().any(|arm| arm.id == arms[i].id)) {
        return None;
    }
    Design::of(vec![axis], vec![values], arms, study)
}
