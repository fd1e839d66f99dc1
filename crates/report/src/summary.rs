//! A sweep as plain records: what the command line prints, and what the page offers for download.

use crate::study::{Arm, Study};
use crate::verdict;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Status, SweepRows};

/// One sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "field names are the interface")]
pub struct Summary {
    pub name: String,
    /// Slash path of the metric that arms are compared by.
    pub metric: String,
    pub higher_is_better: bool,
    /// Label of the arm that the others are compared with.
    pub baseline: Option<String>,
    #[serde(flatten)]
    pub trials: Counts,
    /// What may be said, in sentences.
    pub verdict: Vec<String>,
    /// What a reader must know beside it.
    pub cautions: Vec<String>,
    pub arms: Vec<ArmSummary>,
}

/// How trials stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "field names are the interface")]
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

/// One arm: the trials that differ in nothing but the seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "field names are the interface")]
pub struct ArmSummary {
    pub arm: String,
    pub label: String,
    /// Labels of arms of the same network and recipe.
    pub same_as: Vec<String>,
    /// Axis to value.
    pub coordinates: Map<String, Value>,
    pub metric: String,
    pub mean: Option<f64>,
    /// Of the sample; null for one seed.
    pub std: Option<f64>,
    /// Seeds that have the metric.
    pub n: usize,
    /// Mean difference from the baseline over shared seeds.
    pub difference: Option<f64>,
    /// Its 95 % confidence interval, not corrected for the number of arms.
    pub difference_low: Option<f64>,
    pub difference_high: Option<f64>,
    /// Of a paired t-test, corrected after Holm.
    pub p_holm: Option<f64>,
    pub shared_seeds: usize,
    pub parameters: u64,
    pub macs: u64,
    pub activations: u64,
    pub rf_min_px: u64,
    pub rf_max_px: u64,
    pub image_px: usize,
    /// Means over finished trials.
    pub images_per_s: Option<f64>,
    pub wall_s: Option<f64>,
    pub peak_memory_mib: Option<f64>,
    #[serde(flatten)]
    pub trials: Counts,
}

/// The records of `rows`.
pub fn summarise(rows: &SweepRows) -> Summary {
    of(&Study::of(rows))
}

/// The records of a study.
pub fn of(study: &Study) -> Summary {
    let verdict = verdict::of(study);
    Summary {
        name: study.rows.plan.name.clone(),
        metric: study.metric.path.clone(),
        higher_is_better: study.metric.higher_is_better,
        baseline: study.baseline().map(|arm| arm.label.clone()),
        trials: Counts::of(study.rows.trials.iter().map(|t| t.status)),
        verdict: verdict.sentences,
        cautions: verdict.cautions,
        arms: study.arms.iter().map(|arm| arm_summary(arm, study)).collect(),
    }
}

impl Counts {
    /// Counts statuses.
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

    /// `3 done, 1 running`, leaving out what there is none of.
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
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect::<Vec<_>>().join(", ")
    }
}

fn arm_summary(arm: &Arm, study: &Study) -> ArmSummary {
    let planned = &arm.trials[0].planned;
    let paired = arm.against.map(|c| c.paired);
    ArmSummary {
        arm: arm.id.to_owned(),
        label: arm.label.clone(),
        same_as: planned.same_as.clone(),
        coordinates: planned.coordinates.iter().map(|(axis, v)| (axis.clone(), Value::from(v.clone()))).collect(),
        metric: study.metric.path.clone(),
        mean: arm.sample.map(|s| s.mean),
        std: arm.sample.and_then(|s| s.std),
        n: arm.sample.map_or(0, |s| s.n),
        difference: paired.map(|p| p.difference.mean),
        difference_low: paired.and_then(|p| p.interval).map(|(low, _)| low),
        difference_high: paired.and_then(|p| p.interval).map(|(_, high)| high),
        p_holm: arm.p_holm(),
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
