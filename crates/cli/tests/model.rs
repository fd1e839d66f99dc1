//! `model` and `plan`: figures known from outside, and the same from both.

mod common;

use common::Bench;

#[test]
fn published_networks_have_their_published_size() {
    let bench = Bench::new();
    let d = bench.json("model res2net50_26w_4s --json");
    assert_eq!((&d["parameters"], &d["rf_max_px"]), (&25_699_120.into(), &1131.into()));
    // Published as 4.255 G.
    assert!((d["macs"].as_f64().unwrap() / 1e9 - 4.255).abs() < 0.0005, "{}", d["macs"]);
    assert_eq!(d["stages"][3]["channels"], 2048);
    // The same network by its fields, and under its authors' name.
    for same in ["model depth=50 width=26 scale=4 --json", "model zoo=res2net50 --json"] {
        assert_eq!(bench.json(same)["parameters"], d["parameters"], "{same}");
    }
    assert!(bench.json("model --list --json").as_array().unwrap().len() >= 35);
}

/// Fields of a model as words of the command line.
fn words(model: &serde_json::Value) -> String {
    let word = |(field, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::String(text) => format!("{field}={text}"),
        other => format!("{field}={other}"),
    };
    model.as_object().unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_plan_counts_what_model_counts() {
    let bench = Bench::new();
    for line in [
        "plan --json --no-time",
        "plan depth=11,20 width=26,40 cardinality=1,2 --json --no-time",
        "plan family=dla block=res2 stem=cifar --json --no-time",
        "plan zoo=res2net50_26w_4s,resnet50 --json --no-time",
    ] {
        let plan = bench.json(line);
        let trials = plan["trials"].as_array().unwrap();
        assert!(trials.len() >= 6, "{line}");
        for trial in trials.iter().filter(|t| t["seed"] == 0) {
            let px = &trial["image_px"];
            let model = bench.json(&format!(
                "model {} --size {px} --channels {} --classes {} --json",
                words(&trial["model"]),
                trial["image_channels"],
                trial["classes"]
            ));
            for figure in ["parameters", "macs", "activations", "rf_max_px"] {
                assert_eq!(model[figure], trial[figure], "{line}: {figure} of {}", trial["id"]);
            }
        }
    }
    assert_eq!(bench.reports().read_dir().unwrap().count(), 0, "plan writes nothing");
}

#[test]
fn unknown_fields_of_a_model_are_named() {
    let bench = Bench::new();
    for (line, cause) in [
        ("model scle=2", "scle"),
        ("model scale=x", "\"x\""),
        ("model dla60 --size 100", "100 px"),
        ("model", "required"),
    ] {
        let output = bench.run(line);
        let said = common::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(said.contains(cause) && said.lines().count() == 2, "{line}: {said}");
    }
}
