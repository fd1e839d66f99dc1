//! What axes do, in words.

use super::numbers::{
    adjusted, adjusted_from, decimals, narrow, of_finding, points, range, seeds_needed, signed_points, small,
};
use super::{listed, sorted};
use crate::findings::{Finding, Step, Subject, Verdict, Widest};
use crate::format::{capital, plural};
use crate::lines::along;
use crate::study::{Arm, Study};

/// Names in one sentence.
const MOST_NAMES: usize = 6;

/// Differences, the surest first; equalities; what is not resolved; and what no effect can be told of.
pub fn sentences(study: &Study, left_out: &[&Arm]) -> Vec<String> {
    let members = &study.findings.members;
    // That means stay on a line is nothing to report.
    let is_shape = |f: &Finding| matches!(f.subject, Subject::Shape(_));
    let mut sentences = Vec::new();
    let open = sorted(members, |f| f.verdict == Verdict::NotResolved && !is_shape(f));
    if open.len() > 1 && open.len() == members.iter().filter(|f| !is_shape(f)).count() {
        sentences.push(nothing_resolved(study, &open));
    }
    for finding in sorted(members, |f| f.verdict.is_difference()) {
        sentences.push(different(study, finding));
        sentences.extend(details(study, finding));
    }
    let (interactions, alone) = apart(sorted(members, |f| f.verdict == Verdict::Equal));
    sentences.extend(alone.into_iter().map(|f| equal(study, f)));
    sentences.extend(equal_interactions(study, &interactions));
    let (interactions, alone) = apart(open);
    sentences.extend(alone.into_iter().map(|f| unresolved(study, f)));
    sentences.extend(unresolved_interactions(study, &interactions));
    sentences.extend((!left_out.is_empty()).then(|| without(left_out)));
    sentences
}

/// Interactions, and the rest.
fn apart(findings: Vec<&Finding>) -> (Vec<&Finding>, Vec<&Finding>) {
    findings.into_iter().partition(|f| matches!(f.subject, Subject::Interaction(..)))
}

/// One sentence for several interactions.
fn equal_interactions(study: &Study, equal_ones: &[&Finding]) -> Option<String> {
    if equal_ones.len() < 2 {
        return equal_ones.first().map(|f| equal(study, f));
    }
    let margin = format!("±{}{}", study.margin().unwrap_or_default(), study.metric.difference_unit);
    let worst = equal_ones.iter().filter_map(|f| f.p_equal_holm).fold(0.0, f64::max);
    Some(format!(
        "No interaction beyond {margin}: {} ({} of a larger one, at most).",
        crossed(study, equal_ones),
        adjusted(worst, study.findings.tested())
    ))
}

fn unresolved_interactions(study: &Study, open: &[&Finding]) -> Option<String> {
    let [first, _, ..] = open else { return open.first().map(|f| unresolved(study, f)) };
    Some(format!(
        "Not resolved: the interactions {}. Closest to significant: {} ({}).",
        crossed(study, open),
        crossed(study, &[first]),
        of_finding(study, first, study.findings.tested()),
    ))
}

/// `depth × scale, depth × width`.
fn crossed(study: &Study, findings: &[&Finding]) -> String {
    let cross = |f: &&Finding| match f.subject {
        Subject::Interaction(a, b) => format!("{} × {}", name(study, a), name(study, b)),
        _ => String::new(),
    };
    listed(&findings.iter().map(cross).collect::<Vec<_>>())
}

fn name<'s>(study: &'s Study, axis: usize) -> &'s str {
    &study.axes[axis].label
}

fn value(study: &Study, axis: usize, value: usize) -> String {
    format!("{}={}", study.axes[axis].label, study.axes[axis].values[value])
}

