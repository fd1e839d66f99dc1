//! Sentences on the effects of axes.
//!
//! Reading order:
//! - [`different`]: axes and interactions that have an effect
//! - [`details`]: individual values of such an axis
//! - [`equal`] and [`open`]: effects below the margin, and unresolved effects

mod details;
mod different;
mod equal;
mod open;

use super::sorted;
use crate::findings::{Finding, Step, Subject, Verdict};
use crate::format::{listed, shortened};
use crate::study::Study;

/// Maximum number of names in one sentence.
const MOST_NAMES: usize = 6;

/// Differences in ascending order of p-value, equalities, unresolved effects, and axes whose effect
/// cannot be estimated.
pub(super) fn sentences(study: &Study) -> Vec<String> {
    let members = &study.findings.members;
    // Means that stay on a line are not worth a sentence.
    let is_shape = |f: &Finding| matches!(f.subject, Subject::Shape(_));
    let mut sentences = Vec::new();
    let unresolved = sorted(members, |f| f.verdict == Verdict::NotResolved && !is_shape(f));
    if unresolved.len() > 1 && unresolved.len() == members.iter().filter(|f| !is_shape(f)).count() {
        sentences.push(open::nothing_resolved(study, &unresolved));
    }
    for finding in sorted(members, |f| f.verdict.is_difference()) {
        sentences.push(different::different(study, finding));
        sentences.extend(details::details(study, finding));
    }
    let (interactions, alone) = apart(sorted(members, |f| f.verdict == Verdict::Equal));
    sentences.extend(alone.into_iter().map(|f| equal::equal(study, f)));
    sentences.extend(equal::equal_interactions(study, &interactions));
    let (interactions, alone) = apart(unresolved);
    sentences.extend(alone.into_iter().map(|f| open::unresolved(study, f)));
    sentences.extend(open::unresolved_interactions(study, &interactions));
    sentences.extend((!study.findings.left_out.is_empty()).then(|| without(study)));
    sentences
}

/// Splits findings into interactions and others.
fn apart(findings: Vec<&Finding>) -> (Vec<&Finding>, Vec<&Finding>) {
    findings.into_iter().partition(|f| matches!(f.subject, Subject::Interaction(..)))
}

/// Names interactions: `depth × scale, depth × width`.
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

fn per(study: &Study, axis: usize, step: Step) -> String {
    match step {
        Step::Doubling => format!("per doubling of {}", name(study, axis)),
        _ => format!("per unit of {}", name(study, axis)),
    }
}

/// Names the arms that were left out of the complete grid.
fn without(study: &Study) -> String {
    let names: Vec<&str> =
        study.findings.left_out.iter().map(|&arm| study.arms[arm].label.as_str()).collect();
    format!(
        "The grid is incomplete: these findings are of its largest complete part, without {}; nothing is said of what \
         those would change.",
        shortened(&names, MOST_NAMES)
    )
}
