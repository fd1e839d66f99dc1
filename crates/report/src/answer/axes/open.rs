//! Sentences on unresolved effects: the estimate and its possible range.

use super::super::numbers::{
    adjusted_from, decimals, of_finding, range, seeds_needed, signed_points,
};
use super::{crossed, name, per, value};
use crate::findings::{Finding, Subject};
use crate::format::{listed, plural};
use crate::study::{Arm, Study};

/// The observed effect and its possible range.
pub(super) fn unresolved(study: &Study, finding: &Finding) -> String {
    let p = adjusted_from(finding, study.findings.tested());
    let needed = seeds_needed(study, finding);
    let Some((estimate, interval)) = finding.any_estimate().and_then(|e| Some((e, e.interval()?)))
    else {
        return String::new();
    };
    let digits = decimals(study, &estimate);
    let possible = format!(
        "{} possible (95 % CI, n = {}",
        range(study, interval, digits),
        plural(estimate.seeds, "seed")
    );
    let seen = signed_points(study, estimate.value, digits);
    let between = finding.widest.as_ref().map(|w| w.between[0]);
    match (&finding.subject, between) {
        (Subject::Trend(axis), _) => {
            let ends = format!(" from {} to {}", end(study, *axis, true), end(study, *axis, false));
            let needed = if needed.is_empty() { needed } else { needed + &ends };
            let per = per(study, *axis, finding.step);
            format!(
                "The trend along {} is not resolved: {seen} {per} seen, {possible}, {p}){needed}.",
                name(study, *axis)
            )
        }
        (Subject::Axis(axis), Some((from, to))) => {
            let to = value(study, *axis, to);
            let from = value(study, *axis, from);
            let what = if finding.estimate.is_some() { "" } else { ", the largest difference" };
            let effect = format!("The effect of {} is not resolved", name(study, *axis));
            format!("{effect}: {to} minus {from}{what}, {seen} seen, {possible}, {p}){needed}.")
        }
        (Subject::Interaction(a, b), _) => {
            let what = format!(
                "Whether the effect of {} depends on {} is not resolved",
                name(study, *a),
                name(study, *b)
            );
            format!(
                "{what}: {seen} more at one value than at another at most, {possible}, {p}){needed}."
            )
        }
        _ => String::new(),
    }
}

pub(super) fn unresolved_interactions(study: &Study, open: &[&Finding]) -> Option<String> {
    let [first, _, ..] = open else { return open.first().map(|f| unresolved(study, f)) };
    Some(format!(
        "Not resolved: the interactions {}. Closest to significant: {} ({}).",
        crossed(study, open),
        crossed(study, &[first]),
        of_finding(study, first, study.findings.tested()),
    ))
}

pub(super) fn nothing_resolved(study: &Study, open: &[&Finding]) -> String {
    let what = |f: &&Finding| match f.subject {
        Subject::Interaction(a, b) => {
            format!("the interaction of {} and {}", name(study, a), name(study, b))
        }
        Subject::Axis(a) | Subject::Trend(a) => format!("the effect of {}", name(study, a)),
        _ => String::new(),
    };
    // Main effects are named before their interactions.
    let mut order = open.to_vec();
    order.sort_by_key(|f| matches!(f.subject, Subject::Interaction(..)));
    let seeds = open.iter().filter_map(|f| f.any_estimate()).map(|e| e.seeds).max();
    let named: Vec<String> = order.iter().map(what).collect();
    format!("Nothing is resolved with {}: {}.", plural(seeds.unwrap_or(0), "seed"), listed(&named))
}

/// The first or the last measured value of an axis.
fn end(study: &Study, axis: usize, is_first: bool) -> String {
    let has = |at: &usize| {
        let is_there = |arm: &Arm| {
            let on = |place: &Vec<Option<String>>| {
                place[axis].as_deref() == Some(&study.axes[axis].values[*at][..])
            };
            arm.sample.is_some() && arm.places.iter().any(on)
        };
        study.arms.iter().any(is_there)
    };
    let mut measured = (0..study.axes[axis].values.len()).filter(has);
    let at = if is_first { measured.next() } else { measured.next_back() };
    value(study, axis, at.unwrap_or_default())
}
