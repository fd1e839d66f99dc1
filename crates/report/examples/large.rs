//! Writes the page of a made-up sweep of 10,000 trials (500 arms, 20 seeds or as many as are given)
//! with curves of 100 epochs, and prints how long that took and how much memory it needed:
//! `cargo run --release --workspace --example large -- FILE [SEEDS]`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use res2lab_store::{Point, SweepRows};
use std::time::Instant;

const EPOCHS: u64 = 100;
const SEEDS: u64 = 20;

fn main() {
    let file = std::env::args().nth(1).expect("give a file");
    let seeds = std::env::args().nth(2).map_or(SEEDS, |n| n.parse().expect("a number of seeds"));
    let rows = sweep(seeds);
    let started = Instant::now();
    let before = peak_mib();
    let page = res2lab_report::render(&rows).expect("a page");
    let took = started.elapsed().as_secs_f64();
    std::fs::write(&file, &page).expect("the file is writable");
    let mib = page.len() / (1 << 20);
    let trials = rows.trials.len();
    println!("{trials} trials: {took:.1} s, {mib} MiB, peak {} MiB, before {before}", peak_mib());
}

fn sweep(seeds: u64) -> SweepRows {
    let depths = ["11", "20", "29", "38", "47"];
    let widths = ["8", "14", "18", "26", "40"];
    let axes: [(&str, &[&str]); 4] = [
        ("lr", &["0.05", "0.1", "0.2", "0.4", "0.8"]),
        ("scale", &["2", "4", "6", "8"]),
        ("width", &widths),
        ("depth", &depths),
    ];
    let seeds: Vec<u64> = (0..seeds).collect();
    let mut rows = fixture::sweep("large", &axes, &seeds);
    for trial in &mut rows.trials {
        let point = |epoch: u64| {
            let mut point = trial.curve[epoch as usize % trial.curve.len()].clone();
            point.step = epoch * 100;
            point.epoch = epoch as f64;
            point
        };
        let curve: Vec<Point> = (1..=EPOCHS).map(point).collect();
        trial.curve = curve;
    }
    rows
}

/// The largest resident memory so far, from /proc.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
