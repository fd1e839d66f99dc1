//! A trial that runs out of memory says how much less would have fitted.

mod common;

use common::{Bench, stderr};
use std::process::Command;

#[test]
fn out_of_memory_names_the_batch_that_would_fit() {
    let bench = Bench::new();
    let planned = bench.run("plan batch=4000 scale=4 seed=0 epochs=1 --write --name memory");
    assert!(planned.status.success(), "{}", stderr(&planned));
    // What libtorch itself maps differs between machines, so the limit is lowered until the batch
    // does not fit.
    let told =
        [25, 20, 17, 15, 13, 12, 11, 10].into_iter().map(|tenth| tenth * 100_000).find_map(|kib| {
            let trial = format!(
                "{} trial {} --index 0",
                env!("CARGO_BIN_EXE_res2lab"),
                bench.sweep("memory").display()
            );
            let mut shell = Command::new("bash");
            shell
                .args(["-c", &format!("ulimit -v {kib}; timeout 60 {trial}")])
                .current_dir(common::root());
            let output = shell.output().expect("bash runs");
            let _ = std::fs::remove_dir_all(bench.sweep("memory").join("runs"));
            (output.status.code() == Some(4)).then(|| stderr(&output))
        });
    let told = told.expect("some limit is too small");
    assert!(told.contains("out of memory with 4000 images at a time; "), "{told}");
    let fits = told
        .split("at a time; ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|n| n.parse().ok());
    assert!([2000, 1000, 500, 250, 125].contains(&fits.unwrap_or(0)), "{told}");
}
