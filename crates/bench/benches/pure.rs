//! Benchmarks of pure functions: `cargo bench --workspace --bench pure`. The kernels are measured
//! by `cargo run --release -p res2lab-kernels --example speed`.

#![allow(missing_docs, reason = "criterion's macro makes a function without any")]

use criterion::{Criterion, criterion_group, criterion_main};
use res2lab_arch::{Graph, Input, ModelOverrides, build};
use res2lab_planned::Program;
use res2lab_rf::Weighting;
use std::hint::black_box;

fn graph(name: &str) -> Graph {
    let words =
        ModelOverrides { zoo: Some(name.into()), scale: Some(8), ..ModelOverrides::default() };
    // Names and sizes are fixed here, so this cannot fail.
    build(&words.resolve().expect("a known network").0, Input::square(224, 1000))
        .expect("a network of its usual size")
}

fn graphs(c: &mut Criterion) {
    c.bench_function("build res2net101 scale 8", |b| b.iter(|| graph("res2net101_26w_4s")));
    let graph = graph("res2net101_26w_4s");
    c.bench_function("cost of res2net101 scale 8", |b| {
        b.iter(|| res2lab_arch::cost(black_box(&graph)))
    });
    c.bench_function("plan the step of res2net101 scale 8", |b| {
        b.iter(|| Program::new(black_box(&graph)))
    });
    let end = [res2lab_rf::last_stage(&graph)];
    c.bench_function("paths of res2net101 scale 8", |b| {
        b.iter(|| res2lab_rf::paths(&graph, Weighting::Structural, &end))
    });
}

fn expansion(c: &mut Criterion) {
    let text = "name: large\nseeds: [0, 1, 2, 3, 4]\naxes: {scale: [1, 2, 4, 8], width: [16, 24, 32, 48], lr: [0.1, 0.05]}\n";
    let experiment =
        res2lab_experiment::experiment::parse(text, "large.yaml").expect("a correct experiment");
    c.bench_function("expand 160 trials", |b| {
        b.iter(|| res2lab_experiment::expand(black_box(&experiment), &[]))
    });
}

criterion_group!(pure, graphs, expansion);
criterion_main!(pure);
