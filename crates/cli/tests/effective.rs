//! `rf NAME --measure`: every finished trial, weights kept on the way, and the ways to measure.

mod common;

use common::{Bench, stderr};
use serde_json::Value;

const SMALL: &str = "epochs=5 batch=125 data=generated data.size=12 data.images=500 --json";

fn page(bench: &Bench) -> String {
    std::fs::read_to_string(bench.sweep("grown").join("index.html")).unwrap()
}

#[test]
fn a_sweep_is_measured_in_depth_in_breadth_and_over_training() {
    let bench = Bench::new();
    bench.json(&format!("sweep scale=2,4 seed=0,1 --name grown {SMALL}"));
    let found = bench.json("rf grown --measure --images 20 --json");
    widths(&found);
    growth(&bench, &found);
    let text = page(&bench);
    assert!(
        text.contains("Growth of the effective field over training")
            && text.contains("over 4 trials, 95 % interval")
    );
    assert!(text.contains("over 20 test images, absolute values;"));
    earlier(&bench, &found);
    options(&bench, &found);
}

/// Every trial has a width; that of the trial looked at in depth is the one told there.
fn widths(found: &Value) {
    let trials = found["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4);
    for arm in found["arms"].as_array().unwrap() {
        let nodes = arm["states"][1]["nodes"].as_array().unwrap();
        let last = nodes.iter().rfind(|n| !n["node"].as_str().unwrap().contains('.')).unwrap();
        let of = |name: &str| last[name].as_f64().unwrap();
        let sigma = ((of("sigma_x_px").powi(2) + of("sigma_y_px").powi(2)) / 2.0).sqrt();
        let told = trials.iter().find(|t| t["trial"] == arm["trial"]).unwrap();
        assert!((sigma - told["sigma_px"].as_f64().unwrap()).abs() < 1e-9, "{told}");
        assert_eq!(told["ratio_50"], last["area_ratios"][2]);
    }
}

/// From the initial weights over those after epochs 1, 2 and 4 to the best.
fn growth(bench: &Bench, found: &Value) {
    for arm in found["arms"].as_array().unwrap() {
        let result = bench
            .sweep("grown")
            .join("runs")
            .join(arm["trial"].as_str().unwrap())
            .join("result.json");
        let best = common::read_json(&result).unwrap()["metrics"]["best/epoch"].as_f64().unwrap();
        let mut expected = vec![0.0, 1.0, 2.0, 4.0, best];
        expected.sort_by(f64::total_cmp);
        expected.dedup();
        let epochs: Vec<f64> = arm["growth"]
            .as_array()
            .unwrap()
            .iter()
            .map(|g| g["epoch"].as_f64().unwrap())
            .collect();
        assert_eq!(epochs, expected);
        let sigma = |epoch: f64| {
            let all = arm["growth"].as_array().unwrap();
            all.iter().find(|g| g["epoch"] == epoch).unwrap()["sigma_px"].as_f64().unwrap()
        };
        let told = found["trials"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["trial"] == arm["trial"])
            .unwrap();
        assert_eq!(told["sigma_px"], sigma(best));
        assert!(sigma(0.0) != sigma(1.0) && sigma(1.0) != sigma(4.0));
    }
}

/// A file of before these were kept is read, and its page says that growth was not measured.
fn earlier(bench: &Bench, found: &Value) {
    let mut old = found.clone();
    for name in ["noise", "float64", "relu", "trials"] {
        assert!(old.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    for arm in old["arms"].as_array_mut().unwrap() {
        arm.as_object_mut().unwrap().remove("growth");
    }
    std::fs::write(bench.sweep("grown").join("effective.json"), old.to_string()).unwrap();
    let output = bench.run("report grown");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = page(bench);
    assert!(
        text.contains("Effective receptive field of the last stage")
            && text.contains("was not measured. Weights are kept")
    );
}

fn options(bench: &Bench, absolute: &Value) {
    let line = "rf grown --measure --images 8 --noise --float64 --sign positive --relu --one-per-arm --json";
    let found = bench.json(line);
    assert_eq!(
        (&found["sign"], &found["noise"], &found["relu"]),
        (&"positive".into(), &true.into(), &true.into())
    );
    assert_eq!(found["trials"].as_array().unwrap().len(), 2, "one of each arm");
    assert!(found["arms"][0]["gallery"].as_array().unwrap().is_empty(), "noise is no picture");
    assert_ne!(found["trials"][0]["sigma_px"], absolute["trials"][0]["sigma_px"]);
    assert_eq!(found["trials"], bench.json(line)["trials"], "noise is always the same");
    let said = "over 8 images of normal noise, negative ones dropped, channels through a ReLU first, in double precision;";
    assert!(page(bench).contains(said));
    // They mean nothing where nothing is measured.
    let wrong = bench.run("rf grown --noise");
    assert_eq!(wrong.status.code(), Some(2));
}
