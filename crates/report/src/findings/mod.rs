//! What a sweep found, as records: one family of questions, each with its number, its test and one
//! of three verdicts.
//!
//! A verdict is better or worse, equal within the margin, or not resolved. All claims of one family
//! are corrected together, claims of a difference and claims of equality each for themselves (Holm
//! 1979), so that the chance of any wrong claim of either kind is at most 5 %.
//!
//! Reading order:
//! - [`verdict`]: the verdicts and how they are reached
//! - [`axes`]: of grids and lines
//! - [`pairs`]: of arms with partners

mod axes;
mod pairs;
mod verdict;

pub use verdict::{MOST_SEEDS, Needed, Verdict, needed};

use crate::effects::Effect;
use crate::question::{self, Question};
use crate::stats::{Estimate, FTest};
use crate::study::Study;

/// What a finding is about. Numbers are those of the study's axes, of their values, and of its
/// arms.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// All values of an axis.
    Axis(usize),
    /// The line through the means along an ordered axis.
    Trend(usize),
    /// Whether those means leave the line.
    Shape(usize),
    /// Whether one axis does the same at each value of another.
    Interaction(usize, usize),
    /// One value of an axis against another, the latter minus the former.
    Values { axis: usize, from: usize, to: usize },
    /// An arm against its partner.
    Pair { arm: usize, partner: usize },
}

/// What the number of a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A difference between two things.
    Difference,
    /// A change for each doubling of an axis.
    Doubling,
    /// A change for each unit of an axis.
    Unit,
}

/// One question of a family with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// How much; None where it takes more than one number.
    pub estimate: Option<Estimate>,
    /// What that number counts.
    pub step: Step,
    /// Steps from end to end of an axis; 1 for differences.
    pub steps: f64,
    /// The F-test, where more than one number is tested.
    pub test: Option<FTest>,
    /// The two-sided p-value of nothing there; None without a test.
    pub p: Option<f64>,
    /// After Holm over the family.
    pub p_holm: Option<f64>,
    /// The p-value of a difference as large as the margin.
    pub p_equal: Option<f64>,
    /// After Holm over the family.
    pub p_equal_holm: Option<f64>,
    /// The largest difference that it is about, with the values between which it is.
    pub widest: Option<Widest>,
    /// The answer.
    pub verdict: Verdict,
}

/// The largest of several differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Widest {
    /// For each axis, from which value to which.
    pub between: Vec<(usize, usize)>,
    /// How much.
    pub estimate: Estimate,
}

/// What kind of question was asked, which decides how it was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing was measured yet.
    #[default]
    Nothing,
    /// One arm, compared with none.
    OneArm,
    /// Axes of a grid, or each along its own line: least squares of all cells.
    Axes,
    /// Arms against partners.
    Pairs,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// What was asked.
    pub kind: Kind,
    /// Numbers of arms with values of which nothing is said, as an incomplete grid has no place for
    /// them.
    pub left_out: Vec<usize>,
    /// What the family is about, in words that a reader knows.
    pub family: &'static str,
    /// Its members, whose claims are corrected together.
    pub members: Vec<Finding>,
    /// What is asked only once a member shows that there is something: a family of its own.
    pub details: Vec<Finding>,
    /// What those are.
    pub of_details: &'static str,
}

impl Findings {
    /// Members that could be tested, whose p-values are adjusted together.
    pub fn tested(&self) -> usize {
        self.members.iter().filter(|f| f.p.is_some()).count()
    }

    /// Whether any member is a difference.
    pub fn has_difference(&self) -> bool {
        self.members.iter().any(|f| f.verdict.is_difference())
    }
}

/// Asks what the sweep's kind asks.
pub fn of(study: &Study) -> Findings {
    match question::of(study) {
        Question::Nothing => Findings::default(),
        Question::OneArm => Findings { kind: Kind::OneArm, ..Findings::default() },
        Question::Grid(design) => axes::of_grid(study, &design),
        Question::Lines(designs) => axes::of_lines(study, &designs),
        Question::Pairs => pairs::of(study),
    }
}

/// Each arm against its partner. In a list these are the findings; beside those of axes they are a
/// second family, in which nothing differs unless something does in the first.
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
    /// The number that it is about, or the largest of several.
    pub fn any_estimate(&self) -> Option<Estimate> {
        self.estimate.or(self.widest.as_ref().map(|widest| widest.estimate))
    }
}

impl Widest {
    /// Of the first axis, the values with the lower and the higher mean.
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
