//! Comparison of training steps by the recipes of experiment files with timm's own steps: optimizer,
//! loss, mixing, drop path, clipping and moving average. What counts is how the ratio changes
//! against a plain step of the same network.

use crate::history::{self, Line};
use crate::run::{median, timed};
use crate::steps::OURS;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Of `recipes`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python with torch, timm, numpy and PyYAML
    #[arg(long, env = "RES2LAB_PYTHON", default_value = "python3")]
    python: PathBuf,
    /// The network's name
    #[arg(long, default_value = "resnet50")]
    model: String,
    /// Image size in pixels
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// Images of a step
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Threads of each program
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// f32 or bf16, of both programs
    #[arg(long, default_value = "f32")]
    precision: String,
    /// Times each is run
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where measurements are appended
    #[arg(long, default_value = "crates/bench/history.csv")]
    history: PathBuf,
}

/// The experiments whose recipes are compared.
const RECIPES: [&str; 4] = ["rsb-a1", "rsb-a2", "rsb-a3", "cifar-modern"];
/// The least share of the plain step's ratio.
const AT_LEAST: f64 = 1.0 / 1.2;

/// What was measured for one recipe, or for plain SGD.
struct Row {
    recipe: Option<&'static str>,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// Alternates the two programs and all recipes, and prints a table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = std::iter::once(None).chain(RECIPES.map(Some));
    let mut rows: Vec<Row> =
        all.map(|recipe| Row { recipe, ours: vec![], theirs: vec![] }).collect();
    let Args { model, size, batch, threads, precision, rounds, .. } = args;
    println!(
        "{}; {model}, {size} px, batch {batch}, {threads} threads, {precision}; medians of {rounds} \
         rounds: timm's step in its better layout between two measurements of ours, of which the \
         better counts",
        history::processor()
    );
    for _ in 0..args.rounds {
        for row in &mut rows {
            let before = measure(args, our_command(args, row.recipe))?;
            row.theirs.push(measure(args, their_command(args, row.recipe))?);
            row.ours.push(before.max(measure(args, our_command(args, row.recipe))?));
        }
    }
    println!(
        "{:14} {:>8} {:>8} {:>6} {:>14} {:>9}",
        "images/s", "res2lab", "timm", "ratio", "of plain SGD's", "at least"
    );
    let ratio = |row: &Row| median(row.ours.iter().zip(&row.theirs).map(|(a, b)| a / b).collect());
    let plain = ratio(&rows[0]);
    for row in &rows {
        let name = row.recipe.unwrap_or("plain SGD");
        let found = ratio(row);
        let [ours, theirs] = [&row.ours, &row.theirs].map(|all| median(all.clone()));
        println!(
            "{name:14} {ours:>8.2} {theirs:>8.2} {found:>6.2} {:>14.2} {AT_LEAST:>9.2}",
            found / plain
        );
        let what = format!(
            "train by {name}, {model}, {size} px, batch {batch}, {threads} threads, {precision}"
        );
        let line =
            Line { what: &what, unit: "images/s", ours, theirs, ratio: found, rounds: args.rounds };
        history::append(&args.history, &line)?;
    }
    Ok(())
}

fn our_command(args: &Args, recipe: Option<&str>) -> Command {
    let mut command = Command::new(OURS);
    command.args(["speed", "train", &args.model, "--json"]);
    with_recipe(&mut command, recipe);
    command
}

fn their_command(args: &Args, recipe: Option<&str>) -> Command {
    let mut command = Command::new(&args.python);
    command.args(["crates/bench/peers/bench.py", "train", "--model", &args.model]);
    with_recipe(&mut command, recipe);
    command
}

fn with_recipe(command: &mut Command, recipe: Option<&str>) {
    if let Some(name) = recipe {
        command.arg("--recipe").arg(format!("experiments/{name}.yaml"));
    }
}

fn measure(args: &Args, mut command: Command) -> Result<f64> {
    let numbers = [("--size", args.size), ("--batch", args.batch), ("--threads", args.threads)];
    for (name, number) in numbers {
        command.args([name, &number.to_string()]);
    }
    command.args(["--precision", &args.precision]);
    timed(command)?.1["images_per_s"].as_f64().context("no images per second")
}
