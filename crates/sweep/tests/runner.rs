//! The runner against faulty executors: a mock with a virtual clock, and real processes that
//! simulate trials.

use res2lab_experiment::Axis;
use res2lab_experiment::DatasetInfo;
use res2lab_store::{Code, Event, Plan, SweepDir, journal};
use res2lab_sweep::mock::Mock;
use res2lab_sweep::{End, Finish, Local, RetryPolicy, RunnerOptions, Slot, Snapshot, slots};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn plan(line: &str) -> Plan {
    let text = "name: t\nmodel: {stem: cifar, stem_stride: 2, depth: 11, planes: 8}\n";
    let experiment = res2lab_experiment::experiment::parse(text, "t.yaml").unwrap();
    let axes: Vec<Axis> = line.split_whitespace().map(|w| Axis::parse(w).unwrap()).collect();
    let facts = DatasetInfo {
        channels: 1,
        height: 28,
        width: 28,
        classes: 10,
        train_images: 4000,
        test_images: 100,
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

fn run(
    dir: &SweepDir,
    plan: &Plan,
    executor: &mut dyn res2lab_sweep::Executor,
    stop: &AtomicUsize,
) -> Finish {
    observed(dir, plan, executor, stop, &mut |_| {})
}

fn observed(
    dir: &SweepDir,
    plan: &Plan,
    executor: &mut dyn res2lab_sweep::Executor,
    stop: &AtomicUsize,
    observe: &mut dyn FnMut(&Snapshot),
) -> Finish {
    let options = RunnerOptions {
        stop,
        fail_fast: false,
        halve_on_oom: false,
        retry_policy: RetryPolicy::default(),
        trial_limit: Duration::ZERO,
        grace: Duration::from_secs(20),
        journal: dir.journal(),
    };
    res2lab_sweep::run(&res2lab_sweep::hold(dir).unwrap(), dir, plan, executor, &options, observe)
        .unwrap()
}

fn never() -> AtomicUsize {
    AtomicUsize::new(0)
}

fn ends(dir: &SweepDir) -> Vec<(String, String)> {
    let ended = journal::read(&dir.journal()).into_iter().filter_map(|e| match e {
        Event::Ended { outcome, reason, .. } => Some((outcome, reason)),
        _ => None,
    });
    ended.collect()
}

#[test]
fn a_thousand_trials_on_fifty_slots_each_end_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(dir.path());
    let plan = plan("scale=2,4 seed=0..499");
    // Every seventh trial is preempted twice, every eleventh fails.
    let script = |t: &res2lab_store::PlannedTrial, attempt: u32| {
        let end = match t.spec.seed {
            s if s % 7 == 0 && attempt < 3 => End::Preempted,
            s if s % 11 == 0 => End::Failed("out of luck".into()),
            _ => End::Done,
        };
        (10.0 + (t.spec.seed % 13) as f64, end)
    };
    let mut mock = Mock::new(50, Box::new(script));
    let started = Instant::now();
    let mut counts = Vec::new();
    let mut ids = std::collections::HashSet::new();
    let finish = observed(&dir, &plan, &mut mock, &never(), &mut |snapshot| {
        for ended in &snapshot.ended {
            if !matches!(ended.end, End::Preempted) && ids.insert(ended.trial.id.clone()) {
                counts.push(ended.over);
            }
        }
    });
    assert_eq!(counts, (1..=1000).collect::<Vec<_>>(), "each trial has a number of its own");
    assert_eq!(finish, Finish { done: 908, failed: 92, ..Finish::default() });
    assert!(mock.clashes.is_empty(), "{:?}", mock.clashes);
    assert_eq!(mock.starts.len(), 1000 + 2 * 2 * 72);
    println!("runner time per trial: {:?}", started.elapsed() / 1000);
}

#[test]
fn a_stop_leaves_the_rest_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(dir.path());
    let plan = plan("seed=0..9");
    let stop = std::sync::Arc::new(AtomicUsize::new(0));
    let signal = stop.clone();
    let script = move |t: &res2lab_store::PlannedTrial, _: u32| {
        if t.spec.seed == 4 {
            signal.store(1, Ordering::Relaxed);
        }
        (1.0, End::Done)
    };
    let finish = run(&dir, &plan, &mut Mock::new(2, Box::new(script)), &stop);
    assert!(finish.done >= 4 && finish.left >= 4 && finish.done + finish.left == 10, "{finish:?}");
    let last = journal::read(&dir.journal()).pop().unwrap();
    assert!(matches!(last, Event::Stopped { why, .. } if why == "interrupted"));
}

