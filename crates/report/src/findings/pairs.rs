//! Findings on arms against partners: the requested pairs, or every arm against the baseline.

use super::verdict::decide;
use super::{Finding, Findings, Kind, Subject, finding};
use crate::study::Study;

/// One finding per pair that shares a seed.
pub(super) fn of(study: &Study) -> Findings {
    let asked = "pairs that were asked for";
    let family = if study.has_asked_pairs { asked } else { "arms against the baseline" };
    Findings { kind: Kind::Pairs, family, members: decided(study), ..Findings::default() }
}

/// The study's pairs with their verdicts.
pub(super) fn decided(study: &Study) -> Vec<Finding> {
    let mut members: Vec<Finding> = study
        .pairs
        .iter()
        .filter_map(|pair| {
            let estimate = pair.paired?.estimate;
            let p_equal = study.margin().and_then(|margin| estimate.p_equal(margin));
            let subject = Subject::Pair { arm: pair.arm, partner: pair.partner };
            Some(Finding { p_equal, ..finding(subject, Some(estimate), None) })
        })
        .collect();
    decide(&mut members, study);
    members
}
