//! A sweep as plain records, for the command line and for download from the page.

use crate::answer;
use crate::findings::{Finding, Step, Subject, needed};
use crate::stats::ALPHA;
use crate::study::{Arm, Study};
use res2lab_store::{Status, SweepRows};
use serde::Serialize;
use serde_json::{Map, Value};

/// The record of one sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub name: String,
    /// Slash-separated path of the metric by which arms are compared.
    pub metric: String,
    pub higher_is_better: bool,
    /// Label of the baseline arm.
    pub baseline: Option<String>,
    #[serde(flatten)]
    pub trials: Counts,
    /// The question of the sweep; empty if it follows from the axes.
    pub question: String,
    /// Whether the sweep is a smoke test, whose numbers are not results.
    pub is_smoke: bool,
    /// Defects of the sweep, in sentences.
    pub banner: Vec<String>,
    /// Conclusions, in sentences.
    pub verdict: Vec<String>,
    /// The findings as records: one family, whose claims are corrected together.
    pub family: Family,
    /// A second family, tested only if the first family shows a difference.
    pub details: Family,
    /// Limits of the conclusions, in sentences.
    pub cautions: Vec<String>,
    pub arms: Vec<ArmSummary>,
}

/// Findings whose claims are corrected together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// The subject of the family; empty if nothing was tested.
    pub about: &'static str,
    /// The adjustment of p-values, and the family-wise error rate that it controls.
    pub correction: &'static str,
    pub alpha: f64,
    /// Smallest difference that matters; null for metrics other than accuracies.
    pub margin: Option<f64>,
    pub findings: Vec<FindingSummary>,
}

/// The record of one finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingSummary {
    /// `axis`, `trend`, `shape` (deviation of the means from the line), `interaction`, `values` or
    /// `pair`.
    pub kind: &'static str,
    /// The axis, the two axes, or the arm or value and its partner.
    pub of: Vec<String>,
    pub verdict: &'static str,
    /// A difference, or a change per step of the axis; null if the finding has several numbers.
    pub estimate: Option<f64>,
    /// `difference`, `doubling` or `unit`.
    pub per: &'static str,
    /// 95 % interval, not widened for the number of findings.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub standard_error: Option<f64>,
    /// Degrees of freedom of the error.
    pub error_freedom: Option<usize>,
    pub seeds: Option<usize>,
    /// Statistic of the F-test, if several numbers are tested jointly.
    pub f: Option<f64>,
    pub freedom: Option<usize>,
    pub p: Option<f64>,
    pub p_holm: Option<f64>,
    /// p-value of the hypothesis that the difference is as large as the margin.
    pub p_equal: Option<f64>,
    pub p_equal_holm: Option<f64>,
    /// Seeds that would detect a difference of this size with a power of 80 %; null for resolved
    /// findings, and for more than a hundred seeds.
    pub seeds_needed: Option<usize>,
    pub seeds_needed_for: Option<f64>,
}

impl Family {
    fn of(study: &Study, about: &'static str, findings: &[Finding]) -> Family {
        let tested = findings.iter().filter(|f| f.p.is_some()).count();
        Family {
            about,
            correction: "holm",
            alpha: ALPHA,
            margin: study.margin(),
            findings: findings.iter().map(|f| finding_summary(study, f, tested)).collect(),
        }
    }
}

fn finding_summary(study: &Study, finding: &Finding, family: usize) -> FindingSummary {
    let axis = |axis: usize| study.axes[axis].label.clone();
    let value = |axis: usize, at: usize| {
        format!("{}={}", study.axes[axis].label, study.axes[axis].values[at])
    };
    let arm = |at: usize| study.arms[at].label.clone();
    let (kind, of) = match finding.subject {
        Subject::Axis(a) => ("axis", vec![axis(a)]),
        Subject::Trend(a) => ("trend", vec![axis(a)]),
        Subject::Shape(a) => ("shape", vec![axis(a)]),
        Subject::Interaction(a, b) => ("interaction", vec![axis(a), axis(b)]),
        Subject::Values { axis, from, to } => ("values", vec![value(axis, to), value(axis, from)]),
        Subject::Pair { arm: a, partner } => ("pair", vec![arm(a), arm(partner)]),
    };
    let estimate = finding.estimate;
    let needed = needed(finding, study.margin(), family);
    let interval = estimate.and_then(|e| e.interval());
    FindingSummary {
        kind,
        of,
        verdict: finding.verdict.name(),
        estimate: estimate.map(|e| e.value),
        per: match finding.step {
            Step::Difference => "difference",
            Step::Doubling => "doubling",
            Step::Unit => "unit",
        },
        low: interval.map(|(low, _)| low),
        high: interval.map(|(_, high)| high),
        standard_error: estimate.and_then(|e| e.error),
        error_freedom: estimate.map(|e| e.freedom).or(finding.test.map(|t| t.error_freedom)),
        seeds: finding.any_estimate().map(|e| e.seeds),
        f: finding.test.and_then(|t| t.f),
        freedom: finding.test.map(|t| t.freedom),
        p: finding.p,
        p_holm: finding.p_holm,
        p_equal: finding.p_equal,
        p_equal_holm: finding.p_equal_holm,
        seeds_needed: needed.and_then(|n| n.seeds),
        seeds_needed_for: needed.map(|n| n.size),
    }
}

