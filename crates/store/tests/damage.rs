//! Flips bits in every file of a sweep's folder that is read back. Reading must never panic, and
//! every difference in the result must be reported. `RES2LAB_CASES` sets the number of cases
//! (default 300).

use proptest::test_runner::{Config, TestRunner};
use res2lab_experiment::{DataSpec, InitSpec, TrainSpec, TrialSpec};
use res2lab_store::effective::{self, Effective};
use res2lab_store::history::{self, Found, FoundArm};
use res2lab_store::{
    Code, Environment, Event, Journal, Metrics, Plan, PlannedTrial, Point, SweepDir, TrialResult,
    atomic, rows,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn planned(id: &str, seed: u64) -> PlannedTrial {
    let model = res2lab_arch::ModelOverrides::default().resolve().unwrap().0;
    let init = InitSpec::default();
    let data = DataSpec::default();
    let train = TrainSpec::default();
    let mut fields = json!(TrialSpec { model, init, data, train, seed });
    let more = json!({
        "id": id, "arm": "arm", "label": "scale=4", "coordinates": [["scale", "4"]], "image_channels": 1,
        "image_px": 28, "classes": 10, "parameters": 31_624, "macs": 2_000_000, "activations": 3,
        "rf_min_px": 4, "rf_max_px": 19, "train_images": 4000, "test_images": 1000,
    });
    let more = more.as_object().unwrap().clone();
    fields.as_object_mut().unwrap().extend(more);
    serde_json::from_value(fields).unwrap()
}

/// A finished sweep of two trials, and its files that are read back.
fn sweep(dir: &SweepDir) -> Vec<PathBuf> {
    let trials = vec![planned("a", 0), planned("b", 1)];
    Plan { name: "t".into(), trials: trials.clone(), ..Plan::default() }.write(dir).unwrap();
    let mut journal = Journal::open(&dir.journal()).unwrap();
    let mut files = vec![dir.plan(), dir.journal(), dir.history(), dir.effective()];
    for (trial, accuracy) in trials.iter().zip([97.5, 96.5]) {
        files.extend(finished(dir, trial, accuracy));
        let outcome = "done".into();
        let reason = String::new();
        let ended =
            Event::Ended { at_s: 1.0, id: trial.id.clone(), outcome, reason, is_refused: false };
        journal.append(&ended).unwrap();
    }
    let arm = FoundArm {
        arm: "arm".into(),
        label: "scale=4".into(),
        values: [(0, 97.5), (1, 96.5)].into(),
    };
    let command = "just sweep".into();
    let code = Code::default();
    let found = Found { at_s: 3.0, command, code, metric: "val/acc1".into(), arms: vec![arm] };
    history::append(dir, &found).unwrap();
    let measured: Effective = serde_json::from_value(json!({
        "at_s": 5.0, "images": 64, "sign": "absolute", "noise": false, "float64": false, "relu": true,
        "arms": [], "trials": [],
    }))
    .unwrap();
    effective::write(dir, &measured).unwrap();
    files
}

fn finished(dir: &SweepDir, trial: &PlannedTrial, accuracy: f64) -> [PathBuf; 4] {
    let run = dir.run(&trial.id);
    run.create(&trial.spec).unwrap();
    run.begin_attempt().unwrap();
    atomic::write_json(&run.env(1), &Environment { host: "here".into(), ..Environment::default() })
        .unwrap();
    let mut metrics = Metrics::open(&run.metrics(), 0).unwrap();
    for step in 1..=12 {
        let loss = 2.0 / f64::from(step as u32);
        let values =
            BTreeMap::from([("train/loss".to_owned(), loss), ("val/acc1".to_owned(), 97.25)]);
        metrics.append(&Point { step, epoch: 0.5, values: values.into() }).unwrap();
    }
    metrics.sync().unwrap();
    let metrics = BTreeMap::from([("val/acc1".to_owned(), accuracy)]);
    atomic::write_json(
        &run.result(),
        &TrialResult { metrics, wall_s: 9.5, ..TrialResult::default() },
    )
    .unwrap();
    [run.spec(), run.result(), run.metrics(), run.env(1)]
}

/// Everything that is read of the sweep as text, with the number of reported damages; an error if a
/// file is rejected.
fn everything(dir: &SweepDir) -> Result<(String, usize), String> {
    let mut rows = rows::read(dir, true).map_err(|e| e.cause)?;
    let told = std::mem::take(&mut rows.damaged).len();
    let [first, second] = ["a", "b"].map(|id| dir.run(id).read_spec().map_err(|e| e.cause));
    Ok((format!("{rows:?} {:?} {:?}", first?, second?), told))
}

fn flipped(file: &Path, at: usize, bit: u8, count: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    let length = bytes.len();
    for i in 0..count {
        bytes[(at + 7 * i) % length] ^= 1 << bit;
    }
    bytes
}

#[test]
fn no_flipped_byte_makes_a_difference_that_nobody_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(folder.path());
    let files = sweep(&dir);
    let (whole, told) = everything(&dir).unwrap();
    assert_eq!(told, 0);
    let cases = std::env::var("RES2LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let input = (0..files.len(), 0..100_000_usize, 0..8_u8, 1..5_usize);
    runner
        .run(&input, |(file, at, bit, count)| {
            let file = &files[file];
            let before = std::fs::read(file).unwrap();
            std::fs::write(file, flipped(file, at, bit, count)).unwrap();
            let found = everything(&dir);
            std::fs::write(file, before).unwrap();
            let is_told = found.as_ref().map_or(true, |(text, told)| *told > 0 || *text == whole);
            assert!(is_told, "{}: byte {at}, bit {bit}, {count} times", file.display());
            Ok(())
        })
        .unwrap();
}

#[test]
fn one_damaged_result_hides_no_other_trial() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SweepDir::new(folder.path());
    sweep(&dir);
    std::fs::write(dir.run("a").result(), "").unwrap();
    let rows = rows::read(&dir, false).unwrap();
    assert_eq!(rows.trials[0].status, res2lab_store::Status::Failed);
    assert!(rows.trials[0].reason.contains("result.json is damaged"), "{}", rows.trials[0].reason);
    assert_eq!(rows.trials[1].metric("val/acc1"), Some(96.5));
    assert_eq!(rows.damaged.len(), 1);
}
