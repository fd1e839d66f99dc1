//! The conclusions of a sweep in sentences that claim no more than the statistics support.
//!
//! Reading order:
//! - [`banner`]: defects of the sweep, above everything else
//! - [`axes`] and [`pairs`]: the findings in words, in ascending order of p-value
//! - [`arms`]: single arms: the best one, or the only one
//! - [`cautions`]: limits of the findings
//! - [`numbers`]: values, differences and their evidence

mod arms;
mod axes;
mod banner;
mod cautions;
mod conditions;
mod numbers;
mod pairs;

pub use numbers::{evidence, range, value_with_spread};

use crate::findings::{Finding, Kind};
use crate::study::Study;

/// The answer of a sweep as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Defects of the sweep; empty if there are none.
    pub banner: Vec<String>,
    /// Findings, the most important one first.
    pub sentences: Vec<String>,
    /// Limits of the findings.
    pub cautions: Vec<String>,
}

/// The answer of a study.
pub fn of(study: &Study) -> Answer {
    Answer { banner: banner::of(study), sentences: sentences(study), cautions: cautions::of(study) }
}

fn sentences(study: &Study) -> Vec<String> {
    if study.rows.plan.is_smoke {
        return vec![arms::smoke(study)];
    }
    let mut sentences = match study.findings.kind {
        Kind::Nothing => return vec![arms::nothing_yet(study)],
        Kind::OneArm => return vec![arms::single(study)],
        _ if study.findings.tested() == 0 => vec![arms::untested(study)],
        Kind::Axes => axes::sentences(study),
        Kind::Pairs => pairs::sentences(study),
    };
    sentences.push(arms::best(study));
    sentences.extend(crate::sizes::sentences(study));
    sentences
}

/// The findings for which `wanted` holds, in ascending order of p-value.
fn sorted(findings: &[Finding], wanted: impl Fn(&Finding) -> bool) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = findings.iter().filter(|f| wanted(f)).collect();
    found.sort_by(|a, b| a.p.unwrap_or(1.0).total_cmp(&b.p.unwrap_or(1.0)));
    found
}
