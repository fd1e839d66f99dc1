//! Barriers of a training step and their cost, and what a second thread gains.

use crate::history;
use crate::run::{median, timed};
use anyhow::{Context, Result};
use serde_json::Value;
use std::process::Command;

/// Of `threads`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Alternating rounds
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// The most threads
    #[arg(long, default_value_t = 2)]
    pub most: usize,
}

/// Words of `speed`: a small network and a large one.
const NETWORKS: [(&str, &str); 3] = [
    (
        "the digits net",
        "block=res2 stem=cifar depth=11 planes=8 width=26 scale=4 stem_stride=2 \
         --channels 1 --classes 10 --size 28 --batch 32 --steps 30",
    ),
    (
        "cifar d20 p16 26w4s",
        "block=res2 stem=cifar depth=20 planes=16 width=26 scale=4 \
         --classes 10 --size 32 --batch 64 --steps 5",
    ),
    ("res2net50_26w_4s", "res2net50_26w_4s --size 224 --batch 8 --steps 3"),
];

/// Prints, for one thread and for the most, the time of a step, its barriers, and the wait in them.
pub(crate) fn run(args: &Args) -> Result<()> {
    println!("{}; medians of {} rounds", history::processor(), args.rounds);
    println!(
        "{:24} {:>7} {:>10} {:>9} {:>10} {:>8} {:>6}",
        "training step", "threads", "images/s", "barriers", "wait, ms", "of step", "ratio"
    );
    for (name, words) in NETWORKS {
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds {
            for (of, threads) in measured.iter_mut().zip([1, args.most]) {
                of.push(measure(words, threads)?);
            }
        }
        let ratios = measured[0].iter().zip(&measured[1]).map(|(one, most)| most[0] / one[0]);
        let ratio = median(ratios.collect());
        for (of, threads) in measured.iter().zip([1, args.most]) {
            let [speed, barriers, wait, share] =
                [0, 1, 2, 3].map(|i| median(of.iter().map(|row| row[i]).collect()));
            let ratio = if threads == 1 { "".into() } else { format!("{ratio:.2}") };
            println!(
                "{name:24} {threads:>7} {speed:>10.1} {barriers:>9.0} {wait:>10.3} {:>6.1} % {ratio:>6}",
                100.0 * share
            );
        }
    }
    Ok(())
}

/// Images/s, the barriers of a step, the first thread's wait in them in ms, and its share.
fn measure(words: &str, threads: usize) -> Result<[f64; 4]> {
    let mut command = Command::new("target/release/res2lab");
    command.args(["speed", "train", "--profile", "--json"]).args(words.split_whitespace());
    command.args(["--threads", &threads.to_string()]);
    let (_, output) = timed(command)?;
    let speed = output["images_per_s"].as_f64().context("no images_per_s was printed")?;
    let rows = output["profile"].as_array().context("no profile was printed")?;
    let barrier = rows.iter().find(|row| row["instruction"] == "barrier");
    let of = |field: &str| barrier.and_then(|row: &Value| row[field].as_f64()).unwrap_or(0.0);
    Ok([speed, of("per_step"), of("ms"), of("share")])
}
