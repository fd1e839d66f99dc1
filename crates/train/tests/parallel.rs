//! Trials of several processes. The tests use threads of one process instead, which libtorch's
//! process groups do not distinguish from processes.

mod common;

use common::{folder, options, short, trial};
use res2lab_experiment::{Precision, TrainSpec};
use res2lab_libtorch::Member;
use res2lab_store::{PlannedTrial, RunDir};
use res2lab_train::{Ended, TrialOptions};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Runs all processes of a trial. `stop_at` is the rank of the process that receives a request to
/// stop, and the step after which it does.
fn run_together(trial: &PlannedTrial, run: &RunDir, stop_at: Option<(usize, usize)>) -> Vec<Ended> {
    run.create(&trial.spec).unwrap();
    let world = trial.spec.train.devices_per_trial;
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let one = |rank: usize| {
        let stop = Arc::new(AtomicBool::new(false));
        let member = Member { rank, world, host: "127.0.0.1".into(), port };
        let options = TrialOptions { member: (world > 1).then_some(member), ..options(&stop) };
        let mut on_progress = |p: &res2lab_store::Progress| {
            if stop_at == Some((rank, p.step)) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        res2lab_train::run(trial, run, &options, &mut on_progress).unwrap()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..world).map(|rank| scope.spawn(move || one(rank))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn values(run: &RunDir, name: &str) -> BTreeMap<u64, f64> {
    let points = res2lab_store::metrics::read(&run.metrics()).unwrap();
    points.into_iter().filter_map(|p| Some((p.step, p.values.get(name)?))).collect()
}

fn recipe(devices: usize, sync_bn: bool) -> TrainSpec {
    let optimizer: res2lab_experiment::Optimizer = serde_json::from_value(
        serde_json::json!({"sgd": {"lr": 0.01, "momentum": 0.9, "nesterov": true}}),
    )
    .unwrap();
    TrainSpec {
        epochs: 1,
        batch_size: 200,
        log_every: 1,
        optimizer,
        precision: Precision::F64,
        devices_per_trial: devices,
        sync_bn,
        ..TrainSpec::default()
    }
}

#[test]
fn two_processes_with_synchronized_batch_norm_are_one_with_the_whole_batch() {
    let (_a, one) = folder();
    assert_eq!(run_together(&trial(recipe(1, false)), &one, None), [Ended::Done]);
    let (_b, two) = folder();
    assert_eq!(run_together(&trial(recipe(2, true)), &two, None), [Ended::Done, Ended::Done]);
    for name in ["train/loss", "val/loss", "val/acc1", "train/acc1"] {
        let one = values(&one, name);
        let two = values(&two, name);
        assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>(), "{name}");
        let worst = one.iter().map(|(step, a)| (a - two[step]).abs()).fold(0.0, f64::max);
        println!("{name}: {} values, largest difference {worst:.1e}", one.len());
        assert!(worst < 1e-8, "{name}: {worst}");
    }
    assert_eq!(values(&one, "train/loss").len(), 20);
    // Without synchronization, each half of a batch has its own statistics, so the losses differ.
    let (_c, apart) = folder();
    run_together(&trial(recipe(2, false)), &apart, None);
    let one = values(&one, "train/loss");
    let apart = values(&apart, "train/loss");
    assert!((one[&20] - apart[&20]).abs() > 1e-5);
}

/// Drop path, dropout, random erasing and repeated images are drawn by the position of an image in
/// the batch of all processes. The means of squares of AdamW are those of all processes.
#[test]
fn random_factors_do_not_depend_on_the_number_of_processes() {
    let with = |devices, sync_bn| {
        let optimizer = serde_json::json!({"adamw": {"lr": 1e-3, "weight_decay": 0.05}});
        let train = TrainSpec {
            optimizer: serde_json::from_value(optimizer).unwrap(),
            drop_path: 0.3,
            dropout: 0.2,
            clip_agc: 0.2,
            ..recipe(devices, sync_bn)
        };
        let mut trial = trial(train);
        trial.spec.data.augment.erase = 0.5;
        trial.spec.data.augment.repeats = 2;
        trial
    };
    let (_a, one) = folder();
    assert_eq!(run_together(&with(1, false), &one, None), [Ended::Done]);
    let (_b, two) = folder();
    assert_eq!(run_together(&with(2, true), &two, None), [Ended::Done, Ended::Done]);
    let [one, two] = [&one, &two].map(|run| values(run, "train/loss"));
    let worst = one.iter().map(|(step, a)| (a - two[step]).abs()).fold(0.0, f64::max);
    println!("train/loss: {} values, largest difference {worst:.1e}", one.len());
    assert!(one.len() == 20 && worst < 1e-5, "{worst}");
}

#[test]
fn the_first_bucket_is_summed_before_the_backward_pass_ends() {
    let mut wide = trial(recipe(2, false));
    wide.spec.model.planes = 32;
    wide.spec.data.images = Some(1600);
    wide.spec.data.name = "generated".into();
    let (_dir, run) = folder();
    run_together(&wide, &run, None);
    let text = std::fs::read_to_string(run.trace(1)).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let end = |i: usize| events[i]["ts"].as_f64().unwrap() + events[i]["dur"].as_f64().unwrap();
    assert!(events.len() > 3 && events[1]["name"] == "bucket 0", "{text}");
    assert!(
        end(1) < end(0),
        "bucket 0 ended after {} us, the backward pass after {} us",
        end(1),
        end(0)
    );
    assert!(std::fs::read_to_string(run.log(1)).unwrap().contains("gradients summed in"));
}

#[test]
fn a_signal_to_any_process_stops_all_and_they_resume_to_the_bit() {
    let recipe =
        TrainSpec { devices_per_trial: 2, log_every: 3, ema: 0.9, accumulate: 2, ..short() };
    let trial = trial(recipe);
    let (_a, whole) = folder();
    assert_eq!(run_together(&trial, &whole, None), [Ended::Done, Ended::Done]);
    let (_b, pieces) = folder();
    // Only the first process reports its progress, so the request to stop is made there.
    for stop_at in [3, 9] {
        assert_eq!(
            run_together(&trial, &pieces, Some((0, stop_at))),
            [Ended::Preempted, Ended::Preempted]
        );
    }
    assert_eq!(run_together(&trial, &pieces, None), [Ended::Done, Ended::Done]);
    let bytes = |run: &RunDir| {
        [run.last_checkpoint(), run.best_weights(), run.metrics()]
            .map(|p| std::fs::read(p).unwrap())
    };
    assert!(bytes(&whole) == bytes(&pieces), "weights, momentum, best weights or metrics differ");
    assert_eq!(pieces.last_attempt(), 3, "one attempt each, whatever the number of processes");
}

#[test]
fn a_process_whose_other_one_never_comes_does_not_wait_for_ever() {
    let member = Member { rank: 1, world: 2, host: "127.0.0.1".into(), port: 9 };
    let joined = res2lab_libtorch::Group::join(&member, tch::Device::Cpu, Duration::from_secs(2));
    assert!(joined.is_err());
}
