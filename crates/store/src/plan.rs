//! plan.json: what the last command asked for, with everything that could be known before training.

use crate::{Price, StoreError, SweepDir, atomic};
use res2lab_experiment::TrialSpec;
use serde::{Deserialize, Serialize};

/// The program that wrote a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// res2lab's version.
    pub version: String,
    /// The git commit it was built from, `-dirty` if files had changed; empty outside a checkout.
    pub commit: String,
}

/// One axis as a user would write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAxis {
    /// `scale`, `scale+width`.
    pub label: String,
    /// Its points.
    pub values: Vec<String>,
}

/// A trial before it runs. `arm` is shared by the seeds of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTrial {
    pub id: String,
    pub arm: String,
    pub label: String,
    /// Labels of other arms whose network and recipe are the same; they are trained once, here.
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
    /// A digest of the data set's content, 16 hex digits; empty where it was not here, and in plans
    /// of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_id: String,
    /// The same of the weights that it starts from; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights_id: String,
    #[serde(default)]
    pub train_images: usize,
    #[serde(default)]
    pub test_images: usize,
    /// What it will cost here; None where nobody timed its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How a field was found that the command left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<MatchedBudget>,
}

impl PlannedTrial {
    /// Its network for its images.
    pub fn graph(&self) -> Result<res2lab_arch::Graph, res2lab_arch::Invalid> {
        let channels = self.image_channels;
        let px = self.image_px;
        let classes = self.classes;
        res2lab_arch::build(
            &self.spec.model,
            res2lab_arch::Input { channels, height: px, width: px, classes },
        )
    }
}

/// A budget and what was found for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchedBudget {
    /// The field that was open, e.g. `width`.
    pub field: String,
    /// Its value.
    pub value: usize,
    /// `params`, `macs`, or `time`: microseconds of an optimizer step on the devices that planned.
    pub quantity: String,
    /// Whose cost is the target.
    pub of: String,
    pub target: u64,
    pub found: u64,
    /// (found - target) / target, percent.
    pub error_percent: f64,
}

/// What a sweep consists of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The sweep's name.
    pub name: String,
    /// The question, one sentence; empty for one that is made of the axes.
    pub description: String,
    /// The command as typed.
    pub command: String,
    /// The program that planned.
    pub code: Code,
    /// What is varied, seeds aside.
    pub axes: Vec<PlanAxis>,
    /// Which arms the report compares; plans of before have none.
    #[serde(default)]
    pub contrasts: res2lab_experiment::Contrasts,
    /// Whether everything was shrunk: a test of the experiment, whose accuracies mean nothing.
    #[serde(default)]
    pub is_smoke: bool,
    /// What others published for arms of these labels.
    #[serde(default)]
    pub reference: res2lab_experiment::Reference,
    /// How seeds are added while the sweep runs.
    #[serde(default)]
    pub seed_rule: Option<res2lab_experiment::SeedRule>,
    /// When trials that fall behind end early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<res2lab_experiment::Asha>,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// What the last command asked for.
    pub trials: Vec<PlannedTrial>,
    /// What earlier commands asked for and the last did not.
    #[serde(default)]
    pub earlier: Vec<PlannedTrial>,
}

impl Plan {
    /// The most processes that one of its trials wants.
    pub fn devices(&self) -> usize {
        self.trials.iter().map(|t| t.spec.train.devices_per_trial).max().unwrap_or(1)
    }

    /// Reads a sweep's plan; an error if there is none.
    pub fn read(dir: &SweepDir) -> Result<Plan, StoreError> {
        atomic::read_json(&dir.plan())?.ok_or_else(|| {
            StoreError::new(
                format!("there is no sweep in {}", dir.path().display()),
                "name a folder under reports/, or start one with: just sweep",
            )
        })
    }

    /// Writes the plan; trials of the plan that was there before are kept as earlier ones.
    pub fn write(mut self, dir: &SweepDir) -> Result<Plan, StoreError> {
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
