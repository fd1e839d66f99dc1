//! Interruptions, damaged files and full devices: each ends as what it was, and the same command
//! goes on.

use crate::common::{Bench, events, read_json, runs, stderr, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

/// One trial of some seconds.
const LONG: &str = "scale=2 seed=0 epochs=40 batch=50 --no-time --slots 1 --threads 1";
const SHORT: &str = "scale=2 seed=0 epochs=2 batch=200 --no-time --slots 1 --threads 1";

fn start(bench: &Bench, name: &str) -> Child {
    let mut command = bench.command(&format!("sweep {LONG} --name {name}"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the sweep's trial has made some steps.
fn trains(sweep: &Path) {
    wait_for("the first steps", || {
        let run = runs(sweep).pop()?;
        (read_json(&run.join("progress.json"))?["step"].as_f64()? > 20.0).then_some(())
    });
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

fn end(child: Child) -> (Option<i32>, String) {
    let output: Output = child.wait_with_output().unwrap();
    (output.status.code(), stderr(&output))
}

fn last_end(sweep: &Path) -> (String, String) {
    let ended = events(sweep, "ended").pop().unwrap();
    let text = |key: &str| ended[key].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("reason"))
}

fn checkpoint(sweep: &Path) -> PathBuf {
    runs(sweep)[0].join("checkpoints/last.safetensors")
}

#[test]
fn ctrl_c_twice_is_an_interruption_and_no_failure() {
    let bench = Bench::new();
    let runner = start(&bench, "twice");
    trains(&bench.sweep("twice"));
    // The trial cannot write its checkpoint, so that the second signal finds it alive.
    let process = events(&bench.sweep("twice"), "started")[0]["process"].as_i64().unwrap() as i32;
    kill(Pid::from_raw(process), Signal::SIGSTOP).unwrap();
    signal(&runner, Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(800));
    signal(&runner, Signal::SIGINT);
    let (code, said) = end(runner);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("ended by you") && !said.contains("failed") && !said.contains("signal 9"),
        "{said}"
    );
    assert_eq!(last_end(&bench.sweep("twice")).0, "interrupted");
    let table = bench.run("table twice --columns status,reason --format csv");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("interrupted") && !table.contains("failed"), "{table}");
}

#[test]
fn two_signals_at_once_are_one_wish() {
    let bench = Bench::new();
    let runner = start(&bench, "once");
    trains(&bench.sweep("once"));
    signal(&runner, Signal::SIGINT);
    signal(&runner, Signal::SIGINT);
    let (code, said) = end(runner);
    assert_eq!(code, Some(1));
    assert_eq!(last_end(&bench.sweep("once")).0, "preempted", "{said}");
    assert!(checkpoint(&bench.sweep("once")).is_file());
}

#[test]
fn a_closed_terminal_lets_trials_write_a_checkpoint() {
    let bench = Bench::new();
    let runner = start(&bench, "hangup");
    trains(&bench.sweep("hangup"));
    signal(&runner, Signal::SIGHUP);
    assert_eq!(end(runner).0, Some(1));
    assert_eq!(last_end(&bench.sweep("hangup")).0, "preempted");
    assert_eq!(events(&bench.sweep("hangup"), "stopped").pop().unwrap()["why"], "interrupted");
    assert!(
        checkpoint(&bench.sweep("hangup")).is_file()
            && bench.sweep("hangup").join("index.html").is_file()
    );
}

#[test]
fn a_checkpoint_with_flipped_bytes_is_refused_by_name() {
    let bench = Bench::new();
    let runner = start(&bench, "flip");
    trains(&bench.sweep("flip"));
    signal(&runner, Signal::SIGTERM);
    end(runner);
    let path = checkpoint(&bench.sweep("flip"));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x10);
    std::fs::write(&path, bytes).unwrap();
    let output = bench.run(&format!("sweep {LONG} --name flip"));
    assert_eq!(output.status.code(), Some(1));
    let (outcome, reason) = last_end(&bench.sweep("flip"));
    assert_eq!(outcome, "failed");
    assert!(reason.contains("last.safetensors is damaged: its checksum differs"), "{reason}");
}

#[test]
fn case_44_an_empty_result_costs_no_other_trial_and_is_made_again() {
    let bench = Bench::new();
    let line = format!("sweep {} --name empty", SHORT.replace("scale=2", "scale=2,3"));
    assert!(bench.run(&line).status.success());
    let sweep = bench.sweep("empty");
    let before = read_json(&runs(&sweep)[0].join("result.json")).unwrap();
    File::create(runs(&sweep)[0].join("result.json")).unwrap();
    // The other trial is still reported.
    let table = bench.run("table empty --columns status,reason,val_acc1 --format csv");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("result.json is damaged") && table.contains("done"), "{table}");
    let output = bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("result.json is damaged"), "{}", stderr(&output));
    let after = read_json(&runs(&sweep)[0].join("result.json")).unwrap();
    assert_eq!(after["metrics"], before["metrics"]);
    // It was resumed at its end and trained nothing, so it has no speed.
    assert!(after["images_per_s"].is_null() && after["step_ms"].is_null(), "{after}");
}

