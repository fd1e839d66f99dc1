//! What the sweep found, in plain sentences that claim no more than the statistics show.
//!
//! Reading order:
//! - [`findings`]: the answer
//! - [`cautions`]: what a reader must know beside it

mod cautions;
mod findings;

use crate::format::{fixed, p_value, signed};
use crate::study::{Arm, Study};

/// Findings first, the most important one at the head; then their limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Findings.
    pub sentences: Vec<String>,
    /// Limits of the findings.
    pub cautions: Vec<String>,
}

/// The verdict on a study.
pub fn of(study: &Study) -> Verdict {
    Verdict { sentences: findings::of(study), cautions: cautions::of(study) }
}

/// `97.4 ± 0.3 %`.
pub fn value_with_spread(study: &Study, arm: &Arm) -> String {
    let Some(sample) = arm.sample else { return "–".into() };
    let spread = sample.std.map(|s| format!(" ± {}", fixed(s, study.decimals))).unwrap_or_default();
    format!("{}{spread}{}", fixed(sample.mean, study.decimals), study.metric.unit)
}

/// `+0.3 points`: the mean paired difference from the baseline.
pub fn difference(study: &Study, arm: &Arm) -> String {
    let mean = arm.against.map(|c| c.paired.difference.mean);
    mean.map_or("–".into(), |m| format!("{}{}", signed(m, study.difference_decimals), study.metric.difference_unit))
}

/// `95 % CI 0.1 to 0.5, n = 3, p = 0.012 after Holm`: how sure the difference is.
pub fn evidence(study: &Study, arm: &Arm) -> String {
    let Some(comparison) = arm.against else { return String::new() };
    let decimals = study.difference_decimals;
    let interval = |(low, high)| format!("95 % CI {} to {}", fixed(low, decimals), fixed(high, decimals));
    let after = if study.tested() > 1 { " after Holm" } else { "" };
    let parts = [
        comparison.paired.interval.map(interval),
        Some(format!("n = {}", comparison.paired.difference.n)),
        comparison.p_holm.map(|p| format!("{}{after}", p_value(p))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
