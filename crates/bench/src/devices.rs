//! Comparison of a trial on two devices with the same trial on one device: two processes of one
//! core each, over Gloo.

use crate::history;
use crate::run::{median, timed};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Of `devices`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Alternating rounds
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// With synchronized batch norm
    #[arg(long)]
    pub sync_bn: bool,
}

const TRIAL: &str = "scale=4 depth=20 planes=16 seed=0 epochs=2 batch=128 train.log_every=5 data=generated data.size=32 data.images=5000";

/// Alternates the two trials, and compares training images per second.
pub(crate) fn run(args: &Args) -> Result<()> {
    println!("{}; cifar-like, 32 px, depth 20, planes 16, batch 128", history::processor());
    let mut ratios = Vec::new();
    for round in 1..=args.rounds {
        let one = images_per_s(1, false)?;
        let two = images_per_s(2, args.sync_bn)?;
        println!(
            "round {round}: {one:.0} images/s on one, {two:.0} on two, {:.2} times",
            two / one
        );
        ratios.push(two / one);
    }
    println!("median ratio {:.2}", median(ratios));
    Ok(())
}

fn images_per_s(devices: usize, sync_bn: bool) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    timed(command(devices, sync_bn, folder.path()))?;
    let runs = std::fs::read_dir(folder.path().join("devices/runs"))?;
    let run = runs.flatten().next().context("the sweep left no run")?;
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.path().join("result.json"))?)?;
    result["images_per_s"].as_f64().context("the result has no speed")
}

fn command(devices: usize, sync_bn: bool, reports: &Path) -> Command {
    let mut command = Command::new("target/release/res2lab");
    command.arg("sweep").args(TRIAL.split(' ')).arg(format!("devices_per_trial={devices}"));
    command.arg(format!("sync_bn={sync_bn}")).args([
        "--slots",
        "1",
        "--threads",
        "1",
        "--json",
        "--name",
        "devices",
    ]);
    command.arg("--reports").arg(reports);
    command
}
