//! Seeds that are added by a rule: the first stage decides, the second trains what it asked for,
//! and a repeated command trains nothing again.

mod common;

use common::{Bench, events, read_json, stderr};

fn file(bench: &Bench, half_width: f64) -> String {
    let path = bench.sweep("rule.yaml");
    let text = format!(
        "name: rule\nmodel: {{stem: cifar, depth: 11, planes: 8, width: 16}}\n\
         data: {{name: generated, size: 12, images: 48, classes: 4}}\n\
         train: {{epochs: 2, batch_size: 8}}\n\
         seeds: {{min: 3, max: 6, half_width: {half_width}}}\naxes: {{scale: [1, 2]}}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn seeds_are_added_until_the_difference_is_known_or_the_limit_is_reached() {
    let bench = Bench::new();
    let plan = bench.json(&format!("plan {} --json --no-time", file(&bench, 0.001)));
    assert_eq!(plan["trials"].as_array().unwrap().len(), 6);
    assert!(plan["notes"].to_string().contains("Stein"));

    // No difference of two small networks is known to a thousandth of a point: the limit ends it.
    let line = format!("sweep {} --slots 2 --threads 1", file(&bench, 0.001));
    let output = bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let sweep = bench.sweep("rule");
    let trials = |plan: &serde_json::Value| plan["trials"].as_array().unwrap().len();
    assert_eq!(trials(&read_json(&sweep.join("plan.json")).unwrap()), 12);
    assert_eq!(events(&sweep, "started").len(), 12);
    let again = bench.run(&line);
    assert!(again.status.success());
    assert_eq!(events(&sweep, "started").len(), 12, "nothing is trained again");
    let page = std::fs::read_to_string(sweep.join("index.html")).unwrap();
    assert!(page.contains("12 trials, all done") && page.contains("Stein"));

    // A thousand points of accuracy are known at once.
    let output =
        bench.run(&format!("sweep {} --slots 2 --threads 1 --name wide", file(&bench, 1000.0)));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(events(&bench.sweep("wide"), "started").len(), 6);

    let output =
        bench.run(&format!("sweep {} seed=0,1 --slots 2 --name listed", file(&bench, 0.001)));
    assert!(output.status.success(), "a list on the command line replaces the rule");
    assert_eq!(events(&bench.sweep("listed"), "started").len(), 4);
    let output = bench.run(&format!("plan {}", file(&bench, -1.0)));
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("half_width"),
        "{}",
        stderr(&output)
    );
}
