//! plan.json: the trials of the last command, with everything that is known before training.

use crate::{CostEstimate, SweepDir, atomic};
use res2lab_error::Error;
use res2lab_experiment::{Keep, TrialSpec};
use serde::{Deserialize, Serialize};

/// The version of the program that wrote a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Version of res2lab.
    pub version: String,
    /// The git commit of the build, with the suffix `-dirty` for uncommitted changes; empty outside
    /// a git checkout.
    pub commit: String,
}

/// One axis as a user would write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAxis {
    /// `scale` or `scale+width`.
    pub label: String,
    pub values: Vec<String>,
}

/// A trial before it runs. All seeds of one arm share `arm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTrial {
    pub id: String,
    pub arm: String,
    pub label: String,
    /// Labels of other arms with the same network and recipe; this trial is trained in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_as: Vec<String>,
    pub coordinates: Vec<(String, String)>,
    #[serde(flatten)]
    pub spec: TrialSpec,
    pub image_channels: usize,
    pub image_px: usize,
    pub classes: usize,
    pub parameters: u64,
    pub macs: u64,
    pub activations: u64,
    pub rf_min_px: u64,
    pub rf_max_px: u64,
    /// Digest of the data set's content, 16 hex digits; empty if the data set was not available,
    /// and in plans of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// Digest of the initial weights; empty without such weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    #[serde(default)]
    pub train_images: usize,
    #[serde(default)]
    pub test_images: usize,
    /// Predicted cost on this machine; `None` if the network was not timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "price")]
    pub cost_estimate: Option<CostEstimate>,
    /// The matched budget of a field that the command left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<MatchedBudget>,
}

impl PlannedTrial {
    /// The graph of the trial's network for its images.
    pub fn graph(&self) -> Result<res2lab_arch::Graph, Error> {
        let channels = self.image_channels;
        let px = self.image_px;
        let classes = self.classes;
        res2lab_arch::build(
            &self.spec.model,
            res2lab_arch::Input { channels, height: px, width: px, classes },
        )
    }
}

/// The result of matching a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchedBudget {
    /// The open field, e.g. `width`.
    pub field: String,
    /// The value that was found for the field.
    pub value: usize,
    /// `params`, `macs` or `time`; a time is microseconds per optimizer step on the devices of the
    /// plan.
    pub quantity: String,
    /// The arm or network whose cost is the target.
    pub of: String,
    pub target: u64,
    pub found: u64,
    /// (found - target) / target, percent.
    pub error_percent: f64,
}

/// The trials of a sweep with their common settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    /// The question in one sentence; empty if it follows from the axes.
    pub description: String,
    /// The command as typed.
    pub command: String,
    /// Version of the program that wrote the plan.
    pub code: Code,
    /// Varied axes, without the seed.
    pub axes: Vec<PlanAxis>,
    /// The comparisons of the report; empty in plans of older versions.
    #[serde(default)]
    pub contrasts: res2lab_experiment::Contrasts,
    /// Whether the sweep is a smoke test, whose accuracies mean nothing.
    #[serde(default)]
    pub is_smoke: bool,
    /// Published results by arm label.
    #[serde(default)]
    pub reference: res2lab_experiment::Reference,
    /// The rule that adds seeds while the sweep runs.
    #[serde(default)]
    pub seed_rule: Option<res2lab_experiment::SeedRule>,
    /// The early-stopping rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<res2lab_experiment::Asha>,
    /// Which checkpoints finished trials keep.
    #[serde(default, skip_serializing_if = "Keep::is_all")]
    pub keep: Keep,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// Trials of the last command.
    pub trials: Vec<PlannedTrial>,
    /// Trials of earlier commands that are not among those of the last command.
    #[serde(default)]
    pub earlier: Vec<PlannedTrial>,
}

impl Plan {
    /// The largest number of processes per trial.
    pub fn devices(&self) -> usize {
        self.trials.iter().map(|t| t.spec.train.devices_per_trial).max().unwrap_or(1)
    }

    /// Reads a sweep's plan; an error if there is none.
    pub fn read(dir: &SweepDir) -> Result<Plan, Error> {
        atomic::read_json(&dir.plan())?.ok_or_else(|| {
            Error::machine(
                format!("there is no sweep in {}", dir.path().display()),
                "name a folder under reports/, or start one with: just sweep",
            )
        })
    }

    /// Writes the plan. Trials of the previous plan that this plan lacks are kept in `earlier`.
    pub fn write(mut self, dir: &SweepDir) -> Result<Plan, Error> {
        if let Some(before) = atomic::read_json::<Plan>(&dir.plan())? {
            let known: std::collections::HashSet<_> =
                self.trials.iter().map(|t| t.id.clone()).collect();
            self.earlier = before
                .trials
                .into_iter()
                .chain(before.earlier)
                .filter(|t| !known.contains(&t.id))
                .collect();
        }
        atomic::write_json(&dir.plan(), &self)?;
        Ok(self)
    }
}
