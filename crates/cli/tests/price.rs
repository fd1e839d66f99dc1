//! Prices of plans: timed once, kept, and used by the sweep that follows.

mod common;

use common::{Bench, stderr};
use serde_json::Value;

const LINE: &str = "stem_stride=1 depth=11 planes=8 width=16 scale=1,2 seed=0,1 epochs=2 batch=8 data=generated \
                    data.images=48 data.classes=3 data.size=16 --slots 2 --threads 1";

fn prices(plan: &Value) -> Vec<Option<f64>> {
    plan["trials"].as_array().unwrap().iter().map(|t| t["price"]["wall_s"].as_f64()).collect()
}

#[test]
fn a_plan_times_each_network_once_and_the_sweep_shows_the_price() {
    let bench = Bench::new();
    let data = bench.sweep("data");
    let line =
        |command: &str, more: &str| format!("{command} {LINE} --data {} {more}", data.display());
    assert_eq!(prices(&bench.json(&line("plan", "--json --no-time"))), [None; 4]);

    let plan = bench.json(&line("plan", "--json"));
    let found: Vec<f64> = prices(&plan).into_iter().flatten().collect();
    assert_eq!(found.len(), 4);
    // Seeds of an arm have one network, and so one price.
    assert_eq!((found[0], found[1]), (found[2], found[3]));
    let timing = &plan["trials"][0]["price"]["timing"];
    for field in ["step_s", "evaluation_s", "save_s", "startup_s", "memory_mib"] {
        assert!(timing[field].as_f64().is_some_and(|x| x > 0.0), "{field}: {timing}");
    }
    // What was timed is kept: the figures are the same to the last digit, also without leave to
    // time.
    assert_eq!(prices(&bench.json(&line("plan", "--json --no-time"))), prices(&plan));
    let shown = bench.run(&line("plan", ""));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("predicted: "));

    let output = bench.run(&line("sweep", "--name priced"));
    assert!(output.status.success(), "{}", stderr(&output));
    let table = std::fs::read_to_string(bench.sweep("priced").join("trials.csv")).unwrap();
    let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    assert!(header.contains(&"predicted_wall_s"), "{header:?}");
    let plan = common::read_json(&bench.sweep("priced").join("plan.json")).unwrap();
    assert_eq!(prices(&plan).into_iter().flatten().count(), 4);
}
