//! Of the commands that a sweep, a plan or a cluster starts.

use super::folders::Folders;
use super::sweep::OnOom;
use clap::Args;
use std::path::PathBuf;

/// Of `trial`.
#[derive(Args, Debug)]
pub(crate) struct TrialArgs {
    /// The sweep's folder
    pub sweep: PathBuf,
    /// The trial's id
    #[arg(required_unless_present = "index")]
    pub id: Option<String>,
    /// Its place in the plan instead, from 0
    #[arg(long, value_name = "N", conflicts_with = "id")]
    pub index: Option<usize>,
    /// Where data sets are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `worker`.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    /// The sweep's folder
    pub sweep: PathBuf,
    /// Which submission
    pub submission: usize,
    /// Which job of its array, from 0
    pub task: usize,
    /// The time limit was announced before this program ran
    #[arg(long)]
    pub signaled: bool,
    /// Trials side by side
    #[arg(long, default_value_t = 1)]
    pub slots: usize,
    /// Threads of each process of a trial
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// As of `sweep`
    #[arg(long, value_enum, default_value_t = OnOom::Fail)]
    pub on_oom: OnOom,
    /// As of `sweep`
    #[arg(long, value_name = "MINUTES")]
    pub trial_minutes: Option<f64>,
    /// Where data sets are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `time`.
#[derive(Args, Debug)]
pub(crate) struct TimeArgs {
    /// Where data sets are
    #[command(flatten)]
    pub folders: Folders,
}