/// The number of trials by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub planned: usize,
    pub done: usize,
    pub running: usize,
    pub interrupted: usize,
    pub pending: usize,
    /// Ended without a result.
    pub failed: usize,
    pub diverged: usize,
    pub stopped_early: usize,
}

/// The record of one arm: the trials that differ in nothing but the seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmSummary {
    pub arm: String,
    pub label: String,
    /// Labels of arms with the same network and recipe.
    pub same_as: Vec<String>,
    /// Values by axis.
    pub coordinates: Map<String, Value>,
    pub metric: String,
    pub mean: Option<f64>,
    /// Sample standard deviation; null for one seed.
    pub std: Option<f64>,
    /// Number of seeds that have the metric.
    pub n: usize,
    /// Label of the arm's partner.
    pub against: Option<String>,
    /// Mean difference from the partner over shared seeds.
    pub difference: Option<f64>,
    /// 95 % confidence interval of the difference, not corrected for the number of arms.
    pub difference_low: Option<f64>,
    pub difference_high: Option<f64>,
    /// p-value of the paired t-test, Holm-adjusted over all arms.
    pub p_holm: Option<f64>,
    /// `better`, `worse`, `equal` (within the margin), `not resolved` or `not tested`.
    pub verdict: &'static str,
    pub shared_seeds: usize,
    pub parameters: u64,
    pub macs: u64,
    pub activations: u64,
    pub rf_min_px: u64,
    pub rf_max_px: u64,
    pub image_px: usize,
    /// Mean over finished trials.
    pub images_per_s: Option<f64>,
    pub wall_s: Option<f64>,
    pub peak_memory_mib: Option<f64>,
    #[serde(flatten)]
    pub trials: Counts,
}

/// The records of the sweep with these rows.
pub fn summarize(rows: &SweepRows) -> Summary {
    of(&Study::of(rows))
}

/// The records of a study.
pub fn of(study: &Study) -> Summary {
    let answer = answer::of(study);
    Summary {
        name: study.rows.plan.name.clone(),
        metric: study.metric.path.clone(),
        higher_is_better: study.metric.higher_is_better,
        baseline: study.baseline().map(|arm| arm.label.clone()),
        trials: Counts::of(study.rows.trials.iter().map(|t| t.status)),
        question: if study.rows.plan.is_smoke {
            String::new()
        } else {
            study.rows.plan.description.clone()
        },
        is_smoke: study.rows.plan.is_smoke,
        banner: answer.banner,
        verdict: answer.sentences,
        family: Family::of(study, study.findings.family, &study.findings.members),
        details: Family::of(study, study.findings.of_details, &study.findings.details),
        cautions: answer.cautions,
        arms: study.arms.iter().map(|arm| arm_summary(arm, study)).collect(),
    }
}

impl Counts {
    /// Counts trials by status.
    pub fn of(statuses: impl Iterator<Item = Status>) -> Counts {
        let mut counts = Counts::default();
        for status in statuses {
            counts.planned += 1;
            *match status {
                Status::Done => &mut counts.done,
                Status::Running => &mut counts.running,
                Status::Interrupted => &mut counts.interrupted,
                Status::Pending => &mut counts.pending,
                Status::Failed => &mut counts.failed,
                Status::Diverged => &mut counts.diverged,
                Status::Stopped => &mut counts.stopped_early,
            } += 1;
        }
        counts
    }

    /// The counts as text, without zeros: `3 done, 1 running`.
    pub fn in_words(&self) -> String {
        let parts = [
            (self.done, "done"),
            (self.running, "running"),
            (self.interrupted, "interrupted"),
            (self.pending, "pending"),
            (self.failed, "failed"),
            (self.diverged, "diverged"),
            (self.stopped_early, "stopped early"),
        ];
        parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn arm_summary(arm: &Arm, study: &Study) -> ArmSummary {
    let planned = &arm.trials[0].planned;
    let paired = arm.paired();
    ArmSummary {
        arm: arm.id.to_owned(),
        label: arm.label.clone(),
        same_as: planned.same_as.clone(),
        coordinates: planned
            .coordinates
            .iter()
            .map(|(axis, v)| (axis.clone(), Value::from(v.clone())))
            .collect(),
        metric: study.metric.path.clone(),
        mean: arm.sample.map(|s| s.mean),
        std: arm.sample.and_then(|s| s.std),
        n: arm.sample.map_or(0, |s| s.n),
        against: arm.against.map(|pair| study.arms[pair.partner].label.clone()),
        difference: paired.map(|p| p.difference.mean),
        difference_low: paired.and_then(|p| p.interval()).map(|(low, _)| low),
        difference_high: paired.and_then(|p| p.interval()).map(|(_, high)| high),
        p_holm: arm.p_holm(),
        verdict: arm.against.map_or("not tested", |pair| pair.verdict.name()),
        shared_seeds: paired.map_or(0, |p| p.difference.n),
        parameters: planned.parameters,
        macs: planned.macs,
        activations: planned.activations,
        rf_min_px: planned.rf_min_px,
        rf_max_px: planned.rf_max_px,
        image_px: planned.image_px,
        images_per_s: arm.mean_of(|t| t.result.as_ref()?.images_per_s),
        wall_s: arm.mean_of(|t| t.result.as_ref().map(|r| r.wall_s)),
        peak_memory_mib: arm.mean_of(|t| t.result.as_ref().map(|r| r.peak_memory_mib)),
        trials: Counts::of(arm.trials.iter().map(|t| t.status)),
    }
}
