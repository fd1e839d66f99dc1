//! How long the exact analysis of the largest network takes: `cargo run --release -p rf --example time`.

use rf::{Weighting, fields, last_stage, paths, splits, spread};
use std::time::Instant;

fn main() {
    let entry = arch::zoo::find("res2net101_26w_4s").expect("a published network");
    let words = entry.words.overridden_by(&arch::ModelWords { scale: Some(8), ..Default::default() });
    let graph = arch::build(&words.resolve().expect("a network").0, entry.input).expect("a network");
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let started = Instant::now();
            let found = paths(&graph, Weighting::Structural, &[last_stage(&graph)]);
            let sigma = spread::sigmas(&graph, Weighting::Structural)[last_stage(&graph).0];
            assert!(found[0].summary().is_some() && sigma > 0.0);
            assert!(!splits::splits(&graph).is_empty() && fields(&graph).len() == graph.nodes.len());
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("Res2Net-101, scale 8: {:.1} ms (median of 21; {:.1} to {:.1})", times[10], times[0], times[20]);
}
