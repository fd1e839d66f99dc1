//! What the sweep shows, in plain sentences that claim no more than the statistics do.
//!
//! Reading order:
//! - [`banner`]: what is wrong with the sweep; it stands above everything else
//! - [`axes`] and [`pairs`]: the findings in words, the surest first
//! - [`arms`]: single arms: the best one, or the only one
//! - [`cautions`]: what a reader must know beside the findings
//! - [`numbers`]: values, differences and their evidence

mod arms;
mod axes;
mod banner;
mod cautions;
mod numbers;
mod pairs;

pub use numbers::{evidence, range, value_with_spread};

use crate::findings::Finding;
use crate::question::{self, Question};
use crate::study::Study;

/// The answer as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is wrong with the sweep; empty for one that is whole.
    pub banner: Vec<String>,
    /// Findings, the most important one at the head.
    pub sentences: Vec<String>,
    /// Their limits.
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
    let has_test = study.findings.members.iter().any(|f| f.p.is_some());
    let mut sentences = match question::of(study) {
        Question::Nothing => return vec![arms::nothing_yet(study)],
        Question::OneArm => return vec![arms::single(study)],
        _ if !has_test => vec![arms::untested(study)],
        Question::Grid(design) => axes::sentences(study, &design.left_out),
        Question::Lines(_) => axes::sentences(study, &[]),
        Question::Pairs => pairs::sentences(study),
    };
    sentences.push(arms::best(study));
    sentences.extend(crate::sizes::sentences(study));
    sentences
}

/// Members of the family that a filter holds for, the surest first.
fn sorted(findings: &[Finding], wanted: impl Fn(&Finding) -> bool) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = findings.iter().filter(|f| wanted(f)).collect();
    found.sort_by(|a, b| a.p.unwrap_or(1.0).total_cmp(&b.p.unwrap_or(1.0)));
    found
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}
