//! Ten thousand trials on a thousand slots of the mock executor, with random failures, preemptions
//! and crashes of the runner. Every trial ends once, no result is lost, and no slot runs two
//! trials. The runner's own time and memory are bounded.

use proptest::prelude::*;
use res2lab_experiment::DatasetInfo;
use res2lab_store::{Code, Event, Outcome, Plan, SweepDir, TrialResult, atomic, journal};
use res2lab_sweep::mock::Mock;
use res2lab_sweep::{End, RetryPolicy, RunnerOptions};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

fn plan(seeds: usize) -> Plan {
    let text = "name: t\nmodel: {stem: cifar, stem_stride: 2, depth: 11, planes: 8}\n";
    let experiment = res2lab_experiment::experiment::parse(text, "t.yaml").unwrap();
    let axes = [format!("scale=2,4 seed=0..{}", seeds - 1)];
    let axes: Vec<_> =
        axes[0].split(' ').map(|w| res2lab_experiment::Axis::parse(w).unwrap()).collect();
    let facts = DatasetInfo {
        channels: 1,
        height: 28,
        width: 28,
        classes: 10,
        train_images: 4000,
        test_images: 1000,
        identity: 0,
    };
    let world = res2lab_sweep::World {
        describe: &|_| Ok(facts),
        step_us: &res2lab_sweep::plan::no_clock,
        frozen: &[],
    };
    res2lab_sweep::plan(
        &res2lab_experiment::expand(&experiment, &axes).unwrap(),
        "sweep",
        Code::default(),
        None,
        &world,
    )
    .unwrap()
}

fn result() -> TrialResult {
    TrialResult {
        status: Outcome::Done,
        reason: String::new(),
        metrics: Default::default(),
        steps: 1,
        step_ms: Some(1.0),
        images_per_s: Some(1.0),
        wall_s: 1.0,
        peak_memory_mib: 1.0,
        gpu_memory_mib: None,
        device: "cpu".into(),
        threads: 1,
        layout: "contiguous".into(),
        engine: "planned".into(),
        vectors: String::new(),
        data_id: String::new(),
        weights_id: String::new(),
        code: Code::default(),
        attempts: 1,
        changed: String::new(),
        finished_s: 1.0,
    }
}

/// Deterministic pseudo-random bits for each (trial, attempt).
fn fate(seed: u64, attempt: u32) -> u64 {
    random(seed.wrapping_mul(31).wrapping_add(u64::from(attempt)))
}

fn random(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(0x9E37_79B9_7F4A_7C15);
    (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 20
}

/// Runs until the end, or until the runner crashes while processing end number `crash_after`.
/// Trials that were running then are lost without a result, as after a power failure.
fn run(
    dir: &SweepDir,
    plan: &Plan,
    slots: usize,
    crash_after: Option<usize>,
) -> (Option<res2lab_sweep::Finish>, Mock) {
    let script = |trial: &res2lab_store::PlannedTrial, attempt: u32| {
        let end = match fate(trial.spec.seed, attempt) % 20 {
            0 => End::Preempted,
            1 => End::Failed("bad luck".into()),
            _ => End::Done,
        };
        (1.0 + (fate(trial.spec.seed, attempt) % 97) as f64, end)
    };
    let mut mock = Mock::new(slots, Box::new(script));
    let runs = dir.clone();
    let mut ends = 0;
    mock.on_end = Box::new(move |id, end| {
        ends += 1;
        // Every other crash happens before the trial has written its result.
        assert!(crash_after != Some(ends) || ends % 2 == 1, "crash");
        if *end == End::Done {
            atomic::create_dir(runs.run(id).path()).unwrap();
            // Not flushed: ten thousand flushes would take minutes, and this test does not simulate
            // lost writes.
            std::fs::write(runs.run(id).result(), serde_json::to_vec(&result()).unwrap()).unwrap();
        }
        assert!(crash_after != Some(ends), "crash");
    });
    let stop = AtomicUsize::new(0);
    let retry_policy = RetryPolicy { retries: 3, back_off_s: 1.0 };
    let options = RunnerOptions {
        stop: &stop,
        fail_fast: false,
        halve_on_oom: true,
        retry_policy,
        trial_limit: Duration::ZERO,
        grace: Duration::ZERO,
        journal: dir.journal(),
    };
    let held = res2lab_sweep::hold(dir).unwrap();
    let finish = catch_unwind(AssertUnwindSafe(|| {
        res2lab_sweep::run(&held, dir, plan, &mut mock, &options, &mut |_| {}).unwrap()
    }));
    (finish.ok(), mock)
}

fn done_events(dir: &SweepDir) -> HashMap<String, usize> {
    let mut done = HashMap::new();
    for event in journal::read(&dir.journal()) {
        if let Event::Ended { id, outcome, .. } = event
            && outcome == "done"
        {
            *done.entry(id).or_insert(0) += 1;
        }
    }
    done
}

#[test]
fn ten_thousand_trials_cost_the_runner_little() {
    let dir = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(dir.path());
    let plan = plan(5000).write(&dir).unwrap();
    assert_eq!(plan.trials.len(), 10_000);
    let started = Instant::now();
    let (finish, mock) = run(&dir, &plan, 1000, None);
    let elapsed = started.elapsed();
    let finish = finish.unwrap();
    assert_eq!(finish.done + finish.failed, 10_000, "{finish:?}");
    assert!(finish.failed < 50 && mock.clashes.is_empty(), "{finish:?} {:?}", mock.clashes);
    // On the second run, finished trials are found on disk and failed trials are retried.
    let plan = Plan::read(&dir).unwrap();
    let resumed = Instant::now();
    let (again, mock) = run(&dir, &plan, 1000, None);
    assert!(again.unwrap().done >= finish.done && mock.starts.len() < 500);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory =
        status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    println!(
        "runner time per trial {:?}; resume {:?}; {memory}",
        elapsed / 10_000,
        resumed.elapsed()
    );
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(kib < 200 * 1024, "{memory}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nothing_is_lost_or_done_twice_whenever_the_runner_crashes(
        seeds in 1..60_usize, slots in 1..20_usize, crashes in prop::collection::vec(1..80_usize, 0..5)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(dir.path());
        let plan = plan(seeds).write(&dir).unwrap();
        for crash_after in crashes.into_iter().map(Some).chain([None]) {
            let (finish, mock) = run(&dir, &plan, slots, crash_after);
            prop_assert!(mock.clashes.is_empty(), "{:?}", mock.clashes);
            if let Some(finish) = finish {
                prop_assert_eq!(finish.done + finish.failed, plan.trials.len());
                prop_assert_eq!(finish.left, 0);
            }
        }
        let done = done_events(&dir);
        prop_assert!(done.values().all(|&n| n == 1), "a trial was done twice");
        for trial in &plan.trials {
            let has_result = dir.run(&trial.id).result().exists();
            // A crash between a trial's end and its journal entry loses the entry, never the
            // result.
            prop_assert!(has_result || !done.contains_key(&trial.id));
        }
    }
}
