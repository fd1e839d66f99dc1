//! Findings of a sweep as records: one family of questions, each with its number, its test and a
//! verdict.
//!
//! A verdict is better or worse, equal within the margin, or not resolved. The claims of one family
//! are corrected together (Holm 1979), claims of a difference and claims of equality separately.
//! The probability of any wrong claim of either kind is therefore at most 5 %.
//!
//! Reading order:
//! - [`verdict`]: the verdicts and how they are reached
//! - [`axes`]: findings on grids and lines
//! - [`pairs`]: findings on arms with partners

mod axes;
mod pairs;
mod verdict;

pub use verdict::{MOST_SEEDS, Needed, Verdict, needed};

use crate::effects::Effect;
use crate::question::{self, Question};
use crate::stats::{Estimate, FTest};
use crate::study::Study;

/// The subject of a finding. Numbers are indices of the study's axes, of axis values, and of arms.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// All values of an axis.
    Axis(usize),
    /// The line through the means along an ordered axis.
    Trend(usize),
    /// The deviation of the means from that line.
    Shape(usize),
    /// The dependence of one axis's effect on another axis.
    Interaction(usize, usize),
    /// One value of an axis against another: `to` minus `from`.
    Values { axis: usize, from: usize, to: usize },
    /// An arm against its partner.
    Pair { arm: usize, partner: usize },
}

/// The step to which a finding's estimate refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A difference between two values.
    Difference,
    /// A change per doubling of an axis value.
    Doubling,
    /// A change per unit of an axis value.
    Unit,
}

/// One question of a family with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub subject: Subject,
    /// `None` if the finding has more than one number.
    pub estimate: Option<Estimate>,
    /// The step to which `estimate` refers.
    pub step: Step,
    /// Number of steps from end to end of an axis; 1 for differences.
    pub steps: f64,
    /// The F-test, if several numbers are tested jointly.
    pub test: Option<FTest>,
    /// Two-sided p-value of the hypothesis of no effect; `None` without a test.
    pub p: Option<f64>,
    /// `p` after Holm's correction over the family.
    pub p_holm: Option<f64>,
    /// p-value of the hypothesis that a difference is as large as the margin.
    pub p_equal: Option<f64>,
    /// `p_equal` after Holm's correction over the family.
    pub p_equal_holm: Option<f64>,
    /// The largest of the finding's differences.
    pub widest: Option<Widest>,
    pub verdict: Verdict,
}

/// The largest of several differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Widest {
    /// For each axis, the indices of the two values (from, to).
    pub between: Vec<(usize, usize)>,
    pub estimate: Estimate,
}

/// The kind of question that was analyzed; it determines the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// No trial has a value yet.
    #[default]
    Nothing,
    /// One measured arm, without a comparison.
    OneArm,
    /// Axes of a grid or one line per axis: least squares of all cells.
    Axes,
    /// Arms against partners.
    Pairs,
}

/// All findings of a sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    pub kind: Kind,
    /// Indices of the measured arms that were left out to make the grid complete.
    pub left_out: Vec<usize>,
    /// The subject of the family in words.
    pub family: &'static str,
    /// Findings whose claims are corrected together.
    pub members: Vec<Finding>,
    /// A second family, tested only if a member of the first shows a difference.
    pub details: Vec<Finding>,
    /// The subject of `details` in words.
    pub of_details: &'static str,
}

impl Findings {
    /// The number of members that could be tested; their p-values are adjusted together.
    pub fn tested(&self) -> usize {
        self.members.iter().filter(|f| f.p.is_some()).count()
    }

    /// Whether any member is a difference.
    pub fn has_difference(&self) -> bool {
        self.members.iter().any(|f| f.verdict.is_difference())
    }
}

/// Answers the question that the study poses.
pub fn of(study: &Study) -> Findings {
    match question::of(study) {
        Question::Nothing => Findings::default(),
        Question::OneArm => Findings { kind: Kind::OneArm, ..Findings::default() },
        Question::Grid(design) => axes::of_grid(study, &design),
        Question::Lines(designs) => axes::of_lines(study, &designs),
        Question::Pairs => pairs::of(study),
    }
}

/// Each arm against its partner. For pairs, these are the findings themselves. For axes, they form
/// a second family, in which nothing differs unless something differs in the first.
pub fn of_arms(study: &Study) -> Vec<Finding> {
    let mut arms = pairs::decided(study);
    let is_second = study.findings.kind != Kind::Pairs;
    for arm in arms.iter_mut().filter(|arm| is_second && arm.verdict.is_difference()) {
        if !study.findings.has_difference() {
            arm.verdict = Verdict::NotResolved;
        }
    }
    arms
}

impl Finding {
    /// The estimate, or the largest difference if the finding has several.
    pub fn any_estimate(&self) -> Option<Estimate> {
        self.estimate.or(self.widest.as_ref().map(|widest| widest.estimate))
    }
}

impl Widest {
    /// On the first axis, the indices of the values with the lower and the higher mean.
    pub fn low_and_high(&self) -> (usize, usize) {
        let (from, to) = self.between[0];
        if self.estimate.value > 0.0 { (from, to) } else { (to, from) }
    }
}

/// A finding before its family is known.
fn finding(subject: Subject, estimate: Option<Estimate>, test: Option<FTest>) -> Finding {
    Finding {
        subject,
        estimate,
        step: Step::Difference,
        steps: 1.0,
        test,
        p: match &test {
            Some(test) => test.p,
            None => estimate.and_then(|e| e.p()),
        },
        p_holm: None,
        p_equal: None,
        p_equal_holm: None,
        widest: None,
        verdict: Verdict::NotTested,
    }
}

/// The largest difference of an effect.
fn widest(effect: &Effect) -> Option<Widest> {
    effect.widest().map(|d| Widest { between: d.between.clone(), estimate: d.estimate })
}
