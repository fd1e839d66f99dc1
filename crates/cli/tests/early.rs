//! Early stopping: trials that fall behind end at their next evaluation, keep their place in the
//! tables, and are in no mean.

mod common;

use common::{Bench, root, stderr};

#[test]
fn trials_that_fall_behind_end_early_and_stay_in_the_tables() {
    let bench = Bench::new();
    let text = std::fs::read_to_string(root().join("experiments/quickstart.yaml"))
        .expect("the experiment");
    let file = bench.reports().join("asha.yaml");
    std::fs::write(
        &file,
        format!("{text}\nearly_stop: {{asha: {{rungs: [1, 3], reduction: 2}}}}\n"),
    )
    .expect("written");
    // Two rates that learn and two that hardly do, one after the other so that who is behind does
    // not hang on the clock.
    let line = format!(
        "sweep {} lr=0.1,0.05,1e-5,1e-6 scale=4 seed=0 epochs=5 batch=50 --slots 1",
        file.display()
    );
    let line = format!("{line} --threads 1 --name asha --json");
    let output = bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = std::fs::read_to_string(bench.sweep("asha").join("trials.csv")).expect("a table");
    let of =
        |arm: &str| table.lines().find(|line| line.contains(arm)).unwrap_or_default().to_owned();
    assert!(of("lr=0.1,").contains(",done,"), "{table}");
    for slow in ["lr=0.00001", "lr=1e-6"] {
        let row = of(slow);
        assert!(
            row.contains("stopped early") && row.contains("after epoch 1 was number"),
            "{row}\n{table}"
        );
    }
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["stopped_early"].as_u64().map(|n| n >= 2), Some(true), "{summary}");
    assert!(summary["banner"].to_string().contains("stopped early"), "{summary}");
    // They are over: the same command trains nothing.
    let again = bench.run(&line);
    assert!(again.status.success() && !stderr(&again).contains("images/s"), "{}", stderr(&again));
    // A rung at which nobody is evaluated is refused.
    let wrong = bench.run(&format!("plan {} epochs=3 --no-time", file.display()));
    assert!(
        stderr(&wrong).contains("rung 3 of early_stop.asha is no evaluation before the end"),
        "{}",
        stderr(&wrong)
    );
}
