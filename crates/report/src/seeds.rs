//! How many seeds each arm needs by the plan's rule, once every arm has those of the first stage.

use crate::stats::pairs_wanted;
use crate::study::Study;
use std::collections::BTreeMap;
use store::{Status, SweepRows};

/// Arm ids with the number of seeds (from 0) that they are to have; empty without a rule, or while the first stage is not
/// over. The baseline gets as many as the arm that needs most: differences are over shared seeds.
pub fn wanted(rows: &SweepRows) -> BTreeMap<String, usize> {
    let Some(rule) = rows.plan.seed_rule else { return BTreeMap::new() };
    let study = Study::of(rows);
    let is_first = |seed: u64| seed < rule.min as u64;
    let is_over = |status: Status| !matches!(status, Status::Pending | Status::Running | Status::Interrupted);
    let first_stage = rows.trials.iter().filter(|t| is_first(t.planned.spec.seed));
    let Some(baseline) = study.baseline().filter(|_| first_stage.clone().all(|t| is_over(t.status))) else {
        return BTreeMap::new();
    };
    let mut wanted = BTreeMap::new();
    for arm in study.arms.iter().filter(|arm| arm.id != baseline.id) {
        let shared = arm.values.iter().filter(|(seed, _)| is_first(**seed));
        let differences: Vec<f64> = shared.filter_map(|(seed, v)| Some(v - baseline.values.get(seed)?)).collect();
        if differences.len() > 1 {
            wanted.insert(arm.id.to_owned(), pairs_wanted(&differences, rule.half_width, rule.max).max(rule.min));
        }
    }
    if let Some(most) = wanted.values().max().copied() {
        wanted.insert(baseline.id.to_owned(), most);
    }
    wanted
}
