//! Which instruction set the kernels use is measured once and kept; a trial that was killed goes on
//! with its own.

mod common;

use common::{Bench, events, root, runs, stderr, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const LINE: &str = "scale=2 seed=0 epochs=3 batch=50 --slots 1 --threads 1 --no-time";

/// `res2lab` with a folder of data sets of its own, so that what is kept there is the test's.
fn command(bench: &Bench, data: &Path, line: &str) -> Command {
    let mut command = bench.command(line);
    command.env("RES2LAB_DATA", data).env_remove("RES2LAB_VECTORS");
    command
}

fn env(bench: &Bench, data: &Path) -> Value {
    let output = command(bench, data, "env --json").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Kills the sweep's trial in its second epoch.
fn kill_in_second_epoch(sweep: &Path) {
    let process = wait_for("the second epoch", || {
        let started = events(sweep, "started").pop()?;
        let run = sweep.join("runs").join(started["id"].as_str()?);
        let epoch = common::read_json(&run.join("progress.json"))?["epoch"].as_f64()?;
        (epoch > 1.05).then(|| started["process"].as_i64().unwrap() as i32)
    });
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
}

fn bits(sweep: &Path) -> Vec<Vec<u8>> {
    let files = ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "metrics.jsonl"];
    runs(sweep)
        .iter()
        .flat_map(|run| files.map(|file| std::fs::read(run.join(file)).unwrap()))
        .collect()
}

fn recorded(sweep: &Path) -> Value {
    common::read_json(&runs(sweep)[0].join("result.json")).unwrap()["vectors"].clone()
}

#[test]
fn a_killed_trial_goes_on_with_its_own_level_when_the_kept_choice_has_changed() {
    let bench = Bench::new();
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("data/mnist5k"), data.path().join("mnist5k")).unwrap();
    let chosen = env(&bench, data.path())["vectors"].clone();
    let others = chosen["available"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .find(|&level| *level != chosen["level"]);
    let sweep_line = |name: &str| format!("sweep {LINE} --name {name}");
    let run = |name: &str| -> Output {
        command(&bench, data.path(), &sweep_line(name)).output().unwrap()
    };
    assert!(run("whole").status.success());
    assert_eq!(recorded(&bench.sweep("whole")), chosen["level"]);

    let mut runner = command(&bench, data.path(), &sweep_line("cut")).spawn().unwrap();
    kill_in_second_epoch(&bench.sweep("cut"));
    assert_eq!(runner.wait().unwrap().code(), Some(1));
    // The kept choice is lost, and what comes instead is another.
    let _ = std::fs::remove_file(data.path().join(".cache/vectors.json"));
    let mut again = command(&bench, data.path(), &sweep_line("cut"));
    if let Some(other) = others {
        again.env("RES2LAB_VECTORS", other.as_str().unwrap());
    }
    assert!(again.output().unwrap().status.success());
    assert_eq!(recorded(&bench.sweep("cut")), chosen["level"]);
    assert!(bits(&bench.sweep("cut")) == bits(&bench.sweep("whole")));

    // A trial that begins with another level records that one.
    if let Some(other) = others {
        let mut fresh = command(&bench, data.path(), &sweep_line("other"));
        assert!(
            fresh
                .env("RES2LAB_VECTORS", other.as_str().unwrap())
                .output()
                .unwrap()
                .status
                .success()
        );
        assert_eq!(recorded(&bench.sweep("other")), *other);
    }
}

#[test]
fn a_level_that_is_unknown_or_not_there_is_refused() {
    let bench = Bench::new();
    let output = bench.command("env").env("RES2LAB_VECTORS", "avx3").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("avx512-256") && stderr(&output).contains("RES2LAB_VECTORS=avx3")
    );
    let all = ["plain", "avx2", "avx512-256", "avx512", "avx512-amx"];
    let known = bench.json("env --json")["vectors"]["available"].clone();
    for missing in
        all.iter().filter(|level| !known.as_array().unwrap().contains(&Value::from(**level)))
    {
        let output = bench.command("env").env("RES2LAB_VECTORS", missing).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("this processor has"), "{}", stderr(&output));
    }
}
