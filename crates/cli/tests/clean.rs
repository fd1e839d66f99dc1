//! Checkpoints: what a plan says that they take, what finished trials keep, and what `clean`
//! removes.

mod common;

use common::{Bench, runs, stderr};
use std::path::Path;

const SMALL: &str = "seed=0 epochs=4 batch=50 data=generated data.size=8 data.images=100 depth=11 \
                     planes=4 --no-time --json";

/// The names and the sizes of a run's checkpoints.
fn checkpoints(run: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap().flatten();
    let mut found: Vec<_> = entries
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().unwrap().len()))
        .collect();
    found.sort();
    found
}

fn names(run: &Path) -> Vec<String> {
    checkpoints(run).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn clean_lists_first_and_removes_what_is_not_best() {
    let bench = Bench::new();
    bench.json(&format!("sweep scale=2,4 {SMALL} --name all"));
    let sweep = bench.sweep("all");
    let all = ["best", "epoch-0001", "epoch-0002", "last"].map(|n| format!("{n}.safetensors"));
    let [first, second] = &runs(&sweep)[..] else { panic!("two runs") };
    assert_eq!(names(first), all);

    // The plan knew what they take, but for running statistics and headers.
    let plan = bench.run(&format!("plan scale=2,4 {SMALL} --name all").replace(" --json", ""));
    let said = String::from_utf8_lossy(&plan.stdout).into_owned();
    let predicted = said.lines().find(|line| line.starts_with("disk: ")).unwrap();
    let kept: u64 = runs(&sweep).iter().flat_map(|run| checkpoints(run)).map(|(_, n)| n).sum();
    let (_, words) = predicted.split_once("runs, ").unwrap();
    let kilobytes: f64 = words.split_whitespace().next().unwrap().parse().unwrap();
    let ratio = kept as f64 / 1000.0 / kilobytes;
    assert!(words.contains("kB") && (1.0..1.5).contains(&ratio), "{kept} B, and {predicted}");

    // A trial that is not finished keeps all.
    std::fs::remove_file(second.join("result.json")).unwrap();
    let listed = bench.json("clean all --json");
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert!(listed[0]["is_removed"] == false && names(first).len() == 4);
    bench.json("clean all --yes --json");
    assert_eq!(names(first), ["best.safetensors"]);
    assert_eq!(names(second), all);
    let again = bench.run("clean all");
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing to remove"));

    // What is left still works, and what needs the rest says what to do.
    assert!(bench.run(&format!("eval {}", first.display())).status.success());
    bench.json("clean all --keep none --yes --json");
    let refused = bench.run(&format!("eval {}", first.display()));
    assert!(stderr(&refused).contains("were removed"), "{}", stderr(&refused));
}

#[test]
fn a_sweep_keeps_what_its_file_says_and_is_the_same_sweep() {
    let bench = Bench::new();
    for (keep, left) in
        [("best", vec!["best.safetensors"]), ("last", vec!["last.safetensors"]), ("none", vec![])]
    {
        bench.json(&format!("sweep scale=2 {SMALL} --name {keep} --keep {keep}"));
        let [run] = &runs(&bench.sweep(keep))[..] else { panic!("one run") };
        assert_eq!(names(run), left, "{keep}");
        // The same trial without the field: nothing is trained again.
        bench.json(&format!("sweep scale=2 {SMALL} --name {keep}"));
        assert_eq!(runs(&bench.sweep(keep)).len(), 1);
        assert_eq!(names(&runs(&bench.sweep(keep))[0]), left, "{keep}");
    }
}
