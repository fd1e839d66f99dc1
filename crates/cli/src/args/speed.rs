//! Of `speed`.

use super::folders::Folders;
use super::output::Output;
use std::path::PathBuf;

/// What `speed` measures.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpeedOf {
    /// Forward, backward, update
    Train,
    /// Evaluation
    Infer,
}

/// Of `speed`.
#[derive(clap::Args, Debug)]
pub(crate) struct SpeedArgs {
    /// What to measure
    pub what: SpeedOf,
    /// A network's name, or fields: depth=50 width=26 scale=4
    #[arg(value_name = "NAME | FIELD=VALUE", required = true)]
    pub words: Vec<String>,
    /// Image size in pixels (default: what the network was published for)
    #[arg(long)]
    pub size: Option<usize>,
    /// Images of a step
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// Threads (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
    /// Steps that are timed
    #[arg(long, default_value_t = 7)]
    pub steps: usize,
    /// Number of classes
    #[arg(long)]
    pub classes: Option<usize>,
    /// Image channels
    #[arg(long)]
    pub channels: Option<usize>,
    /// Where to compute: auto takes a GPU if there is one
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto")]
    pub device: String,
    /// Of training: f32, tf32, bf16 or fp16
    #[arg(long, value_name = "KIND", default_value = "f32")]
    pub precision: String,
    /// Of training: everything that the recipe of this experiment file does in a step (its loss,
    /// optimizer, mixing, drop path, clipping, moving average), in place of plain SGD
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// On a CPU: also what the time of one thread goes to, by kind of instruction
    #[arg(long, conflicts_with = "plain")]
    pub profile: bool,
    /// By libtorch's operators alone
    #[arg(long)]
    pub plain: bool,
    /// On a GPU: the step recorded as a CUDA graph
    #[arg(long)]
    pub cuda_graph: bool,
    /// On a GPU: evaluation by fused convolutions, batch norms folded
    #[arg(long)]
    pub fused: bool,
    /// By libtorch's operators: memory layout (default: the fastest)
    #[arg(long, value_name = "contiguous|channels_last")]
    pub layout: Option<String>,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where data sets are, and what was measured here
    #[command(flatten)]
    pub folders: Folders,
}