/// A program that simulates a trial. It holds the run's lock, records its start and end, and
/// follows the line for its seed in the file `script` of the sweep's folder.
const PLAYER: &str = r#"#!/bin/sh
set -u
run="$2/runs/$3"
exec 9>>"$run/lock"
flock -n 9 || exit 75
printf %s $$ > "$run/lock"
mkdir -p "$run/attempt-$(ls -d "$run"/attempt-* 2>/dev/null | wc -l)"
seed=$(sed -n 's/^seed: //p' "$run/spec.yaml")
echo "begin $3" >> "$2/events"
done_() {
  echo '{"status":"done","metrics":{},"steps":1,"step_ms":1,"images_per_s":1,"wall_s":1,"peak_memory_mib":1,"device":"cpu","threads":1,"layout":"x","code":{"version":"","commit":""},"attempts":1,"finished_s":1}' > "$run/result.tmp"
  mv "$run/result.tmp" "$run/result.json"
}
. "$2/script"
echo "end $3" >> "$2/events"
"#;

struct Stage {
    _dir: tempfile::TempDir,
    sweep: SweepDir,
    player: std::path::PathBuf,
}

impl Stage {
    fn new(script: &str) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let player = dir.path().join("player");
        std::fs::write(&player, PLAYER).unwrap();
        std::fs::set_permissions(&player, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sweep = SweepDir::new(dir.path().join("sweep"));
        std::fs::create_dir(sweep.path()).unwrap();
        let stage = Stage { _dir: dir, sweep, player };
        stage.script(script);
        stage
    }

    fn script(&self, script: &str) {
        std::fs::write(self.sweep.path().join("script"), script).unwrap();
    }

    fn local(&self, slots: usize) -> Local {
        let slot = |i| Slot {
            name: format!("slot {i}"),
            gpus: vec![],
            cores: vec![],
            threads: 1,
            sharing: 1,
        };
        Local::new(self.player.clone(), self.sweep.clone(), vec![], (0..slots).map(slot).collect())
    }

    fn events(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.sweep.path().join("events")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn outcomes_follow_from_results_exit_statuses_and_signals() {
    let stage = Stage::new(
        "case $seed in
           0) done_;;
           1) echo 'error: the disk is gone' >&2; echo 'help: find it' >&2; exit 1;;
           2) echo 'error: out of memory: 3 GB' >&2; exit 4;;
           3) kill -9 $$;;
           4) kill -SEGV $$;;
           5) [ -e $run/once ] && done_ || { touch $run/once; exit 75; };;
         esac",
    );
    let finish = run(&stage.sweep, &plan("seed=0..5"), &mut stage.local(2), &never());
    assert_eq!(finish, Finish { done: 2, failed: 4, ..Finish::default() });
    let reasons: Vec<String> =
        ends(&stage.sweep).into_iter().filter(|e| e.0 == "failed").map(|e| e.1).collect();
    for wanted in [
        "the disk is gone (exit status 1)",
        "(out of memory)",
        "killed by signal 9 (SIGKILL)",
        "signal 11 (SIGSEGV)",
    ] {
        assert!(reasons.iter().any(|r| r.contains(wanted)), "{wanted}: {reasons:?}");
    }
    // The same command retries the failed trials and nothing else.
    stage.script("done_");
    let again = run(&stage.sweep, &plan("seed=0..5"), &mut stage.local(2), &never());
    assert_eq!(again.done, 6);
    let begins = stage.events().iter().filter(|e| e.starts_with("begin")).count();
    assert_eq!(begins, 6 + 1 + 4);
}

