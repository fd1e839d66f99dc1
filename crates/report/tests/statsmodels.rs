//! Every finding of 200 random sweeps agrees with statsmodels and SciPy in estimates, intervals,
//! p-values and verdicts.
//!
//! The sweeps and the expected results come from `crates/bench/checks/statistics.py --fixture`
//! (statsmodels 0.15.0, SciPy 1.17.1). Without `--fixture`, the script runs the program on such
//! sweeps and compares the written tables.

mod fixture;

use fixture::sweep;
use res2lab_store::SweepRows;
use serde_json::Value;

const SWEEPS: &str = include_str!("golden/statsmodels.jsonl");

fn rows(made: &Value) -> SweepRows {
    let texts = |v: &Value| {
        v.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let axes: Vec<(String, Vec<String>)> = made["axes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(axis, values)| (axis.clone(), texts(values)))
        .collect();
    let borrowed: Vec<(&str, Vec<&str>)> = axes
        .iter()
        .map(|(axis, values)| (axis.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    let borrowed: Vec<(&str, &[&str])> =
        borrowed.iter().map(|(axis, values)| (*axis, &values[..])).collect();
    let mut rows =
        sweep("random", &borrowed, &(0..made["seeds"].as_u64().unwrap()).collect::<Vec<_>>());
    for (trial, value) in rows.trials.iter_mut().zip(made["values"].as_array().unwrap()) {
        let metrics = &mut trial.result.as_mut().unwrap().metrics;
        metrics.clear();
        metrics.extend(value.as_f64().map(|v| ("val/acc1".to_owned(), v)));
    }
    if let Some(pairs) = made["pairs"].as_array() {
        let label = |v: &Value| format!("zoo={}", v.as_str().unwrap());
        rows.plan.contrasts.pairs =
            pairs.iter().map(|pair| (label(&pair[0]), label(&pair[1]))).collect();
    }
    rows
}

#[test]
fn findings_are_those_of_statsmodels() {
    let mut compared = 0;
    for line in SWEEPS.lines() {
        let made: Value = serde_json::from_str(line).unwrap();
        let summary = serde_json::to_value(res2lab_report::summarize(&rows(&made))).unwrap();
        let ours: Vec<&Value> = summary["family"]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| !f["p"].is_null())
            .collect();
        let expected = made["expected"].as_array().unwrap();
        assert_eq!(ours.len(), expected.len(), "{line}");
        for theirs in expected {
            let is_it = |f: &&&Value| f["kind"] == theirs["kind"] && f["of"] == theirs["of"];
            let found = ours.iter().find(is_it).unwrap_or_else(|| panic!("{theirs} of {line}"));
            for (field, value) in theirs.as_object().unwrap() {
                match value.as_f64() {
                    Some(value) => {
                        let ours = found[field].as_f64().unwrap_or(f64::NAN);
                        assert!(
                            (ours - value).abs() <= 1e-9 * value.abs().max(1.0),
                            "{field}: {ours} {value} of {line}"
                        );
                    }
                    None => assert_eq!(&found[field], value, "{field} of {line}"),
                }
                compared += 1;
            }
        }
    }
    println!("{compared} fields of {} sweeps compared", SWEEPS.lines().count());
    assert_eq!(SWEEPS.lines().count(), 200);
}
