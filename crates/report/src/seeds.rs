//! The number of seeds that each arm needs by the plan's seed rule, after the first stage.

use crate::stats::pairs_wanted;
use crate::study::Study;
use res2lab_store::{Status, SweepRows};
use std::collections::BTreeMap;

/// Arm ids with the required number of seeds, counted from seed 0. The map is empty without a rule
/// and before the first stage is complete. An arm gets the maximum over all comparisons that it
/// takes part in, because differences are taken over shared seeds.
pub fn wanted(rows: &SweepRows) -> BTreeMap<String, usize> {
    let Some(rule) = rows.plan.seed_rule else { return BTreeMap::new() };
    let is_first = |seed: u64| seed < rule.min as u64;
    let is_over =
        |status: Status| !matches!(status, Status::Pending | Status::Running | Status::Interrupted);
    if rows.trials.iter().any(|t| is_first(t.planned.spec.seed) && !is_over(t.status)) {
        return BTreeMap::new();
    }
    let study = Study::of(rows);
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for pair in &study.pairs {
        let arm = &study.arms[pair.arm];
        let partner = &study.arms[pair.partner];
        let shared = arm.values.iter().filter(|(seed, _)| is_first(**seed));
        let differences: Vec<f64> =
            shared.filter_map(|(seed, v)| Some(v - partner.values.get(seed)?)).collect();
        if differences.len() > 1 {
            let seeds = pairs_wanted(&differences, rule.half_width, rule.max).max(rule.min);
            for id in [arm.id, partner.id] {
                let so_far = wanted.entry(id.to_owned()).or_default();
                *so_far = seeds.max(*so_far);
            }
        }
    }
    wanted
}
