//! Sentences on axes and interactions that have an effect.

use super::super::numbers::{decimals, of_finding, points, signed_points, small};
use super::{name, per, value};
use crate::findings::{Finding, Subject, Widest};
use crate::format::{capital, listed};
use crate::lines::along;
use crate::stats::Estimate;
use crate::study::{Arm, Study};

/// The sentence for a finding that is a difference.
pub(super) fn different(study: &Study, finding: &Finding) -> String {
    let evidence = of_finding(study, finding, study.findings.tested());
    let metric = capital(&study.metric.name);
    let small = small(study, finding);
    match (&finding.subject, finding.estimate) {
        (Subject::Trend(axis), Some(slope)) => {
            let verb = if slope.value > 0.0 { "rises" } else { "falls" };
            let size = points(study, slope.value, decimals(study, &slope));
            let per = per(study, *axis, finding.step);
            format!(
                "{metric} {verb} by {size} {per} ({evidence}){}{small}.",
                averaged(study, *axis, None)
            )
        }
        (Subject::Axis(axis), Some(step)) => {
            let Some(Widest { between, .. }) = &finding.widest else { return String::new() };
            let (from, to) = between[0];
            let is_up = (step.value > 0.0) == study.metric.higher_is_better;
            let (winner, loser) = if is_up { (to, from) } else { (from, to) };
            let size = points(study, step.value, decimals(study, &step));
            let evidence = of_finding(study, &turned(finding), study.findings.tested());
            let winner = value(study, *axis, winner);
            let loser = value(study, *axis, loser);
            format!(
                "{winner} beats {loser} by {size} ({evidence}){}{small}.",
                averaged(study, *axis, Some((from, to)))
            )
        }
        (Subject::Shape(axis), _) => {
            let (best, worst) = ends(study, finding);
            let axis = name(study, *axis);
            format!(
                "The means along {axis} do not lie on a line ({evidence}): {best} has the highest, {worst} the lowest."
            )
        }
        (Subject::Axis(axis), None) => {
            let (high, low) = ends(study, finding);
            let apart = finding.widest.as_ref().map_or(String::new(), |w| {
                points(study, w.estimate.value, decimals(study, &w.estimate))
            });
            let averaged = averaged(study, *axis, None);
            format!(
                "{} matters ({evidence}): {high} has the highest mean, {low} the lowest, {apart} apart{averaged}.",
                capital(name(study, *axis))
            )
        }
        (Subject::Interaction(a, b), _) => interaction(study, finding, *a, *b, &evidence),
        _ => String::new(),
    }
}

/// The finding with the absolute value of its estimate, so that the sentence can name the better
/// value first. The interval follows the sign of the estimate.
fn turned(finding: &Finding) -> Finding {
    let estimate = finding.estimate.map(|e| Estimate { value: e.value.abs(), ..e });
    Finding { estimate, ..finding.clone() }
}

/// The values with the highest and the lowest mean, taken from the widest difference.
fn ends(study: &Study, finding: &Finding) -> (String, String) {
    let (Some(w), Subject::Axis(axis) | Subject::Shape(axis)) = (&finding.widest, &finding.subject)
    else {
        return Default::default();
    };
    let (low, high) = w.low_and_high();
    (value(study, *axis, high), value(study, *axis, low))
}

/// The suffix on the other axes: `, averaged over scale; the same way round at each of its values`.
/// Empty for a single axis.
pub(super) fn averaged(study: &Study, axis: usize, between: Option<(usize, usize)>) -> String {
    let is_grid =
        study.findings.members.iter().any(|f| matches!(f.subject, Subject::Interaction(..)));
    let in_grid = |other: &usize| {
        *other != axis
            && study.findings.members.iter().any(|f| match f.subject {
                Subject::Axis(a) | Subject::Trend(a) => a == *other,
                _ => false,
            })
    };
    let others: Vec<String> =
        (0..study.axes.len()).filter(in_grid).map(|a| name(study, a).to_owned()).collect();
    if !is_grid || others.is_empty() {
        return String::new();
    }
    let everywhere = between.is_some_and(|between| is_alike_everywhere(study, axis, between));
    let everywhere =
        if everywhere { "; the same way round at every one of its values" } else { "" };
    let everywhere = if others.len() > 1 {
        everywhere.replace("one of its values", "combination")
    } else {
        everywhere.into()
    };
    let crossing = |f: &Finding| match f.subject {
        Subject::Interaction(a, b) => f.verdict.is_difference() && (a == axis || b == axis),
        _ => false,
    };
    let hides = study.findings.members.iter().any(crossing);
    let hides = if hides { "; this average hides the interaction" } else { "" };
    format!(", averaged over {}{everywhere}{hides}", listed(&others))
}

/// Whether the sign of the difference between two values of an axis is the same wherever both were
/// measured.
fn is_alike_everywhere(study: &Study, axis: usize, (from, to): (usize, usize)) -> bool {
    let mean = |points: &[(usize, &Arm)], at: usize| {
        points.iter().find(|(value, _)| *value == at).and_then(|(_, arm)| Some(arm.sample?.mean))
    };
    let lines = along(study, axis);
    let differences =
        lines.iter().filter_map(|line| Some(mean(&line.points, to)? - mean(&line.points, from)?));
    let differences: Vec<f64> = differences.collect();
    differences.len() > 1
        && (differences.iter().all(|d| *d > 0.0) || differences.iter().all(|d| *d < 0.0))
}

/// The sentence on an interaction: the effect of the first axis at each value of the second if the
/// first has two values, otherwise the widest contrast.
fn interaction(study: &Study, finding: &Finding, a: usize, b: usize, evidence: &str) -> String {
    let head =
        format!("The effect of {} depends on {} ({evidence})", name(study, a), name(study, b));
    let Some(widest) = &finding.widest else { return format!("{head}.") };
    let (from_a, to_a) = widest.between[0];
    let (from_b, to_b) = widest.between[1];
    let at = |b_value: usize| {
        let mean = |a_value: usize| {
            let is_there = |arm: &&Arm| {
                let on = |axis: usize, v: usize| {
                    arm.places[0][axis].as_deref() == Some(&study.axes[axis].values[v][..])
                };
                on(a, a_value) && on(b, b_value)
            };
            let means: Vec<f64> = study
                .arms
                .iter()
                .filter(is_there)
                .filter_map(|arm| Some(arm.sample?.mean))
                .collect();
            means.iter().sum::<f64>() / means.len() as f64
        };
        mean(to_a) - mean(from_a)
    };
    let shown = |b_value: usize| {
        let digits = decimals(study, &widest.estimate);
        format!("{} at {}", signed_points(study, at(b_value), digits), value(study, b, b_value))
    };
    format!(
        "{head}: {} minus {} is {} and {}.",
        value(study, a, to_a),
        value(study, a, from_a),
        shown(from_b),
        shown(to_b)
    )
}
