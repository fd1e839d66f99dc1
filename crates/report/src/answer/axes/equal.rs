//! Sentences on axes and interactions whose effect is below the margin.

use super::super::numbers::{adjusted, decimals, margin, narrow, points};
use super::different::averaged;
use super::{crossed, name, value};
use crate::findings::{Finding, Subject};
use crate::format::capital;
use crate::study::Study;

/// The sentence for a finding that is equal within the margin.
pub(super) fn equal(study: &Study, finding: &Finding) -> String {
    let margin = margin(study);
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
            let (low, high) = widest.low_and_high();
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

/// One sentence for several interactions that are equal within the margin.
pub(super) fn equal_interactions(study: &Study, equal_ones: &[&Finding]) -> Option<String> {
    if equal_ones.len() < 2 {
        return equal_ones.first().map(|f| equal(study, f));
    }
    let margin = margin(study);
    let worst = equal_ones.iter().filter_map(|f| f.p_equal_holm).fold(0.0, f64::max);
    Some(format!(
        "No interaction beyond {margin}: {} ({} of a larger one, at most).",
        crossed(study, equal_ones),
        adjusted(worst, study.findings.tested())
    ))
}
