//! Comparison on the digits sweep (experiments/bench-digits.yaml): the same 12 trials (4 scales x 3
//! seeds x 6 epochs) by both programs, with two concurrent processes.

use crate::history::{self, Line};
use crate::run::{median, timed};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCALES: [u64; 4] = [2, 4, 6, 8];

/// Of `sweep`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python with torch 2.13, numpy and joblib
    #[arg(long, env = "RES2LAB_PYTHON", default_value = "python3")]
    python: PathBuf,
    /// Seeds per scale: 0 to this, exclusive
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Times each is run
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the measurement is appended
    #[arg(long, default_value = "crates/bench/history.csv")]
    history: PathBuf,
}

/// The result of one program: wall time, and accuracies in percent by scale.
struct Run {
    wall_s: f64,
    accuracy: BTreeMap<u64, Vec<f64>>,
}

impl Args {
    /// The arguments with which the table of [`crate::steps`] measures the sweep.
    pub(crate) fn digits(python: &Path, rounds: usize, history: &Path) -> Args {
        Args { python: python.to_owned(), seeds: 3, rounds, history: history.to_owned() }
    }
}

/// Alternates the two programs, this one first, and prints every round and the accuracies.
pub(crate) fn run(args: &Args) -> Result<()> {
    println!(
        "{}; {} trials each, two side by side",
        history::processor(),
        SCALES.len() as u64 * args.seeds
    );
    let (ours, theirs) = rounds(args, |round, ours, theirs| {
        println!(
            "round {round}: res2lab {ours:.1} s, PyTorch {theirs:.1} s, ratio {:.2}",
            theirs / ours
        );
    })?;
    let [a, b, ratio] = record(args, &ours, &theirs)?;
    println!("median: res2lab {a:.1} s, PyTorch {b:.1} s; PyTorch's time / ours {ratio:.2}");
    println!("mean test accuracy, {} seeds", args.seeds);
    for scale in SCALES {
        let mean = |run: &Run| {
            run.accuracy.get(&scale).map_or(f64::NAN, |v| v.iter().sum::<f64>() / v.len() as f64)
        };
        let a = mean(&ours[0]);
        let b = mean(&theirs[0]);
        println!("  scale {scale}: res2lab {a:.2} %, PyTorch {b:.2} %, difference {:+.2}", a - b);
    }
    Ok(())
}

/// Median wall times of this program and of PyTorch in seconds, and the median of the ratios.
pub(crate) fn measure(args: &Args) -> Result<[f64; 3]> {
    let (ours, theirs) = rounds(args, |_, _, _| {})?;
    record(args, &ours, &theirs)
}

fn rounds(args: &Args, each: impl Fn(usize, f64, f64)) -> Result<(Vec<Run>, Vec<Run>)> {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for round in 1..=args.rounds {
        let a = our_sweep(args)?;
        let b = their_sweep(args)?;
        each(round, a.wall_s, b.wall_s);
        ours.push(a);
        theirs.push(b);
    }
    Ok((ours, theirs))
}

fn record(args: &Args, ours: &[Run], theirs: &[Run]) -> Result<[f64; 3]> {
    let ratio = median(ours.iter().zip(theirs).map(|(a, b)| b.wall_s / a.wall_s).collect());
    let times = |runs: &[Run]| median(runs.iter().map(|r| r.wall_s).collect());
    let ours = times(ours);
    let theirs = times(theirs);
    let what = format!("digits sweep, {} trials", SCALES.len() as u64 * args.seeds);
    history::append(
        &args.history,
        &Line { what: &what, unit: "s", ours, theirs, ratio, rounds: args.rounds },
    )?;
    Ok([ours, theirs, ratio])
}

fn our_sweep(args: &Args) -> Result<Run> {
    let reports = tempfile::tempdir()?;
    let mut command = Command::new("target/release/res2lab");
    command.args([
        "sweep",
        "experiments/bench-digits.yaml",
        "scale=2,4,6,8",
        "--json",
        "--slots",
        "2",
        "--threads",
        "1",
    ]);
    command.arg(format!("seed=0..{}", args.seeds - 1)).arg("--reports").arg(reports.path());
    let (wall_s, output) = timed(command)?;
    let arms = output["arms"].as_array().context("res2lab printed no arms")?.clone();
    let mut accuracy = BTreeMap::new();
    for arm in &arms {
        let scale = &arm["coordinates"]["scale"];
        let scale = scale
            .as_u64()
            .or_else(|| scale.as_str()?.parse().ok())
            .context("an arm has no scale")?;
        accuracy.insert(scale, vec![arm["mean"].as_f64().context("an arm has no mean")?]);
    }
    Ok(Run { wall_s, accuracy })
}

fn their_sweep(args: &Args) -> Result<Run> {
    let list =
        |n: &mut dyn Iterator<Item = u64>| n.map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut command = Command::new(&args.python);
    command.args(["crates/bench/peers/bench.py", "sweep", "--data", "data/mnist5k", "--jobs", "2"]);
    command.args([
        "--scales",
        &list(&mut SCALES.into_iter()),
        "--seeds",
        &list(&mut (0..args.seeds)),
    ]);
    let (wall_s, output) = timed(command)?;
    let mut accuracy: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for row in output["rows"].as_array().context("the script printed no rows")? {
        let scale = row["scale"].as_u64();
        let value = row["accuracy"].as_f64();
        accuracy
            .entry(scale.context("no scale")?)
            .or_default()
            .push(100.0 * value.context("no accuracy")?);
    }
    Ok(Run { wall_s, accuracy })
}