#[test]
fn asked_to_stop_trials_checkpoint_and_stubborn_ones_are_ended() {
    let stage = Stage::new(
        "if [ $seed = 0 ]; then trap 'exit 75' TERM; else trap '' TERM; fi
         touch $2/ready-$seed; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done",
    );
    let stop = AtomicUsize::new(0);
    let plan = plan("seed=0..1");
    let options = RunnerOptions {
        stop: &stop,
        fail_fast: false,
        halve_on_oom: true,
        retry_policy: RetryPolicy::default(),
        trial_limit: Duration::ZERO,
        grace: Duration::from_secs(1),
        journal: stage.sweep.journal(),
    };
    let ready = [0, 1].map(|s| stage.sweep.path().join(format!("ready-{s}")));
    let mut observe = |_: &Snapshot| {
        if ready.iter().all(|r| r.exists()) {
            stop.store(1, Ordering::Relaxed);
        }
    };
    let finish = res2lab_sweep::run(
        &res2lab_sweep::hold(&stage.sweep).unwrap(),
        &stage.sweep,
        &plan,
        &mut stage.local(2),
        &options,
        &mut observe,
    )
    .unwrap();
    // A trial that was killed on the user's request has not failed.
    assert_eq!((finish.left, finish.failed), (2, 0));
    let ends = ends(&stage.sweep);
    assert!(
        ends.iter().any(|e| e.0 == "preempted") && ends.iter().any(|e| e.0 == "interrupted"),
        "{ends:?}"
    );
}

#[test]
fn a_trial_left_behind_by_a_dead_runner_is_waited_for_and_not_doubled() {
    let stage = Stage::new("touch $2/ready; while [ ! -e $2/go ]; do sleep 0.05; done; done_");
    let plan = plan("seed=0..1");
    let first = &plan.trials[0];
    // The state that a dead runner leaves: the folder, and a process that outlives the runner.
    let run_dir = stage.sweep.run(&first.id);
    run_dir.create(&first.spec).unwrap();
    let mut left = std::process::Command::new(&stage.player)
        .arg("trial")
        .arg(stage.sweep.path())
        .arg(&first.id)
        .spawn()
        .unwrap();
    wait_for(&stage.sweep.path().join("ready"));
    let options = RunnerOptions {
        stop: &never(),
        fail_fast: false,
        halve_on_oom: true,
        retry_policy: RetryPolicy::default(),
        trial_limit: Duration::ZERO,
        grace: Duration::from_secs(1),
        journal: stage.sweep.journal(),
    };
    let mut observe = |s: &Snapshot| {
        // With one slot, the other trial must wait until the adopted trial has ended.
        assert!(s.running.len() <= 1);
        std::fs::write(stage.sweep.path().join("go"), "").unwrap();
    };
    let finish = res2lab_sweep::run(
        &res2lab_sweep::hold(&stage.sweep).unwrap(),
        &stage.sweep,
        &plan,
        &mut stage.local(1),
        &options,
        &mut observe,
    )
    .unwrap();
    left.wait().unwrap();
    assert_eq!(finish.done, 2);
    let begins: Vec<_> = stage.events().into_iter().filter(|e| e.starts_with("begin")).collect();
    assert_eq!(begins.len(), 2, "{begins:?}");
    assert!(
        journal::read(&stage.sweep.journal())
            .iter()
            .any(|e| matches!(e, Event::Adopted { id, .. } if *id == first.id))
    );
}

#[test]
fn a_second_runner_is_refused_by_name_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(dir.path());
    let res2lab_store::lock::Attempt::Held(_held) =
        res2lab_store::lock::try_lock(&dir.lock()).unwrap()
    else {
        panic!("it is free")
    };
    let Err(e) = res2lab_sweep::hold(&dir) else { panic!("it is held") };
    assert!(e.cause.contains(&format!("process {}", std::process::id())), "{e:?}");
}

#[test]
fn a_program_that_cannot_be_started_is_a_failure_of_each_trial() {
    let dir = tempfile::tempdir().unwrap();
    let sweep_dir = SweepDir::new(dir.path());
    let demand =
        res2lab_sweep::Demand { trials: 2, devices: 1, slots: None, threads: None, per_device: 1 };
    let slots = slots::cpu_slots(&slots::available_cores(), demand);
    let mut executor = Local::new("/nowhere/res2lab".into(), sweep_dir.clone(), vec![], slots);
    let finish = run(&sweep_dir, &plan("seed=0..1"), &mut executor, &never());
    assert_eq!(finish.failed, 2);
    assert!(ends(&sweep_dir)[0].1.contains("/nowhere/res2lab"));
}

