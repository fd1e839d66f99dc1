//! Findings on axes: of a complete grid, or of one line of arms per axis.

use super::verdict::decide;
use super::{Finding, Findings, Kind, Step, Subject, finding, widest};
use crate::design::Design;
use crate::effects::{self, Effect};
use crate::stats::Estimate;
use crate::study::Study;

/// Main effects and interactions of two axes. Axes with an effect also get comparisons of their
/// values with the first value.
pub(super) fn of_grid(study: &Study, design: &Design) -> Findings {
    let effects = effects::of(study, design);
    let mut members: Vec<Finding> =
        effects.iter().flat_map(|effect| members(study, effect)).collect();
    decide(&mut members, study);
    let matters = |axis: usize| {
        members.iter().any(|f| f.subject == Subject::Axis(axis) && f.verdict.is_difference())
    };
    let unordered = effects
        .iter()
        .filter(|e| e.trend.is_none() && e.differences.len() > 1 && e.axes.len() == 1);
    let mut details: Vec<Finding> = unordered
        .filter(|e| matters(e.axes[0]))
        .flat_map(|e| values(study, e, |from, _| from == e.levels[0].value))
        .collect();
    decide(&mut details, study);
    Findings {
        kind: Kind::Axes,
        left_out: design.left_out.clone(),
        family: "effects of axes and their interactions",
        members,
        details,
        of_details: "values of an axis",
    }
}

/// The trend along each axis. A single ordered axis with an effect also gets comparisons of
/// neighboring values.
pub(super) fn of_lines(study: &Study, designs: &[Design]) -> Findings {
    let effects: Vec<Effect> =
        designs.iter().flat_map(|design| effects::of(study, design)).collect();
    let mut members: Vec<Finding> =
        effects.iter().flat_map(|effect| members(study, effect)).collect();
    decide(&mut members, study);
    let mut findings = Findings {
        kind: Kind::Axes,
        family: "effects of axes",
        members,
        of_details: "neighbors",
        ..Findings::default()
    };
    if let ([effect], true) = (&effects[..], findings.has_difference()) {
        let values_in_order: Vec<usize> = effect.levels.iter().map(|level| level.value).collect();
        let is_next =
            |from: usize, to: usize| values_in_order.windows(2).any(|pair| pair == [from, to]);
        findings.details = values(study, effect, is_next);
        decide(&mut findings.details, study);
    }
    findings
}

/// The findings of an effect: trend and deviation from the line for an ordered axis, the F-test
/// otherwise.
fn members(study: &Study, effect: &Effect) -> Vec<Finding> {
    let p_equal = study.margin().and_then(|margin| effect.p_equal(margin));
    let with_equality = |f: Finding| Finding { p_equal, widest: widest(effect), ..f };
    match (&effect.axes[..], &effect.trend) {
        (&[a, b], _) => {
            vec![with_equality(finding(
                Subject::Interaction(a, b),
                only(effect),
                Some(effect.test),
            ))]
        }
        (&[axis], Some(trend)) => {
            let step = if trend.per_doubling { Step::Doubling } else { Step::Unit };
            let along = finding(Subject::Trend(axis), Some(trend.slope), None);
            let shape = finding(Subject::Shape(axis), None, Some(trend.beyond));
            vec![
                with_equality(Finding { step, steps: trend.steps, ..along }),
                Finding { widest: widest(effect), ..shape },
            ]
        }
        (axes, _) => {
            vec![with_equality(finding(Subject::Axis(axes[0]), only(effect), Some(effect.test)))]
        }
    }
}

/// The estimate of an effect that consists of a single difference.
fn only(effect: &Effect) -> Option<Estimate> {
    match &effect.differences[..] {
        [one] if effect.has_all_differences => Some(one.estimate),
        _ => None,
    }
}

/// The differences between values of an axis for which `wanted` holds.
fn values(study: &Study, effect: &Effect, wanted: impl Fn(usize, usize) -> bool) -> Vec<Finding> {
    let axis = effect.axes[0];
    let differences = effect.differences.iter().filter(|d| wanted(d.between[0].0, d.between[0].1));
    differences
        .map(|d| {
            let (from, to) = d.between[0];
            let p_equal = study.margin().and_then(|margin| d.estimate.p_equal(margin));
            Finding {
                p_equal,
                ..finding(Subject::Values { axis, from, to }, Some(d.estimate), None)
            }
        })
        .collect()
}