fn nothing_resolved(study: &Study, open: &[&Finding]) -> String {
    let what = |f: &&Finding| match f.subject {
        Subject::Interaction(a, b) => format!("the interaction of {} and {}", name(study, a), name(study, b)),
        Subject::Axis(a) | Subject::Trend(a) => format!("the effect of {}", name(study, a)),
        _ => String::new(),
    };
    // Main effects are named before their interactions.
    let mut order = open.to_vec();
    order.sort_by_key(|f| matches!(f.subject, Subject::Interaction(..)));
    let seeds = open.iter().filter_map(|f| f.estimate.or(f.widest.as_ref().map(|w| w.estimate))).map(|e| e.seeds).max();
    let named: Vec<String> = order.iter().map(what).collect();
    format!("Nothing is resolved with {}: {}.", plural(seeds.unwrap_or(0), "seed"), listed(&named))
}

fn different(study: &Study, finding: &Finding) -> String {
    let evidence = of_finding(study, finding, study.findings.tested());
    let (metric, small) = (capital(&study.metric.name), small(study, finding));
    match (&finding.subject, finding.estimate) {
        (Subject::Trend(axis), Some(slope)) => {
            let verb = if slope.value > 0.0 { "rises" } else { "falls" };
            let size = points(study, slope.value, decimals(study, &slope));
            let per = per(study, *axis, finding.step);
            format!("{metric} {verb} by {size} {per} ({evidence}){}{small}.", averaged(study, *axis, None))
        }
        (Subject::Axis(axis), Some(step)) => {
            let Some(Widest { between, .. }) = &finding.widest else { return String::new() };
            let (from, to) = between[0];
            let is_up = (step.value > 0.0) == study.metric.higher_is_better;
            let (winner, loser) = if is_up { (to, from) } else { (from, to) };
            let size = points(study, step.value, decimals(study, &step));
            let evidence = of_finding(study, &turned(finding), study.findings.tested());
            let (winner, loser) = (value(study, *axis, winner), value(study, *axis, loser));
            format!("{winner} beats {loser} by {size} ({evidence}){}{small}.", averaged(study, *axis, Some((from, to))))
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
            let apart = finding
                .widest
                .as_ref()
                .map_or(String::new(), |w| points(study, w.estimate.value, decimals(study, &w.estimate)));
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

/// A difference told as the winner's: its interval has the size's sign.
fn turned(finding: &Finding) -> Finding {
    let estimate = finding.estimate.map(|e| crate::stats::Estimate { value: e.value.abs(), ..e });
    Finding { estimate, ..finding.clone() }
}

/// The values with the highest and the lowest mean, as the widest difference has them.
fn ends(study: &Study, finding: &Finding) -> (String, String) {
    let (Some(w), Subject::Axis(axis) | Subject::Shape(axis)) = (&finding.widest, &finding.subject) else {
        return Default::default();
    };
    let (from, to) = w.between[0];
    let (high, low) = if w.estimate.value > 0.0 { (to, from) } else { (from, to) };
    (value(study, *axis, high), value(study, *axis, low))
}

fn per(study: &Study, axis: usize, step: Step) -> String {
    match step {
        Step::Doubling => format!("per doubling of {}", name(study, axis)),
        _ => format!("per unit of {}", name(study, axis)),
    }
}

/// `, averaged over scale; the same way round at each of its values`. Nothing for a single axis.
fn averaged(study: &Study, axis: usize, between: Option<(usize, usize)>) -> String {
    let is_grid = study.findings.members.iter().any(|f| matches!(f.subject, Subject::Interaction(..)));
    let in_grid = |other: &usize| {
        *other != axis
            && study.findings.members.iter().any(|f| match f.subject {
                Subject::Axis(a) | Subject::Trend(a) => a == *other,
                _ => false,
            })
    };
    let others: Vec<String> = (0..study.axes.len()).filter(in_grid).map(|a| name(study, a).to_owned()).collect();
    if !is_grid || others.is_empty() {
        return String::new();
    }
    let everywhere = between.is_some_and(|between| is_alike_everywhere(study, axis, between));
    let everywhere = if everywhere { "; the same way round at every one of its values" } else { "" };
    let everywhere =
        if others.len() > 1 { everywhere.replace("one of its values", "combination") } else { everywhere.into() };
    let crossing = |f: &Finding| match f.subject {
        Subject::Interaction(a, b) => f.verdict.is_difference() && (a == axis || b == axis),
        _ => false,
    };
    let hides = study.findings.members.iter().any(crossing);
    let hides = if hides { "; this average hides the interaction" } else { "" };
    format!(", averaged over {}{everywhere}{hides}", listed(&others))
}

/// Whether one value of an axis has the higher mean beside the other wherever both were measured.
fn is_alike_everywhere(study: &Study, axis: usize, (from, to): (usize, usize)) -> bool {
    let mean = |points: &[(usize, &Arm)], at: usize| {
        points.iter().find(|(value, _)| *value == at).and_then(|(_, arm)| Some(arm.sample?.mean))
    };
    let lines = along(study, axis);
    let differences = lines.iter().filter_map(|line| Some(mean(&line.points, to)? - mean(&line.points, from)?));
    let differences: Vec<f64> = differences.collect();
    differences.len() > 1 && (differences.iter().all(|d| *d > 0.0) || differences.iter().all(|d| *d < 0.0))
}

/// The effect of the first axis at each value of the second, where the first has two values; the widest contrast else.
fn interaction(study: &Study, finding: &Finding, a: usize, b: usize, evidence: &str) -> String {
    let head = format!("The effect of {} depends on {} ({evidence})", name(study, a), name(study, b));
    let Some(widest) = &finding.widest else { return format!("{head}.") };
    let ((from_a, to_a), (from_b, to_b)) = (widest.between[0], widest.between[1]);
    let at = |b_value: usize| {
        let mean = |a_value: usize| {
            let is_there = |arm: &&Arm| {
                let on =
                    |axis: usize, v: usize| arm.places[0][axis].as_deref() == Some(&study.axes[axis].values[v][..]);
                on(a, a_value) && on(b, b_value)
            };
            let means: Vec<f64> = study.arms.iter().filter(is_there).filter_map(|arm| Some(arm.sample?.mean)).collect();
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

fn equal(study: &Study, finding: &Finding) -> String {
    let margin = format!("±{}{}", study.margin().unwrap_or_default(), study.metric.difference_unit);
    let Some(widest) = &finding.widest else { return String::new() };
    let largest = points(study, widest.estimate.value, decimals(study, &widest.estimate));
    let p = finding.p_equal_holm.map_or(String::new(), |p| adjusted(p, study.findings.tested()));
    let narrow = narrow(study, &widest.estimate);
    match finding.subject {
        Subject::Interaction(a, b) => format!(
            "{} does the same at every value of {} within {margin} (largest difference {largest}, {narrow}, {p} of a \
             larger one).",
            capital(name(study, a)),
            name(study, b)
        ),
        Subject::Axis(axis) | Subject::Trend(axis) => {
            let (from, to) = widest.between[0];
            let (high, low) = if widest.estimate.value > 0.0 { (to, from) } else { (from, to) };
            format!(
                "All values of {} are equal within {margin} (largest difference {largest}, {} over {}, {narrow}, {p} of a \
                 larger one){}.",
                name(study, axis),
                value(study, axis, high),
                value(study, axis, low),
                averaged(study, axis, None)
            )
        }
        _ => String::new(),
    }
}

fn unresolved(study: &Study, finding: &Finding) -> String {
    let p = adjusted_from(finding, study.findings.tested());
    let needed = seeds_needed(study, finding);
    let estimate = finding.estimate.or(finding.widest.as_ref().map(|w| w.estimate));
    let Some((estimate, interval)) = estimate.and_then(|e| Some((e, e.interval()?))) else { return String::new() };
    let digits = decimals(study, &estimate);
    let possible =
        format!("{} possible (95 % CI, n = {}", range(study, interval, digits), plural(estimate.seeds, "seed"));
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
            let (to, from) = (value(study, *axis, to), value(study, *axis, from));
            let what = if finding.estimate.is_some() { "" } else { ", the largest difference" };
            let effect = format!("The effect of {} is not resolved", name(study, *axis));
            format!("{effect}: {to} minus {from}{what}, {seen} seen, {possible}, {p}){needed}.")
        }
        (Subject::Interaction(a, b), _) => {
            let what =
                format!("Whether the effect of {} depends on {} is not resolved", name(study, *a), name(study, *b));
            format!("{what}: {seen} more at one value than at another at most, {possible}, {p}){needed}.")
        }
        _ => String::new(),
    }
}

/// The first or the last measured value of an axis.
fn end(study: &Study, axis: usize, is_first: bool) -> String {
    let has = |at: &usize| {
        let is_there = |arm: &Arm| {
            let on = |place: &Vec<Option<String>>| place[axis].as_deref() == Some(&study.axes[axis].values[*at][..]);
            arm.sample.is_some() && arm.places.iter().any(on)
        };
        study.arms.iter().any(is_there)
    };
    let mut measured = (0..study.axes[axis].values.len()).filter(has);
    let at = if is_first { measured.next() } else { measured.next_back() };
    value(study, axis, at.unwrap_or_default())
}

/// What is asked only because this was found: values against their first, or neighbours.
fn details(study: &Study, finding: &Finding) -> Option<String> {
    let (Subject::Axis(axis) | Subject::Trend(axis) | Subject::Shape(axis)) = finding.subject else { return None };
    let is_first =
        study.findings.members.iter().find(|f| f.verdict.is_difference() && is_about(f, axis)) == Some(finding);
    let of_axis = study.findings.details.iter().filter(|f| is_about(f, axis) && is_first);
    let mut said: Vec<String> = of_axis.clone().take(MOST_NAMES).map(|f| detail(study, f)).collect();
    let rest = of_axis.count().saturating_sub(MOST_NAMES);
    said.extend((rest > 0).then(|| format!("{rest} more are in the table of effects")));
    let head = if matches!(finding.subject, Subject::Axis(_)) { "One by one" } else { "Neighbours" };
    (!said.is_empty()).then(|| format!("{head}: {}.", said.join("; ")))
}

fn is_about(finding: &Finding, of: usize) -> bool {
    match finding.subject {
        Subject::Axis(axis) | Subject::Trend(axis) | Subject::Shape(axis) | Subject::Values { axis, .. } => axis == of,
        _ => false,
    }
}

fn detail(study: &Study, finding: &Finding) -> String {
    let (Subject::Values { axis, from, to }, Some(estimate)) = (&finding.subject, finding.estimate) else {
        return String::new();
    };
    let (to, from) = (value(study, *axis, *to), value(study, *axis, *from));
    let digits = decimals(study, &estimate);
    let interval = estimate.interval().map_or(String::new(), |interval| range(study, interval, digits));
    let seen = signed_points(study, estimate.value, digits);
    let evidence = format!("{seen}, 95 % CI {interval}");
    match finding.verdict {
        Verdict::Better => format!("{to} beats {from} ({evidence})"),
        Verdict::Worse => format!("{to} is worse than {from} ({evidence})"),
        Verdict::Equal => {
            let margin = format!("±{}{}", study.margin().unwrap_or_default(), study.metric.difference_unit);
            format!("{to} and {from} are equal within {margin} ({evidence})")
        }
        _ => format!("{to} against {from} is not resolved ({evidence})"),
    }
}

/// Arms that a complete grid has no place for.
fn without(left_out: &[&Arm]) -> String {
    let names: Vec<&str> = left_out.iter().take(MOST_NAMES).map(|arm| arm.label.as_str()).collect();
    let more =
        if left_out.len() > MOST_NAMES { format!(" and {} more", left_out.len() - MOST_NAMES) } else { String::new() };
    format!(
        "The grid is incomplete: these findings are of its largest complete part, without {}{more}; nothing is said of \
         what those would change.",
        names.join(", ")
    )
}
