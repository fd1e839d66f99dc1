//! The pure parts, each alone: `cargo bench -p bench`. Nothing here needs libtorch.

use arch::{Graph, Input, ModelWords, build};
use criterion::{Criterion, criterion_group, criterion_main};
use kernels::{ConvPlan, ConvShape, View};
use planned::Program;
use rf::Weighting;
use std::hint::black_box;

fn graph(name: &str) -> Graph {
    let words = ModelWords { zoo: Some(name.into()), scale: Some(8), ..ModelWords::default() };
    // Names and sizes are fixed here, so this cannot fail.
    build(&words.resolve().expect("a known network").0, Input::square(224, 1000)).expect("a network of its usual size")
}

fn graphs(c: &mut Criterion) {
    c.bench_function("build res2net101 scale 8", |b| b.iter(|| graph("res2net101_26w_4s")));
    let graph = graph("res2net101_26w_4s");
    c.bench_function("cost of res2net101 scale 8", |b| b.iter(|| arch::cost(black_box(&graph))));
    c.bench_function("plan the step of res2net101 scale 8", |b| b.iter(|| Program::new(black_box(&graph))));
    let end = [rf::last_stage(&graph)];
    c.bench_function("paths of res2net101 scale 8", |b| b.iter(|| rf::paths(&graph, Weighting::Structural, &end)));
}

fn expansion(c: &mut Criterion) {
    let text = "name: large\nseeds: [0, 1, 2, 3, 4]\naxes: {scale: [1, 2, 4, 8], width: [16, 24, 32, 48], lr: [0.1, 0.05]}\n";
    let experiment = spec::experiment::parse(text, "large.yaml").expect("a correct experiment");
    c.bench_function("expand 160 trials", |b| b.iter(|| spec::expand(black_box(&experiment), &[])));
}

/// One image of a split of 13 channels at 16 px, forward.
fn convolution(c: &mut Criterion) {
    let shape =
        ConvShape { channels: 13, height: 16, width: 16, out: 13, kernel: 3, stride: 1, padding: 1, groups: 1 };
    let plan = ConvPlan::new(shape);
    let weights = vec![0.1_f32; shape.weights_len()];
    let mut packed = vec![0.0; plan.packed_len()];
    plan.pack(&weights, &mut packed);
    let (mut x, mut y) = (vec![0.5_f32; 13 * 256], vec![0.0_f32; 13 * 256]);
    let mut scratch = vec![0.0; plan.scratch_len()];
    let view = |at: *mut f32| View { at, image_stride: 13 * 256, channels: 13, height: 16, width: 16 };
    let (x, y) = (view(x.as_mut_ptr()), view(y.as_mut_ptr()));
    // SAFETY: both views are vectors of one image, which nobody else uses.
    #[allow(unsafe_code)]
    c.bench_function("convolution 13 to 13, 3x3 at 16", |b| {
        b.iter(|| unsafe { plan.forward(&packed, &[x], y, 0..1, &mut scratch, None) });
    });
}

criterion_group!(pure, graphs, expansion, convolution);
criterion_main!(pure);
