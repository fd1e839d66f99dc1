//! The command line as types.

mod ask;
mod clean;
mod examples;
mod figure;
mod folders;
pub(crate) mod line;
mod options;
mod output;
mod rf;
mod speed;
mod sweep;
mod trial;

use crate::screen::Color;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(crate) use ask::AskArgs;
pub(crate) use clean::CleanArgs;
pub(crate) use figure::{FigureArgs, FigureFormat};
pub(crate) use folders::Folders;
pub(crate) use output::{Format, Output, RowArgs};
pub(crate) use rf::{MeasureArgs, RfArgs, SignOf};
pub(crate) use speed::{SpeedArgs, SpeedOf};
pub(crate) use sweep::{KeepWord, Mps, OnOom, PlanArgs, SweepArgs};
pub(crate) use trial::{TimeArgs, TrialArgs, WorkerArgs};

/// A research workbench for the Res2Net family of convolutional networks.
#[derive(Parser, Debug)]
#[command(
    name = "res2lab",
    version,
    about,
    disable_help_subcommand = true,
    disable_help_flag = true,
    subcommand_value_name = "COMMAND"
)]
pub(crate) struct Cli {
    /// Colors: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, global = true)]
    #[arg(help_heading = "Output", hide_possible_values = true, hide_default_value = true)]
    pub color: Color,
    /// Print this help
    // One form of help everywhere: clap would switch to the long one as soon as a value has text.
    #[arg(long, short, action = clap::ArgAction::HelpShort, global = true, display_order = 999)]
    help: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One command each.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Train and evaluate every point of an experiment, then write tables and a report
    #[command(after_help = examples::SWEEP)]
    Sweep(SweepArgs),
    /// Show what a sweep would consist of, and train nothing
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Train one trial of a planned sweep (what a sweep starts for each of its trials)
    Trial(TrialArgs),
    /// Run the trials of one job of a cluster's array (what the cluster starts)
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Time a few steps of a planned trial (what a plan starts for each network)
    #[command(hide = true)]
    Time(TimeArgs),
    /// Rebuild the report and the tables of a sweep from its files
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Save a figure of a sweep's report as SVG, PNG, PDF or PGF, at the width of a column
    #[command(after_help = examples::FIGURE)]
    Figure(FigureArgs),
    /// Exact receptive fields of a network, along axes, or of a sweep's arms
    #[command(after_help = examples::RF)]
    Rf(RfArgs),
    /// Remove checkpoints that a finished sweep no longer needs; lists them first
    #[command(after_help = examples::CLEAN)]
    Clean(CleanArgs),
    /// Print the tables of a sweep: chosen rows and columns as text, CSV, Markdown, LaTeX or JSON
    #[command(after_help = examples::TABLE)]
    Table(TableArgs),
    /// Describe a network: parameters, multiply-adds, stages
    #[command(after_help = examples::MODEL)]
    Model(ModelArgs),
    /// Evaluate a network on a data set: accuracies, confusions, calibration
    #[command(after_help = examples::EVAL)]
    Eval(EvalArgs),
    /// Name the likeliest classes of pictures
    #[command(after_help = examples::PREDICT)]
    Predict(PredictArgs),
    /// Measure the input pipeline on a folder of pictures, or write what evaluation sees of them
    #[command(after_help = examples::PIPELINE)]
    Pipeline(PipelineArgs),
    /// Download published weights by a network's name, list them, or convert a file of weights
    #[command(after_help = examples::WEIGHTS)]
    Weights(WeightsArgs),
    /// Download a published data set, or check whether every picture of one can be read
    #[command(after_help = examples::DATA)]
    Data(DataArgs),
    /// Images/s of a network's training step or evaluation, on random images
    #[command(after_help = examples::SPEED)]
    Speed(SpeedArgs),
    /// Describe this machine and the libtorch in use
    Env(EnvArgs),
    /// Print a shell's completions of this command line
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print a manual page, or write those of all commands
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
    /// Print docs/reference.md: commands, fields, environment variables, columns, exit statuses
    #[command(hide = true)]
    Reference,
}

/// Of `report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// The sweep's name (a folder under reports/); several are shown on one page, compared with the
    /// first
    #[arg(required = true)]
    pub names: Vec<String>,
    /// Where a page of several sweeps goes (default: reports/NAME+NAME.html)
    #[arg(long = "output", value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// Serve the page on 127.0.0.1 and rebuild it as trials end, until Ctrl-C
    #[arg(long, conflicts_with_all = ["json", "format"])]
    pub watch: bool,
    /// With --watch: the port; 0 is any free one
    #[arg(long, default_value_t = 6060)]
    pub port: u16,
    /// Show what earlier commands on this sweep asked for, too
    #[arg(long)]
    pub all: bool,
    /// What the page asks, this time
    #[command(flatten)]
    pub ask: AskArgs,
    /// How many rows it has
    #[command(flatten)]
    pub rows: RowArgs,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where reports are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `table`.
