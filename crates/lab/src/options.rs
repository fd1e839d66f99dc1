//! What a caller of this library decides: plain data with the defaults of the command line.

use res2lab_error::Error;
use res2lab_experiment::{Keep, Switch};
use std::path::PathBuf;

/// The folders that everything is read from and written to, relative to the current one.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Folder of data sets and of caches.
    pub data: PathBuf,
    /// Folder of sweeps.
    pub reports: PathBuf,
}

impl Default for Folders {
    fn default() -> Folders {
        Folders { data: "data".into(), reports: "reports".into() }
    }
}

/// What a sweep consists of, where its trials run, and what happens when one fails.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// At most one experiment file, and axes: `scale=2,4`, `seed=0..4`.
    pub words: Vec<String>,
    /// Folder under [`Folders::reports`]; the experiment's name if none.
    pub name: Option<String>,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// Trials side by side; if none, one per GPU, or one per core on the CPU.
    pub slots: Option<usize>,
    /// Threads of each trial; if none, the cores divided by the slots.
    pub threads: Option<usize>,
    /// Trials that share one GPU.
    pub per_device: usize,
    /// Whether trials that share a GPU do so through NVIDIA's Multi-Process Service.
    pub mps: Switch,
    /// How far the cost of an arm may be from its budget, in percent.
    pub tolerance: f64,
    /// Whether arms beyond the tolerance are trained all the same.
    pub keep_going: bool,
    /// Whether libtorch's operators train on a CPU in place of the planned step.
    pub plain: bool,
    /// Whether every costly number is shrunk and images are generated.
    pub smoke: bool,
    /// Which checkpoints finished trials keep; if none, what the experiment's file says.
    pub keep: Option<Keep>,
    /// What the report asks, over what the experiment's file says.
    pub question: Question,
    /// Whether the first failed trial ends the sweep.
    pub fail_fast: bool,
    /// How often a failed trial is tried again.
    pub retries: u32,
    /// Whether diverged trials are trained again from the start.
    pub retry_diverged: bool,
    /// Whether a trial without enough memory goes on with half the images at a time.
    pub halve_on_oom: bool,
    /// Minutes after which an attempt at a trial is ended, as failed.
    pub trial_minutes: Option<f64>,
    /// `local`, `slurm` or `slurm:key=value,...`, over what the experiment's file says.
    pub executor: Option<String>,
    /// Whether a cluster's jobs are submitted and not waited for.
    pub detach: bool,
    pub folders: Folders,
}

impl Default for SweepOptions {
    fn default() -> SweepOptions {
        SweepOptions {
            words: vec![],
            name: None,
            device: "auto".into(),
            slots: None,
            threads: None,
            per_device: 1,
            mps: Switch::Auto,
            tolerance: 3.0,
            keep_going: false,
            plain: false,
            smoke: false,
            keep: None,
            question: Question::default(),
            fail_fast: false,
            retries: 0,
            retry_diverged: false,
            halve_on_oom: false,
            trial_minutes: None,
            executor: None,
            detach: false,
            folders: Folders::default(),
        }
    }
}

/// What a report asks of the arms, in place of what the experiment's file says.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The question that the report stands under.
    pub text: Option<String>,
    /// The arm that all others are compared with.
    pub baseline: Option<String>,
    /// Arms in pairs, the second of each being the reference.
    pub compare: Vec<String>,
    /// Arms nearer to each other than this are equal, in percentage points.
    pub margin: Option<f64>,
}

impl Question {
    /// Puts the question into a plan. An arm that the plan lacks is an error.
    pub fn put_into(&self, plan: &mut res2lab_store::Plan) -> Result<(), Error> {
        if let Some(text) = &self.text {
            plan.description.clone_from(text);
        }
        let trials = plan.trials.iter().chain(&plan.earlier);
        let same =
            trials.clone().flat_map(|t| t.same_as.iter().map(|label| (label.as_str(), &[][..])));
        let arms = trials.map(|t| (t.label.as_str(), &t.coordinates[..])).chain(same);
        let asked = plan.contrasts.clone().asked(
            self.baseline.as_deref(),
            self.margin,
            &self.compare,
            arms,
        )?;
        plan.contrasts = asked;
        Ok(())
    }
}

/// What a plan is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Everything must be there.
    Train,
    /// Data and weights may be elsewhere.
    Look,
}
