//! A small sweep on real images: files, resumption of the finished, additions, failures as values.

mod common;

use common::{Bench, events, read_json, runs, stderr};

const SMALL: &str = "epochs=1 batch=125 --name small --json";

#[test]
fn a_sweep_leaves_tables_a_report_and_event_files_and_is_not_trained_twice() {
    let bench = Bench::new();
    let sweep = bench.sweep("small");
    let first = bench.json(&format!("sweep scale=2,4 seed=0,1 {SMALL}"));
    let arms = first["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 2);
    assert!(arms.iter().all(|a| a["n"] == 2 && a["mean"].as_f64().unwrap() > 30.0), "{first}");
    for file in [
        "sweep.yaml",
        "plan.json",
        "journal.jsonl",
        "index.html",
        "trials.parquet",
        "trials.csv",
        "metrics.parquet",
    ] {
        assert!(sweep.join(file).metadata().unwrap().len() > 100, "{file}");
    }
    for run in runs(&sweep) {
        let result = read_json(&run.join("result.json")).unwrap();
        assert_eq!((&result["status"], &result["steps"]), (&"done".into(), &32.into()));
        assert!(run.join("attempt-1/env.json").exists() && run.join("attempt-1/log.txt").exists());
        let has_events = std::fs::read_dir(run.join("attempt-1")).unwrap();
        assert!(has_events.flatten().any(|e| e.file_name().to_string_lossy().contains("tfevents")));
    }

    // The same again starts nothing; another seed and another scale start what is new; the report
    // shows what was asked.
    let started = || events(&sweep, "started").len();
    assert_eq!(started(), 4);
    bench.json(&format!("sweep scale=2,4 seed=0,1 {SMALL}"));
    assert_eq!(started(), 4);
    let more = bench.json(&format!("sweep scale=2,6 seed=0..2 {SMALL}"));
    assert_eq!((started(), more["arms"].as_array().unwrap().len()), (4 + 4, 2));
    assert_eq!(runs(&sweep).len(), 8);
    assert_eq!(bench.json("report small --all --json")["arms"].as_array().unwrap().len(), 3);

    // Another base is another arm: never mixed with what was there.
    let longer =
        bench.json(&format!("sweep scale=2 seed=0 {SMALL} epochs=2").replace("epochs=1 ", ""));
    assert_eq!((&longer["arms"][0]["n"], runs(&sweep).len()), (&1.into(), 9));
}

/// Shapes are as many of each size as their factors say, so the accuracies of the groups add up to
/// that of all.
#[test]
fn accuracy_is_told_by_the_size_of_the_object_where_it_is_known() {
    let bench = Bench::new();
    bench
        .json("sweep scale=2 seed=0,1 data=shapes data.images=600 data.size=16 epochs=1 batch=50 --name shapes --json");
    let rows = bench.json("table shapes --columns all --format json");
    for row in rows.as_array().unwrap() {
        let of = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"));
        let mut hits = 0.0;
        let mut images = 0.0;
        for (group, ends) in res2lab_data::shapes::SIZES.windows(2).enumerate() {
            let is_of_group = |&i: &usize| {
                let found = res2lab_data::shapes::factors(res2lab_data::Split::Test, i, 16);
                res2lab_data::shapes::size_group(found.object_px, 16) == group
            };
            let n = (0..300).filter(is_of_group).count() as f64;
            hits += n * of(&format!("val_acc1_size_{}_{}", ends[0], ends[1])) / 100.0;
            images += n;
        }
        assert_eq!(images, 300.0);
        assert!((100.0 * hits / images - of("val_acc1")).abs() < 1e-9, "{row}");
    }
    let page = std::fs::read_to_string(bench.sweep("shapes").join("index.html")).unwrap();
    assert!(page.contains("Accuracy by the size of the object"));
    let run = runs(&bench.sweep("shapes")).remove(0);
    let file = bench.reports().join("guesses.parquet");
    let output = bench.run(&format!("eval {} --predictions {}", run.display(), file.display()));
    assert!(output.status.success(), "{}", stderr(&output));
    let bytes = std::fs::read(file).unwrap();
    // Names of columns stand in the file's footer as they are.
    for column in ["object_px", "x_px", "y_px", "clutter", "size_group"] {
        assert!(bytes.windows(column.len()).any(|part| part == column.as_bytes()), "{column}");
    }
}

#[test]
fn a_diverged_trial_is_a_value_in_the_table() {
    let bench = Bench::new();
    let line =
        "sweep lr=0.1,1e30 scale=2 seed=0 epochs=1 batch=125 train.schedule=constant --name wild";
    let output = bench.run(line);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 done, 1 diverged"), "{}", stderr(&output));
    let table = std::fs::read_to_string(bench.sweep("wild").join("trials.csv")).unwrap();
    assert!(table.contains("diverged") && table.contains("done"), "{table}");
    // It would diverge again, so it is not run again.
    assert_eq!(bench.run(line).status.code(), Some(1));
    assert_eq!(events(&bench.sweep("wild"), "started").len(), 2);
}

#[test]
fn a_dla_trains_on_padded_digits() {
    let bench = Bench::new();
    bench.json("sweep family=dla block=res2 stem=cifar scale=4 seed=0 epochs=1 batch=125 --name dla --json");
    // Thirty-two steps do not settle the running statistics of so deep a network, so test accuracy
    // says nothing yet.
    let table = std::fs::read_to_string(bench.sweep("dla").join("trials.csv")).unwrap();
    let column =
        table.lines().next().unwrap().split(',').position(|name| name == "train_acc1").unwrap();
    // The list of blocks is quoted and has commas of its own, which stand before; from the end the
    // count is right.
    let from_end = table.lines().next().unwrap().split(',').count() - column;
    let accuracy: f64 =
        table.lines().nth(1).unwrap().rsplit(',').nth(from_end - 1).unwrap().parse().unwrap();
    assert!(accuracy > 20.0, "{table}");
}

#[test]
fn a_trial_whose_data_vanished_fails_with_the_reason() {
    let bench = Bench::new();
    let data = bench.reports().join("data");
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(common::root().join("data/mnist5k")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, data.join(path.file_name().unwrap())).unwrap();
    }
    let id =
        bench.json(&format!("plan scale=2 seed=0 data.path={} --json --no-time", data.display()))["trials"][0]["id"]
            .clone();
    // Planned with the data there; trained by hand without.
    let mut child = bench
        .spawn(&format!("sweep scale=2 seed=0 epochs=40 data.path={} --name gone", data.display()));
    let sweep = bench.sweep("gone");
    common::wait_for("the plan", || sweep.join("plan.json").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    let plan = read_json(&sweep.join("plan.json")).unwrap();
    let planned = plan["trials"][0]["id"].as_str().unwrap().to_owned();
    assert_ne!(id, planned.as_str(), "epochs=40 is another trial");
    let output = common::wait_for("the trial left behind", || {
        let output = bench.run(&format!("trial {} {planned}", sweep.display()));
        (!stderr(&output).contains("is training this trial")).then_some(output)
    });
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("there is no such folder"), "{}", stderr(&output));
}

