//! Sentences on the individual values of an axis that has an effect.

use super::super::numbers::{decimals, margin, range, signed_points};
use super::{MOST_NAMES, value};
use crate::findings::{Finding, Subject, Verdict};
use crate::study::Study;

/// The follow-up comparisons of an axis with a significant effect: values against the first, or
/// neighbors.
pub(super) fn details(study: &Study, finding: &Finding) -> Option<String> {
    let (Subject::Axis(axis) | Subject::Trend(axis) | Subject::Shape(axis)) = finding.subject
    else {
        return None;
    };
    let is_first =
        study.findings.members.iter().find(|f| f.verdict.is_difference() && is_about(f, axis))
            == Some(finding);
    let of_axis = study.findings.details.iter().filter(|f| is_about(f, axis) && is_first);
    let mut said: Vec<String> =
        of_axis.clone().take(MOST_NAMES).map(|f| detail(study, f)).collect();
    let rest = of_axis.count().saturating_sub(MOST_NAMES);
    said.extend((rest > 0).then(|| format!("{rest} more")));
    let head = if matches!(finding.subject, Subject::Axis(_)) { "One by one" } else { "Neighbors" };
    (!said.is_empty()).then(|| format!("{head}: {}.", said.join("; ")))
}

fn is_about(finding: &Finding, of: usize) -> bool {
    match finding.subject {
        Subject::Axis(axis)
        | Subject::Trend(axis)
        | Subject::Shape(axis)
        | Subject::Values { axis, .. } => axis == of,
        _ => false,
    }
}

fn detail(study: &Study, finding: &Finding) -> String {
    let (Subject::Values { axis, from, to }, Some(estimate)) = (&finding.subject, finding.estimate)
    else {
        return String::new();
    };
    let to = value(study, *axis, *to);
    let from = value(study, *axis, *from);
    let digits = decimals(study, &estimate);
    let interval =
        estimate.interval().map_or(String::new(), |interval| range(study, interval, digits));
    let seen = signed_points(study, estimate.value, digits);
    let evidence = format!("{seen}, 95 % CI {interval}");
    match finding.verdict {
        Verdict::Better => format!("{to} beats {from} ({evidence})"),
        Verdict::Worse => format!("{to} is worse than {from} ({evidence})"),
        Verdict::Equal => {
            format!("{to} and {from} are equal within {} ({evidence})", margin(study))
        }
        _ => format!("{to} against {from} is not resolved ({evidence})"),
    }
}
