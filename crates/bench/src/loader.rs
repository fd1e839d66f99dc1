//! Comparison of the input pipelines: both programs read the same folder of JPEGs with two workers
//! and antialiasing.

use crate::history::{self, Line};
use crate::run::{median, timed};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of `loader`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python with torch 2.13, torchvision, timm, numpy and Pillow
    #[arg(long, env = "RES2LAB_PYTHON", default_value = "python3")]
    python: PathBuf,
    /// A folder with train/ and val/ (default: 640 generated pictures of 500 x 375)
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Only rows with this in their name
    #[arg(long, default_value = "")]
    only: String,
    /// Times each is run
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the measurement is appended
    #[arg(long, default_value = "crates/bench/history.csv")]
    history: PathBuf,
}

/// Operations on pictures: their name, ours in timm's notation, and those of bench.py.
const OPERATIONS: [(&str, Option<[&str; 2]>); 3] = [
    ("crops", None),
    // Two operations of magnitude 3 of 10, which is 9 of 30 there.
    ("torchvision's RandAugment", Some(["rand-m3-p1-inc1", "torchvision"])),
    ("timm's RandAugment", Some(["rand-m7-mstd0.5-inc1", "rand-m7-mstd0.5-inc1"])),
];

/// Alternates the two programs, this one first, and prints every round.
pub(crate) fn run(args: &Args) -> Result<()> {
    let own = tempfile::tempdir()?;
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => generated(args, own.path())?,
    };
    println!("{}; two workers each", history::processor());
    for (name, operations) in OPERATIONS.iter().filter(|(name, _)| name.contains(&args.only)) {
        compare(args, &folder, own.path(), name, *operations)?;
    }
    Ok(())
}

fn compare(
    args: &Args,
    folder: &Path,
    own: &Path,
    name: &str,
    operations: Option<[&str; 2]>,
) -> Result<()> {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for round in 1..=args.rounds {
        let mut command = Command::new("target/release/res2lab");
        let threads = ["--threads", "2", "--json", "--data"];
        command.arg("pipeline").arg(folder).args(threads).arg(own);
        command.args(operations.iter().flat_map(|[ours, _]| ["--auto", ours]));
        let a = images_per_s(command)?;
        let mut command = Command::new(&args.python);
        command
            .args(["crates/bench/peers/bench.py", "loader", "--workers", "2", "--data"])
            .arg(folder.join("train"))
            .args(operations.iter().flat_map(|[_, theirs]| ["--auto", theirs]));
        let b = images_per_s(command)?;
        println!(
            "{name}, round {round}: res2lab {a:.0} images/s, PyTorch {b:.0} images/s, ratio {:.2}",
            a / b
        );
        ours.push(a);
        theirs.push(b);
    }
    let ratio = median(ours.iter().zip(&theirs).map(|(a, b)| a / b).collect());
    let a = median(ours);
    let b = median(theirs);
    println!(
        "{name}, median: res2lab {a:.0} images/s, PyTorch {b:.0} images/s; ours / PyTorch's {ratio:.2}"
    );
    let what = match operations {
        None => "input pipeline, JPEG 500x375 to 224".to_owned(),
        Some(_) => format!("input pipeline with {name}, JPEG 500x375 to 224"),
    };
    let unit = "images/s";
    history::append(
        &args.history,
        &Line { what: &what, unit, ours: a, theirs: b, ratio, rounds: args.rounds },
    )
}

fn generated(args: &Args, own: &Path) -> Result<PathBuf> {
    let folder = own.join("pictures");
    let mut command = Command::new(&args.python);
    command.arg("crates/bench/checks/pictures.py").arg(&folder).args(["640", "20"]);
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(folder)
}

fn images_per_s(command: Command) -> Result<f64> {
    timed(command)?.1["images_per_s"].as_f64().context("no images per second")
}
