//! Comparisons with plain PyTorch on the same machine, in one run, alternating. Both are run as
//! programs from outside: this one as `target/release/res2lab`, PyTorch as the scripts in `peers/`.
//! Reports ratios and medians without a verdict.
//!
//! This crate must never know: how either program works inside.
//!
//! Reading order:
//! - [`steps`]: training steps and evaluation of single networks
//! - [`against`]: the same networks by two binaries of this program
//! - [`sweep`]: the digits sweep, wall time and accuracy
//! - [`loader`]: the input pipeline on a folder of JPEGs
//! - [`recipes`]: training steps by the recipes of experiment files
//! - [`price`]: predicted against measured cost of a sweep
//! - [`devices`]: a trial on two devices against one
//! - [`threads`]: barriers of a step, and what a second thread gains
//! - [`report`]: tables and page of a large sweep
//! - [`run`]: both programs as processes, and medians
//! - [`history`]: every measurement, appended to `history.csv`

mod against;
mod devices;
mod history;
mod loader;
mod price;
mod recipes;
mod report;
mod run;
mod steps;
mod sweep;
mod threads;

use clap::{Parser, Subcommand};

/// Side by side with plain PyTorch.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Training steps and evaluation of single networks (what `just bench` alone prints)
    Steps(steps::Args),
    /// The digits sweep: four scales, several seeds, two trials side by side
    Sweep(sweep::Args),
    /// The input pipeline: JPEGs of 500 x 375, random resized crops of 224, with and without
    /// RandAugment, two workers each
    Loader(loader::Args),
    /// Training steps by the recipes of experiment files, beside timm's
    Recipes(recipes::Args),
    /// The plan's price against what the sweep takes (no Python needed)
    Price(price::Args),
    /// A trial on two devices against the same on one (no Python needed)
    Devices(devices::Args),
    /// Barriers of a step and their cost, and what a second thread gains (no Python needed)
    Threads(threads::Args),
    /// Tables and page of ten thousand made-up trials (no Python needed)
    Report(report::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::Steps(args) => steps::run(&args),
        What::Sweep(args) => sweep::run(&args),
        What::Loader(args) => loader::run(&args),
        What::Recipes(args) => recipes::run(&args),
        What::Price(args) => price::run(&args),
        What::Devices(args) => devices::run(&args),
        What::Threads(args) => threads::run(&args),
        What::Report(args) => report::run(&args),
    }
}