#[test]
fn case_46_a_time_limit_is_told_beside_the_accuracy() {
    let bench = Bench::new();
    let output = bench.run(&format!("sweep {LONG} train.max_minutes=0.01 --name limit"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("ended training after step"), "{}", stderr(&output));
    let page = std::fs::read_to_string(bench.sweep("limit").join("index.html")).unwrap();
    assert!(page.contains("was ended by its time limit"));
    let table = bench.run("table limit --columns status,reason --format csv");
    assert!(String::from_utf8_lossy(&table.stdout).contains("ended training after step"));
}

#[test]
fn a_full_device_behind_standard_output_is_an_error_and_a_closed_pipe_is_none() {
    let bench = Bench::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = bench.command("model --list").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error: cannot write to standard output"),
        "{}",
        stderr(&output)
    );
    let mut child = bench
        .command("model --list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    // Nobody can be told where standard error is full too, but nothing panics.
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let status = bench.command("model nowhere").stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn case_44_checkpoints_that_were_removed_are_told_as_such() {
    let bench = Bench::new();
    assert!(bench.run(&format!("sweep {SHORT} --name gone")).status.success());
    let run = runs(&bench.sweep("gone")).pop().unwrap();
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let output = bench.run(&format!("eval {}", run.display()));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("the checkpoints of") && stderr(&output).contains("were removed")
    );
}

#[test]
fn a_short_limit_of_a_trial_is_told_in_seconds() {
    let bench = Bench::new();
    let output = bench.run(&format!("sweep {LONG} --trial-minutes 0.02 --name late"));
    assert_eq!(output.status.code(), Some(1));
    assert!(last_end(&bench.sweep("late")).1.contains("ended after 1.2 s, the limit of a trial"));
}

#[test]
fn case_54_a_diverged_trial_tells_the_rate_that_was_in_force() {
    let bench = Bench::new();
    let output = bench.run(&format!("sweep {SHORT} lr=1e6 --name diverged"));
    assert_eq!(output.status.code(), Some(1));
    let reason =
        read_json(&runs(&bench.sweep("diverged"))[0].join("result.json")).unwrap()["reason"]
            .clone();
    let rate = reason
        .as_str()
        .unwrap()
        .split("learning rate there: ")
        .nth(1)
        .unwrap()
        .trim_end_matches(')');
    assert!(rate.parse::<f64>().unwrap() > 1e4, "{reason}");
}

#[test]
fn data_that_changed_under_one_path_are_no_seeds_of_one_arm() {
    let bench = Bench::new();
    let data = bench.sweep("pictures");
    let fill = |classes: &[&str], gray: u8| {
        for (split, class) in
            ["train", "val"].into_iter().flat_map(|s| classes.iter().map(move |c| (s, c)))
        {
            let folder = data.join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..8 {
                std::fs::write(folder.join(format!("{i}.png")), picture(gray + i)).unwrap();
            }
        }
    };
    let line = |seeds: &str| {
        let data = data.display();
        format!(
            "sweep data={data} data.size=32 batch=4 epochs=1 scale=2 --no-time --name changed seed={seeds}"
        )
    };
    fill(&["cat", "dog"], 10);
    assert!(bench.run(&line("0")).status.success());
    // A copy elsewhere, or files written anew with other times, are the same data.
    std::fs::remove_dir_all(&data).unwrap();
    fill(&["cat", "dog"], 10);
    assert!(bench.run(&line("0")).status.success());
    std::fs::remove_dir_all(&data).unwrap();
    fill(&["wolf", "fox", "bear"], 30);
    let output = bench.run(&line("0,1"));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("was trained on other data") && stderr(&output).contains("--name")
    );
    assert_eq!(runs(&bench.sweep("changed")).len(), 1, "nothing was written");
}

#[test]
fn weights_that_were_replaced_are_no_old_result() {
    let bench = Bench::new();
    let own = |seed: usize| {
        format!("sweep {} --name own{seed}", SHORT.replace("seed=0", &format!("seed={seed}")))
    };
    let path = bench.sweep("start.safetensors");
    let line = format!("sweep {SHORT} weights={} --name tuned", path.display());
    for (seed, code) in [(0, 0), (1, 2)] {
        assert!(bench.run(&own(seed)).status.success());
        let best =
            runs(&bench.sweep(&format!("own{seed}")))[0].join("checkpoints/best.safetensors");
        std::fs::copy(best, &path).unwrap();
        let output = bench.run(&line);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(
            code == 0 || stderr(&output).contains("was trained on other weights"),
            "{}",
            stderr(&output)
        );
    }
}

/// A gray PNG of 32 pixels a side.
fn picture(gray: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 32, 32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[gray; 32 * 32 * 3]).unwrap();
    bytes
}
