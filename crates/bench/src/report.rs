//! Time and memory for the tables and the page of a large sweep, on generated results of thousands
//! of trials.

use crate::history;
use crate::run::median;
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Of `report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seeds of each of the hundred arms
    #[arg(long, default_value_t = 100)]
    pub seeds: usize,
    /// Epochs of each trial, with four values logged after each
    #[arg(long, default_value_t = 100)]
    pub epochs: usize,
    /// Rounds
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Keep the sweep in this folder, to be looked at
    #[arg(long)]
    pub keep: Option<std::path::PathBuf>,
}

const NAME: &str = "large";

/// Generates the sweep, then times `res2lab report`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let reports = args.keep.clone().unwrap_or_else(|| folder.path().to_owned());
    let trials = make_up(&reports, args)?;
    println!("{}; {trials} trials of {} epochs", history::processor(), args.epochs);
    let mut walls = Vec::new();
    for round in 1..=args.rounds {
        let started = Instant::now();
        let status = res2lab(&reports, &["report", NAME]).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "the report failed: {status}");
        walls.push(started.elapsed().as_secs_f64());
        println!("round {round}: {:.2} s", walls[round - 1]);
    }
    // The maximum over all child processes; planning needs less than the report.
    let memory_mib = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() / 1024;
    let page = fs::metadata(reports.join(NAME).join("index.html"))?.len();
    println!(
        "median {:.2} s, {memory_mib} MiB, page of {:.1} MB",
        median(walls),
        page as f64 / 1e6
    );
    Ok(())
}

fn res2lab(reports: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("target/release/res2lab");
    command.args(words).arg("--reports").arg(reports);
    command
}

/// Creates a folder as finished trials leave it, and returns the number of trials.
fn make_up(reports: &Path, args: &Args) -> Result<usize> {
    let seeds = format!("seed=0..{}", args.seeds - 1);
    let words =
        ["plan", "scale=2,4,6,8", "width=8..200:8", &seeds, "--name", NAME, "--no-time", "--write"];
    let status = res2lab(reports, &words).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "planning failed: {status}");
    let sweep = reports.join(NAME);
    let plan: Value = serde_json::from_slice(&fs::read(sweep.join("plan.json"))?)?;
    let trials = plan["trials"].as_array().context("the plan has trials")?;
    for (i, trial) in trials.iter().enumerate() {
        let run = sweep.join("runs").join(trial["id"].as_str().context("a trial has an id")?);
        fs::create_dir_all(run.join("attempt-1"))?;
        let level = 90.0 + trial["model"]["scale"].as_f64().unwrap_or_default() / 4.0 + noise(i, 0);
        fs::write(run.join("metrics.jsonl"), curve(i, level, args.epochs))?;
        let last = json!({"val/acc1": level, "val/acc5": 99.5, "val/loss": 0.2 + 0.01 * noise(i, 1), "train/loss": 0.1});
        let result = json!({
            "status": "done", "metrics": last, "steps": 100 * args.epochs, "step_ms": 5.0, "images_per_s": 6000.0,
            "wall_s": 30.0 + noise(i, 2), "peak_memory_mib": 300.0, "device": "cpu", "threads": 1,
            "layout": "channels_last", "code": plan["code"], "attempts": 1, "finished_s": 1.8e9 + 30.0 * i as f64,
        });
        fs::write(run.join("result.json"), result.to_string())?;
        let environment = json!({"host": "made-up", "cpu": "made-up", "cores": 2, "started_s": 1.8e9 + 30.0 * i as f64});
        fs::write(run.join("attempt-1/env.json"), environment.to_string())?;
    }
    Ok(trials.len())
}

fn curve(trial: usize, level: f64, epochs: usize) -> String {
    let mut lines = String::new();
    for epoch in 1..=epochs {
        let rest = (-(epoch as f64) / 15.0).exp();
        let wobble = rest * noise(trial, epoch);
        let acc1 = level * (1.0 - 0.6 * rest) + wobble;
        let loss = 0.1 + 2.0 * rest + 0.1 * wobble;
        // Writing to a String cannot fail.
        let _ = writeln!(
            lines,
            r#"{{"step":{},"epoch":{epoch}.0,"train/loss":{loss},"val/acc1":{acc1},"val/acc5":{},"val/loss":{}}}"#,
            100 * epoch,
            100.0 - 10.0 * rest,
            loss + 0.1
        );
    }
    lines
}

/// A pseudo-random number between -0.5 and 0.5, from two counters.
fn noise(a: usize, b: usize) -> f64 {
    let mut z = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (b as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 29)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}
