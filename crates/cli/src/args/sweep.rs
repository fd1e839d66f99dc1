//! Of `sweep` and `plan`.

use super::ask::AskArgs;
use super::folders::Folders;
use super::output::{Output, RowArgs};
use clap::Args;

/// Of `sweep` and `plan`.
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    /// An experiment file (default: experiments/quickstart.yaml) and axes: scale=2,4 depth=20..56:9
    /// seed=0..4 scale+width=2+48,4+26 train.label_smoothing=0,0.1 width=match:params@resnet50
    #[arg(value_name = "FILE | AXIS=VALUES")]
    pub words: Vec<String>,
    /// Folder under reports/ (default: the experiment's name)
    #[arg(long)]
    pub name: Option<String>,
    /// Shrink every costly number and generate the images: does this experiment run, and does its
    /// loss fall?
    #[arg(long)]
    pub smoke: bool,
    /// On a CPU, train by libtorch's operators and autograd instead of the planned step (short for
    /// plain=true)
    #[arg(long)]
    pub plain: bool,
    /// Checkpoints that finished trials keep (default: what the file says, else all)
    #[arg(long, value_enum, value_name = "WHICH")]
    pub keep: Option<KeepWord>,
    /// Do not time networks that were never timed here: no cost estimates for them
    #[arg(long)]
    pub no_time: bool,
    /// auto (GPUs if there are any), cpu or cuda
    #[arg(long, default_value = "auto", help_heading = "Machine")]
    pub device: String,
    /// Trials side by side (default: one per GPU, or per core on the CPU)
    #[arg(long, help_heading = "Machine")]
    pub slots: Option<usize>,
    /// Threads of each trial (default: the cores divided by the slots)
    #[arg(long, help_heading = "Machine")]
    pub threads: Option<usize>,
    /// Trials that share one GPU, each with its part of the GPU's memory
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Machine")]
    pub per_device: usize,
    /// Trials that share a GPU: by NVIDIA's Multi-Process Service, so that their kernels run side by
    /// side (auto: where `just gpu-check` has found that faster on this card)
    #[arg(long, value_enum, default_value_t = Mps::Auto, help_heading = "Machine")]
    pub mps: Mps,
    /// With width=match:..., how far an arm's cost may be from its budget, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", help_heading = "Equal budgets")]
    pub tolerance: f64,
    /// Train arms that cannot come within the tolerance all the same
    #[arg(long, help_heading = "Equal budgets")]
    pub keep_going: bool,
    /// What the report asks
    #[command(flatten)]
    pub ask: AskArgs,
    /// Stop the sweep at the first trial that fails
    #[arg(long, help_heading = FAILURES)]
    pub fail_fast: bool,
    /// Try a failed trial again so many times, after a growing wait
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = FAILURES)]
    pub retries: u32,
    /// Train diverged trials again too, from the start (failed ones are tried again in any case)
    #[arg(long, help_heading = FAILURES)]
    pub retry_failed: bool,
    /// What happens to a trial that runs out of memory: it fails, or goes on with half the part of
    /// a batch at a time (the gradients are those of the whole batch, but batch norm sees smaller
    /// ones) and is marked as changed
    #[arg(long, value_enum, default_value_t = OnOom::Fail, help_heading = FAILURES)]
    pub on_oom: OnOom,
    /// End a trial, as failed, after so many minutes in one go
    #[arg(long, value_name = "MINUTES", help_heading = FAILURES)]
    pub trial_minutes: Option<f64>,
    /// Who runs the trials: local, slurm, or slurm:partition=gpu,time=4:00:00 (default: what the
    /// file's executor says)
    #[arg(long, value_name = "WHO", help_heading = CLUSTERS)]
    pub executor: Option<String>,
    /// With slurm: submit and return; the same command follows and collects later
    #[arg(long, help_heading = CLUSTERS)]
    pub detach: bool,
    /// How many rows the tables have
    #[command(flatten)]
    pub rows: RowArgs,
    /// How the result is printed
    #[command(flatten)]
    pub output: Output,
    /// Where data sets and reports are
    #[command(flatten)]
    pub folders: Folders,
}

const FAILURES: &str = "Trials that fail";
const CLUSTERS: &str = "Clusters";

/// Of `plan` alone, beside those of `sweep`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub sweep: SweepArgs,
    /// Print the script that slurm would get
    #[arg(long, help_heading = CLUSTERS)]
    pub sbatch: bool,
    /// Print the manifest of a Kubernetes Job for the sweep in this folder, as its pods see it
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "")]
    #[arg(help_heading = CLUSTERS)]
    pub k8s: Option<String>,
    /// With --k8s: name of the container image
    #[arg(long, default_value = "res2lab", value_name = "NAME", help_heading = CLUSTERS)]
    pub image: String,
    /// With --k8s: pods that train one trial together, each on an equal part of its devices
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = CLUSTERS)]
    pub pods_per_trial: usize,
    /// Write the sweep's folder with its plan, for a cluster to run
    #[arg(long, help_heading = CLUSTERS)]
    pub write: bool,
}

/// Of `--keep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeepWord {
    All,
    Best,
    Last,
    None,
}

/// Of `--mps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mps {
    Auto,
    On,
    Off,
}

/// Of `--on-oom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnOom {
    Fail,
    Halve,
}
