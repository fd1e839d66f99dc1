//! The verdicts, and how a family reaches them.

use super::{Finding, Step, Subject};
use crate::stats::{ALPHA, Estimate, holm};
use crate::study::Study;

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The metric gets better.
    Better,
    /// The metric gets worse.
    Worse,
    /// There is a difference that has no direction.
    Differs,
    /// The difference is smaller than the margin.
    Equal,
    /// The data allow more than one of these verdicts.
    NotResolved,
    /// Fewer than two seeds are shared, or nothing varies.
    NotTested,
}

impl Verdict {
    /// The name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Differs => "differs",
            Verdict::Equal => "equal",
            Verdict::NotResolved => "not resolved",
            Verdict::NotTested => "not tested",
        }
    }

    /// Whether the verdict claims a difference.
    pub fn is_difference(self) -> bool {
        matches!(self, Verdict::Better | Verdict::Worse | Verdict::Differs)
    }
}

/// The number of seeds that detects a difference of a given size with a power of 80 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needed {
    /// `None` for more than [`MOST_SEEDS`].
    pub seeds: Option<usize>,
    /// The assumed difference: the observed one, or the margin if that is larger.
    pub size: f64,
}

/// Largest number of seeds that is worth reporting as required.
pub const MOST_SEEDS: usize = 100;

/// Corrects the claims of a family together, and gives each member its verdict.
pub(super) fn decide(family: &mut [Finding], study: &Study) {
    let adjusted = corrected(family, |f| f.p);
    let equal = corrected(family, |f| f.p_equal);
    for ((member, p), p_equal) in family.iter_mut().zip(adjusted).zip(equal) {
        (member.p_holm, member.p_equal_holm) = (p, p_equal);
        member.verdict = match (p, p_equal) {
            (Some(p), _) if p < ALPHA => direction(member, study.metric.higher_is_better),
            (_, Some(p)) if p < ALPHA => Verdict::Equal,
            (Some(_), _) => Verdict::NotResolved,
            (None, _) => Verdict::NotTested,
        };
    }
}

/// Holm's correction over the members that have a p-value.
fn corrected(family: &[Finding], p: impl Fn(&Finding) -> Option<f64>) -> Vec<Option<f64>> {
    let raw: Vec<f64> = family.iter().filter_map(&p).collect();
    let mut adjusted = holm(&raw).into_iter();
    family.iter().map(|member| p(member).and_then(|_| adjusted.next())).collect()
}

fn direction(member: &Finding, higher_is_better: bool) -> Verdict {
    match (&member.subject, member.estimate) {
        (Subject::Interaction(..) | Subject::Shape(_), _) | (_, None) => Verdict::Differs,
        (_, Some(estimate)) if (estimate.value > 0.0) == higher_is_better => Verdict::Better,
        _ => Verdict::Worse,
    }
}

/// The number of seeds that would resolve a finding in a family of `family` members. For a trend,
/// the size is the change from end to end of its axis. `None` for resolved findings, and if the
/// error is unknown.
pub fn needed(member: &Finding, margin: Option<f64>, family: usize) -> Option<Needed> {
    if member.verdict != Verdict::NotResolved {
        return None;
    }
    let whole = |e: Estimate| Estimate {
        value: e.value * member.steps,
        error: e.error.map(|e| e * member.steps),
        ..e
    };
    let estimate = match member.step {
        Step::Difference => member.any_estimate(),
        _ => member.estimate.map(whole),
    }?;
    let size = estimate.value.abs().max(margin.unwrap_or(0.0));
    let alpha = ALPHA / family.max(1) as f64;
    (size > 0.0 && estimate.error.is_some())
        .then(|| Needed { seeds: estimate.seeds_needed(size, alpha, MOST_SEEDS), size })
}