#[test]
fn retries_wait_and_repair_a_hang_is_ended_and_refusals_are_not_tried_again() {
    let script = r#"
attempt=$(ls -d "$run"/attempt-* | wc -l)
case $seed in
  0) [ "$attempt" -ge 2 ] && done_ || kill -SEGV $$ ;;
  1) exit 2 ;;
  2) sleep 60 ;;
  *) done_ ;;
esac
"#;
    let stage = Stage::new(script);
    let plan = plan("seed=0..3");
    let slots =
        vec![Slot { name: "a".into(), gpus: vec![], cores: vec![], threads: 1, sharing: 1 }; 2];
    let mut executor = Local::new(stage.player.clone(), stage.sweep.clone(), vec![], slots);
    let retry_policy = RetryPolicy { retries: 1, back_off_s: 0.3 };
    let stop = never();
    let trial_limit = Duration::from_millis(700);
    let options = RunnerOptions {
        stop: &stop,
        fail_fast: false,
        halve_on_oom: true,
        retry_policy,
        trial_limit,
        grace: Duration::from_secs(1),
        journal: stage.sweep.journal(),
    };
    let held = res2lab_sweep::hold(&stage.sweep).unwrap();
    let finish =
        res2lab_sweep::run(&held, &stage.sweep, &plan, &mut executor, &options, &mut |_| {})
            .unwrap();
    assert_eq!(finish, Finish { done: 2, failed: 2, ..Finish::default() });
    let starts = |seed: usize| {
        let id = &plan.trials[seed].id;
        let started = |e: &Event| matches!(e, Event::Started { id: other, .. } if other == id);
        journal::read(&stage.sweep.journal()).iter().filter(|e| started(e)).count()
    };
    // A crash and a hang are retried, a refused spec is not.
    assert_eq!([0, 1, 2, 3].map(starts), [2, 1, 2, 1]);
    let reasons: Vec<String> = ends(&stage.sweep).into_iter().map(|(_, reason)| reason).collect();
    assert!(reasons.iter().any(|r| r.contains("SIGSEGV")), "{reasons:?}");
    assert!(reasons.iter().any(|r| r.contains("the limit of a trial")), "{reasons:?}");
}

#[test]
fn a_trial_that_runs_out_of_memory_goes_on_with_half_as_far_as_its_batch_can_be_halved() {
    let script = r#"
case $seed in
  0) grep -q 'factor.*4' "$run/halved.json" 2>/dev/null && done_ || exit 4 ;;
  1) exit 4 ;;
esac
"#;
    let stage = Stage::new(script);
    let plan = plan("seed=0,1 batch=8");
    let slots =
        vec![Slot { name: "a".into(), gpus: vec![], cores: vec![], threads: 1, sharing: 1 }];
    let mut executor = Local::new(stage.player.clone(), stage.sweep.clone(), vec![], slots);
    let stop = never();
    let options = RunnerOptions {
        stop: &stop,
        fail_fast: false,
        retry_policy: RetryPolicy::default(),
        halve_on_oom: true,
        trial_limit: Duration::ZERO,
        grace: Duration::from_secs(1),
        journal: stage.sweep.journal(),
    };
    let held = res2lab_sweep::hold(&stage.sweep).unwrap();
    let finish =
        res2lab_sweep::run(&held, &stage.sweep, &plan, &mut executor, &options, &mut |_| {})
            .unwrap();
    assert_eq!(finish, Finish { done: 1, failed: 1, ..Finish::default() });
    let halved = |seed: usize| {
        std::fs::read_to_string(stage.sweep.run(&plan.trials[seed].id).halved()).unwrap()
    };
    // A batch of eight can be halved three times.
    assert!(halved(1).replace(' ', "").contains("\"factor\":8"), "{}", halved(1));
    assert!(ends(&stage.sweep).iter().filter(|(outcome, _)| outcome == "failed").count() >= 5);
}
