//! The walkthrough of the documentation shows what the library prints.

use res2lab_arch::{Input, ModelOverrides, build};
use res2lab_planned::Plan;

#[test]
fn the_walkthrough_shows_the_plan_of_its_network() {
    let words = serde_json::json!({"block": "res2", "stem": "cifar", "blocks": [1], "planes": 8,
        "width": 8, "scale": 2});
    let words: ModelOverrides = serde_json::from_value(words).unwrap();
    let graph = build(&words.resolve().unwrap().0, Input::square(8, 10)).unwrap();
    let plan = Plan::<f32>::new(&graph, vec![0; graph.state.len()], 4, 2);
    let printed = plan.to_string();
    println!("{printed}");
    let mut is_inside = false;
    let mut shown = Vec::new();
    for line in include_str!("../src/walkthrough.md").lines() {
        match line.starts_with("```") {
            true => is_inside = !is_inside,
            false if is_inside => shown.push(line),
            false => {}
        }
    }
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with(' ')).collect();
    assert_eq!(shown, lines);
}