#[derive(Args, Debug)]
pub(crate) struct TableArgs {
    /// The sweep's name (a folder under reports/)
    pub name: String,
    /// One line per arm: means over seeds, and differences from the baseline
    #[arg(long, conflicts_with = "curves")]
    pub arms: bool,
    /// One line per logged value
    #[arg(long)]
    pub curves: bool,
    /// Only rows of which all of these hold: scale=4,8 status!=done 'val_acc1>97' label~width (~:
    /// contains)
    #[arg(long = "where", num_args = 1.., value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Columns in this order, separated by commas, or: all
    #[arg(long, value_name = "NAMES")]
    pub columns: Option<String>,
    /// By this column; from the greatest with a minus before it: --sort=-val_acc1
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// What the columns mean, instead of their values
    #[arg(long)]
    pub describe: bool,
    /// Show what earlier commands on this sweep asked for, too
    #[arg(long)]
    pub all: bool,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where reports are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `model`.
#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    /// A network's name, or fields: depth=50 width=26 scale=4 (zoo=NAME is a field too)
    #[arg(value_name = "NAME | FIELD=VALUE", required_unless_present = "list")]
    pub words: Vec<String>,
    /// Image size in pixels (default: what the network was published for)
    #[arg(long)]
    pub size: Option<usize>,
    /// Number of classes
    #[arg(long)]
    pub classes: Option<usize>,
    /// Image channels
    #[arg(long)]
    pub channels: Option<usize>,
    /// List every known network
    #[arg(long)]
    pub list: bool,
    /// Print the planned training step: buffers, instructions, memory
    #[arg(long, conflicts_with_all = ["list", "format", "json"])]
    pub program: bool,
    /// Images of a batch of that step
    #[arg(long, default_value_t = 32, requires = "program")]
    pub batch: usize,
    /// Threads of that step
    #[arg(long, default_value_t = 2, requires = "program")]
    pub threads: usize,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
}

/// Of `eval`.
#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    /// A network (NAME or field=value...) with weights=FILE and data=NAME or data=FOLDER, or the
    /// folder of a finished trial; size=, resize=, crop= (share of the resized side, default 0.875)
    /// and normalize= change how images are seen
    #[arg(value_name = "MODEL | TRIAL FOLDER | KEY=VALUE", required = true)]
    pub words: Vec<String>,
    /// Images at a time
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Threads (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
    /// Where to compute: auto takes a GPU if there is one
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto")]
    pub device: String,
    /// Of convolutions: f32, tf32, bf16 or fp16
    #[arg(long, value_name = "KIND", default_value = "f32")]
    pub precision: String,
    /// Write every image's guesses to this Parquet file
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
    /// Write a page to this HTML file
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where data sets are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// A network with weights=FILE, or the folder of a finished trial, then pictures; classes=FILE
    /// names one class a line. A .safetensors file with a tensor `images` (N x C x H x W,
    /// normalized) gives logits as JSON
    #[arg(value_name = "MODEL | TRIAL FOLDER | KEY=VALUE | PICTURE", required = true)]
    pub words: Vec<String>,
    /// Where to compute: auto takes a GPU if there is one
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto")]
    pub device: String,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where data sets are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `pipeline`.
#[derive(Args, Debug)]
pub(crate) struct PipelineArgs {
    /// A folder with train/ and val/, or with Parquet files
    pub folder: PathBuf,
    /// Side of what a network sees, in pixels
    #[arg(long, default_value_t = 224)]
    pub size: usize,
    /// Short side before the center crop of evaluation
    #[arg(long, default_value_t = 256)]
    pub resize: usize,
    /// Images of a batch
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Passes over the training pictures
    #[arg(long, default_value_t = 3)]
    pub epochs: usize,
    /// Threads that decode (default: all cores)
    #[arg(long)]
    pub threads: Option<usize>,
    /// Read from a cache of decoded pictures with this short side
    #[arg(long)]
    pub cache_px: Option<usize>,
    /// Operations on training pictures, in timm's notation: rand-m9-mstd0.5-inc1
    #[arg(long, value_name = "OPERATIONS")]
    pub auto: Option<String>,
    /// Write evaluation's crops of the test pictures to this safetensors file (N x size x size x 3
    /// bytes) instead
    #[arg(long, value_name = "FILE")]
    pub crops: Option<PathBuf>,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where caches go
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `weights`.
#[derive(Args, Debug)]
pub(crate) struct WeightsArgs {
    /// A network's name; with --out also weights=FILE and fields of the network
    #[arg(value_name = "NAME")]
    pub words: Vec<String>,
    /// Write the network's tensors to this safetensors file instead (timm loads it with
    /// strict=True)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Another server: the address of the folder that holds the file
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where files go
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `data`.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// cifar10, cifar100, mnist or fashion_mnist; or: check
    pub name: String,
    /// With check: a folder or the name of a data set, every picture of which is looked at
    #[arg(value_name = "FOLDER")]
    pub folder: Option<String>,
    /// Another server: the address of the folder that holds the files
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where files go
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The command; without one, the page of the program
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Option<String>,
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Of `env`.
#[derive(Args, Debug)]
pub(crate) struct EnvArgs {
    /// How it is printed
    #[command(flatten)]
    pub output: Output,
    /// Where data sets are, and what was measured here
    #[command(flatten)]
    pub folders: Folders,
}