#[test]
fn a_grid_trains_and_its_arms_have_the_parameters_that_model_counts() {
    let bench = Bench::new();
    let line = "depth=11,20 width=26,40 cardinality=1,2 seed=0 epochs=1 batch=500";
    let summary = bench.json(&format!("sweep {line} --name grid --json"));
    let arms = summary["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 8);
    for arm in arms {
        let label = arm["label"].as_str().unwrap();
        let fixed = "stem=cifar stem_stride=2 planes=8 scale=4";
        let model = bench
            .json(&format!("model {fixed} {label} --size 28 --channels 1 --classes 10 --json"));
        assert_eq!((&arm["n"], &arm["parameters"]), (&1.into(), &model["parameters"]), "{label}");
    }
    assert!(
        std::fs::read_to_string(bench.sweep("grid").join("index.html"))
            .unwrap()
            .contains("cardinality")
    );
}

#[test]
fn a_second_command_on_a_running_sweep_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let sweep = bench.sweep("one");
    let mut first = bench.spawn("sweep scale=2 seed=0 epochs=30 --name one");
    common::wait_for("the first trial", || events(&sweep, "started").pop());
    let plan = std::fs::read(sweep.join("plan.json")).unwrap();
    let second = bench.run("sweep scale=4 seed=0 epochs=1 --name one");
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(
        said.contains(&format!("process {} is running the sweep", first.id()))
            && said.contains("--name"),
        "{said}"
    );
    assert!(std::fs::read(sweep.join("plan.json")).unwrap() == plan);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first.id() as i32),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(1));
}
