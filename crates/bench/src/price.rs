//! Comparison of the predicted with the measured cost of a sweep, for networks that were not timed
//! before.

use crate::history;
use crate::run::timed;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Three networks of different kinds. Each has two seeds, so that two slots are busy, as the
/// prediction assumes.
const NETWORKS: [&str; 3] = [
    "depth=20 planes=8 width=26 scale=4 epochs=3",
    "depth=11 planes=12 width=32 cardinality=2 scale=3 epochs=5",
    "block=bottleneck scale=1 depth=29 planes=8 width=64 epochs=3",
];

/// Of `price`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Plans and trains each network, and compares predicted and measured times.
pub(crate) fn run(_: &Args) -> Result<()> {
    println!("{}; two trials side by side", history::processor());
    let mut worst: f64 = 0.0;
    for network in NETWORKS {
        let folder = tempfile::tempdir()?;
        // A separate data folder, so that no earlier timings are found.
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        std::os::unix::fs::symlink(std::fs::canonicalize("data/mnist5k")?, data.join("mnist5k"))?;
        let plan = timed(command("plan", network, &data, folder.path()))?.1;
        let predicted =
            plan["trials"][0]["price"]["wall_s"].as_f64().context("the plan has no price")?;
        let arms = timed(command("sweep", network, &data, folder.path()))?.1;
        let actual = arms["arms"][0]["wall_s"].as_f64().context("the arm has no wall time")?;
        let off = 100.0 * (predicted - actual) / actual;
        worst = worst.max(off.abs());
        println!("{network}: predicted {predicted:.1} s, took {actual:.1} s, {off:+.0} %");
    }
    println!("largest error {worst:.0} %");
    Ok(())
}

fn command(what: &str, network: &str, data: &Path, reports: &Path) -> Command {
    let mut command = Command::new("target/release/res2lab");
    command.arg(what).args(network.split(' ')).args([
        "seed=0,1",
        "--slots",
        "2",
        "--threads",
        "1",
        "--json",
    ]);
    command.arg("--data").arg(data).arg("--reports").arg(reports);
    command
}
