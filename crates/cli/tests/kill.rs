//! kill -9 of a trial, of the runner, and of both: the same command finishes the sweep, nothing is
//! trained twice or twice at once, and what was interrupted ends with the bits of what was not.

mod common;

use common::{Bench, events, read_json, runs, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;

/// Two trials side by side, three epochs each, told every few steps.
const LINE: &str = "scale=2,3 seed=0 epochs=3 batch=50 train.log_every=5 data.augment.crop_pad=2 --slots 2 --threads 1";

fn sweep_line(name: &str) -> String {
    format!("sweep {LINE} --name {name}")
}

/// Waits until every trial of the sweep is in its second epoch, and returns their processes by id.
fn processes_in_second_epoch(sweep: &Path) -> Vec<(String, i32)> {
    wait_for("the second epoch", || {
        let started = events(sweep, "started");
        let in_second = |event: &Value| {
            let run = sweep.join("runs").join(event["id"].as_str()?);
            let epoch = read_json(&run.join("progress.json"))?["epoch"].as_f64()?;
            (epoch > 1.05).then(|| {
                (
                    event["id"].as_str().unwrap_or_default().to_owned(),
                    event["process"].as_i64().unwrap_or(0) as i32,
                )
            })
        };
        let found: Vec<_> = started.iter().filter_map(in_second).collect();
        (found.len() == 2).then_some(found)
    })
}

fn kill_9(process: i32) {
    kill(Pid::from_raw(process), Signal::SIGKILL).expect("the process is there");
}

/// Bytes that must not depend on interruptions: weights with momentum, best weights, metrics.
fn bits(sweep: &Path) -> Vec<Vec<u8>> {
    let files = ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "metrics.jsonl"];
    runs(sweep)
        .iter()
        .flat_map(|run| {
            files.map(|f| std::fs::read(run.join(f)).unwrap_or_else(|e| panic!("{f}: {e}")))
        })
        .collect()
}

fn attempts(run: &Path) -> usize {
    std::fs::read_dir(run)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("attempt-"))
        .count()
}

fn resumes(run: &Path) -> String {
    std::fs::read_to_string(run.join("attempt-2/log.txt"))
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn whatever_is_killed_the_same_command_finishes_with_the_same_bits() {
    let bench = Bench::new();
    assert!(bench.run(&sweep_line("whole")).status.success());
    let whole = bits(&bench.sweep("whole"));
    assert_eq!(whole.len(), 6);
    one_trial(&bench, &whole);
    the_runner(&bench, &whole);
    both(&bench, &whole);
    a_polite_stop(&bench, &whole);
}

fn one_trial(bench: &Bench, whole: &[Vec<u8>]) {
    let sweep = bench.sweep("trial");
    let mut runner = bench.spawn(&sweep_line("trial"));
    let (victim, process) = processes_in_second_epoch(&sweep)[0].clone();
    kill_9(process);
    assert_eq!(runner.wait().unwrap().code(), Some(1), "a failed trial is not a success");
    let ended = events(&sweep, "ended");
    assert!(
        ended
            .iter()
            .any(|e| e["id"] == victim.as_str()
                && e["reason"].as_str().unwrap().contains("signal 9")),
        "{ended:?}"
    );
    let output = bench.run(&sweep_line("trial"));
    assert!(output.status.success(), "{}", common::stderr(&output));
    assert!(bits(&sweep) == whole);
    for run in runs(&sweep) {
        let is_victim = run.ends_with(&victim);
        assert_eq!(attempts(&run), if is_victim { 2 } else { 1 });
        assert!(
            !is_victim
                || (resumes(&run).contains("resume from step")
                    && !resumes(&run).contains("step 0 ")),
            "{}",
            resumes(&run)
        );
    }
}

fn the_runner(bench: &Bench, whole: &[Vec<u8>]) {
    let sweep = bench.sweep("runner");
    let mut runner = bench.spawn(&sweep_line("runner"));
    processes_in_second_epoch(&sweep);
    runner.kill().unwrap();
    runner.wait().unwrap();
    // The trials go on; the next runner waits for them.
    assert!(bench.run(&sweep_line("runner")).status.success());
    assert_eq!((events(&sweep, "started").len(), events(&sweep, "adopted").len()), (2, 2));
    assert!(runs(&sweep).iter().all(|run| attempts(run) == 1));
    assert!(bits(&sweep) == whole);
}

fn both(bench: &Bench, whole: &[Vec<u8>]) {
    let sweep = bench.sweep("both");
    let mut runner = bench.spawn(&sweep_line("both"));
    let processes = processes_in_second_epoch(&sweep);
    runner.kill().unwrap();
    runner.wait().unwrap();
    processes.iter().for_each(|&(_, process)| kill_9(process));
    assert!(bench.run(&sweep_line("both")).status.success());
    for run in runs(&sweep) {
        assert!(
            attempts(&run) == 2 && resumes(&run).contains("resume from step"),
            "{}",
            resumes(&run)
        );
    }
    assert!(bits(&sweep) == whole);
}

fn a_polite_stop(bench: &Bench, whole: &[Vec<u8>]) {
    let sweep = bench.sweep("polite");
    let mut runner = bench.spawn(&sweep_line("polite"));
    processes_in_second_epoch(&sweep);
    kill(Pid::from_raw(runner.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(runner.wait().unwrap().code(), Some(1));
    assert_eq!(events(&sweep, "stopped").pop().unwrap()["why"], "interrupted");
    assert!(bench.run(&sweep_line("polite")).status.success());
    assert!(runs(&sweep).iter().all(|run| attempts(run) == 2));
    assert!(bits(&sweep) == whole);
}
