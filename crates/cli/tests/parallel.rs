//! A trial on two devices (here: two processes over Gloo) in a sweep: it ends as one, and when one
//! of its processes dies it fails within seconds and its retry goes on from the checkpoint.

mod common;

use common::{Bench, events, read_json, runs, stderr, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

const LINE: &str = "sweep scale=2 seed=0 epochs=3 batch=100 devices_per_trial=2 sync_bn=true train.log_every=5 --threads 1";

/// The process of this rank among the trial's.
fn process_of_rank(launcher: i32, rank: usize) -> Option<i32> {
    let wanted = format!("RANK={rank}");
    let children =
        std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let environment = std::fs::read(format!("/proc/{child}/environ")).ok()?;
        environment
            .split(|&b| b == 0)
            .any(|line| line == wanted.as_bytes())
            .then(|| child.parse().ok())?
    })
}

fn launcher_in_second_epoch(sweep: &Path) -> i32 {
    wait_for("the second epoch", || {
        let started = events(sweep, "started");
        let run = runs(sweep).pop()?;
        let epoch = read_json(&run.join("progress.json"))?["epoch"].as_f64()?;
        (epoch > 1.05).then(|| started[0]["process"].as_i64().unwrap_or(0) as i32)
    })
}

#[test]
fn a_trial_of_two_processes_survives_the_death_of_one_by_a_retry_with_the_same_bits() {
    let bench = Bench::new();
    let output = bench.run(&format!("{LINE} --name whole"));
    assert!(output.status.success(), "{}", stderr(&output));
    let whole = bench.sweep("whole");

    let mut runner = bench.spawn(&format!("{LINE} --name broken --retries 1"));
    let broken = bench.sweep("broken");
    let launcher = launcher_in_second_epoch(&broken);
    let victim = wait_for("the second process", || process_of_rank(launcher, 1));
    kill(Pid::from_raw(victim), Signal::SIGKILL).expect("the process is there");
    let killed = Instant::now();
    let ended = wait_for("the trial's end", || events(&broken, "ended").pop());
    println!(
        "the trial failed {:.1} s after its second process was killed",
        killed.elapsed().as_secs_f64()
    );
    assert!(killed.elapsed() < Duration::from_secs(10));
    assert_eq!(ended["outcome"], "failed");
    let reason = ended["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("process 1 of the trial was killed by signal 9"), "{reason}");
    assert!(runner.wait().expect("the runner ends").success(), "the retry does the rest");

    let run = runs(&broken).pop().expect("one run");
    let log = std::fs::read_to_string(run.join("attempt-2/log.txt")).expect("a second attempt");
    assert!(
        log.contains("resume from step") && log.contains("2 devices with synchronized batch norm"),
        "{log}"
    );
    for file in ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "metrics.jsonl"] {
        let bytes =
            |sweep: &Path| std::fs::read(runs(sweep)[0].join(file)).expect("it was written");
        assert!(bytes(&whole) == bytes(&broken), "{file} differs");
    }
}

#[test]
fn torchrun_and_srun_can_start_the_processes_too() {
    let bench = Bench::new();
    let line =
        "scale=2 seed=0 epochs=1 batch=500 devices_per_trial=2 --threads 1 --name outside --json";
    let plan = bench.json(&format!("plan {line} --no-time"));
    let id = plan["trials"][0]["id"].as_str().expect("an id").to_owned();
    // A sweep that is stopped at once leaves the plan.
    let mut runner = bench.spawn(&format!("sweep {line}"));
    let sweep = bench.sweep("outside");
    wait_for("the plan", || sweep.join("plan.json").exists().then_some(()));
    kill(Pid::from_raw(runner.id() as i32), Signal::SIGINT).expect("the runner is there");
    runner.wait().expect("the runner ends");
    let _ = std::fs::remove_dir_all(sweep.join("runs").join(&id));

    let start = |rank: usize| {
        let mut command = bench.command(&format!("trial {} {id}", sweep.display()));
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", "2");
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", "29511");
        command.spawn().expect("the binary starts")
    };
    let statuses: Vec<_> =
        [0, 1].map(start).into_iter().map(|mut child| child.wait().expect("it ends")).collect();
    assert!(statuses.iter().all(|status| status.success()), "{statuses:?}");
    assert!(sweep.join("runs").join(&id).join("result.json").exists());

    let mut alone = bench.command(&format!("trial {} {id}", sweep.display()));
    let output = alone
        .env("RANK", "0")
        .env("WORLD_SIZE", "3")
        .env("MASTER_PORT", "29511")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("this is process 0 of 3, and the trial wants 2"),
        "{}",
        stderr(&output)
    );
    let output = bench.run("plan batch=30 devices_per_trial=4");
    assert!(
        stderr(&output).contains("devices_per_trial 4 does not divide train.batch_size 30"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn two_machines_start_their_parts_of_a_trial() {
    let bench = Bench::new();
    let line = "scale=2 seed=0 epochs=1 batch=500 devices_per_trial=4 --name machines";
    let output = bench.run(&format!("plan {line} --write"));
    assert!(output.status.success(), "{}", stderr(&output));
    let sweep = bench.sweep("machines");
    let start = |node: usize| {
        let mut command = bench.command(&format!("trial {} --index 0", sweep.display()));
        command.env("RES2LAB_NODES", "2").env("RES2LAB_NODE", node.to_string());
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", "29513");
        command.env("RES2LAB_THREADS", "1").spawn().expect("the binary starts")
    };
    let statuses: Vec<_> =
        [1, 0].map(start).into_iter().map(|mut child| child.wait().expect("it ends")).collect();
    assert!(statuses.iter().all(|status| status.success()), "{statuses:?}");
    let run = runs(&sweep).pop().expect("one run");
    assert!(run.join("result.json").exists());

    let mut alone = bench.command(&format!("trial {} --index 0", sweep.display()));
    let output = alone.env("RES2LAB_NODES", "3").env("RES2LAB_NODE", "0").output();
    let said = stderr(&output.expect("it runs"));
    assert!(said.contains("machine 0 of 3 has no part of a trial on 4 devices"), "{said}");
    let output = bench.run(&format!("plan {line} --k8s --pods-per-trial 3"));
    let said = stderr(&output);
    assert!(said.contains("--pods-per-trial 3 does not divide devices_per_trial 4"), "{said}");
}
