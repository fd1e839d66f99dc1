//! Of `rf`, which has more of them than any other command.

use super::folders::Folders;
use super::output::Output;
use clap::Args;
use std::path::PathBuf;

/// Of `rf`.
#[derive(Args, Debug)]
pub(crate) struct RfArgs {
    /// A network's name or a sweep's, fields (depth=50 scale=4), axes (scale=2,4,6,8 depth=50,101)
    #[arg(value_name = "NAME | FIELD=VALUES", required = true)]
    pub words: Vec<String>,
    /// Image size in pixels (default: what the network was published for)
    #[arg(long)]
    pub size: Option<usize>,
    /// The node or module whose units are asked (default: the last stage)
    #[arg(long, value_name = "NODE")]
    pub at: Option<String>,
    /// Paths weigh by equal shares at every branch, instead of one each
    #[arg(long)]
    pub branch_equal: bool,
    /// What each split of each block sees, too
    #[arg(long)]
    pub splits: bool,
    /// Measure what the trained networks of a sweep look at (one trial of each arm in depth, as
    /// initialized and as trained, and the last stage of every other trial), and put it into its
    /// report
    #[arg(long)]
    pub measure: bool,
    /// With --json: every size with the share of paths that have it
    #[arg(long)]
    pub distribution: bool,
    /// Where the page goes (default: rf/ beside the reports; none with --json)
    #[arg(long, value_name = "FILE", conflicts_with = "measure")]
    pub page: Option<PathBuf>,
    #[command(flatten)]
    pub how: MeasureArgs,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where reports are
    #[command(flatten)]
    pub folders: Folders,
}

/// How `rf --measure` measures.
#[derive(Args, Debug)]
#[command(next_help_heading = "Measuring, with --measure")]
pub(crate) struct MeasureArgs {
    /// Test images that gradients are averaged over
    #[arg(long, default_value_t = 64)]
    pub images: usize,
    /// Where to compute; auto takes a GPU if there is one
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto")]
    pub device: String,
    /// Standard normal images, always the same, in place of test images
    #[arg(long, requires = "measure")]
    pub noise: bool,
    /// Double precision
    #[arg(long, requires = "measure")]
    pub float64: bool,
    /// What becomes of the gradients' signs; RepLKNet drops negative ones
    #[arg(long, value_enum, default_value_t = SignOf::Absolute, requires = "measure")]
    pub sign: SignOf,
    /// The unit's channels go through a ReLU before they are summed, as RepLKNet has it
    #[arg(long, requires = "measure")]
    pub relu: bool,
    /// One trial of each arm, and no other
    #[arg(long, requires = "measure")]
    pub one_per_arm: bool,
}

/// What becomes of the signs of gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SignOf {
    /// Absolute values
    Absolute,
    /// Negative ones are dropped
    Positive,
    /// Kept while images are averaged; absolute values of the mean
    Signed,
}
