//! For two hundred random networks, all nonzero gradients lie within the exact receptive field;
//! without ReLUs they fill it.

mod common;

use common::{linear, net};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use res2lab_arch::{
    BlockKind, Downsample, Family, FirstBlock, Graph, Input, ModelOverrides, Role, StateEntry,
    Stem, build,
};
use res2lab_explain::{ErfOptions, erf};
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

fn resnets() -> impl Strategy<Value = ModelOverrides> {
    let first = prop_oneof![Just(FirstBlock::Pool), Just(FirstBlock::Grouped)];
    let down = prop_oneof![Just(Downsample::Conv), Just(Downsample::Avg)];
    let stem =
        prop_oneof![3 => Just(Stem::Cifar), 1 => Just(Stem::Imagenet), 1 => Just(Stem::Deep)];
    (prop::collection::vec(1..3_usize, 1..4), 1..6_usize, 1..3_usize, 1..3_usize, first, down, stem)
        .prop_map(|(blocks, scale, cardinality, stem_stride, first_block, downsample, stem)| {
            ModelOverrides {
                block: Some(BlockKind::Res2),
                stem_stride: (stem == Stem::Cifar).then_some(stem_stride),
                stem: Some(stem),
                blocks: Some(blocks),
                planes: Some(4),
                width: Some(32),
                scale: Some(scale),
                cardinality: Some(cardinality),
                first_block: Some(first_block),
                downsample: Some(downsample),
                ..ModelOverrides::default()
            }
        })
}

fn dlas() -> impl Strategy<Value = ModelOverrides> {
    (1..4_usize, prop_oneof![Just(BlockKind::Res2), Just(BlockKind::Bottleneck)]).prop_map(
        |(scale, block)| ModelOverrides {
            family: Some(Family::Dla),
            block: Some(if scale > 1 { BlockKind::Res2 } else { block }),
            stem: Some(Stem::Cifar),
            scale: Some(scale),
            width: Some(4),
            ..ModelOverrides::default()
        },
    )
}

/// Pseudo-random weights and statistics without any zeros.
fn drawn(seed: u64) -> impl Fn(&Graph, &StateEntry) -> Tensor {
    move |_, entry| {
        let key = Key::new(seed).named(&entry.name);
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        let fan_in = entry.shape.iter().skip(1).product::<usize>().max(1) as f64;
        let value = |i: usize| {
            let unit = key.uniform(i as u64);
            match entry.role {
                Role::ConvWeight | Role::LinearWeight => (unit - 0.4) * 3.0 / fan_in.sqrt(),
                Role::NormWeight | Role::RunningVar => 0.5 + unit,
                _ => 0.1 * (unit - 0.5),
            }
        };
        let values: Vec<f64> = (0..entry.elements()).map(value).collect();
        Tensor::from_slice(&values).view(shape.as_slice())
    }
}

/// The first and the last pixel of the image on which a unit may depend.
fn interval(found: &res2lab_explain::Erf, side: usize) -> (usize, usize) {
    let at = |edge: i64| {
        (found.unit.0 as i64 * found.field.jump + edge).clamp(0, side as i64 - 1) as usize
    };
    (at(found.field.low), at(found.field.high))
}

fn support(
    graph: Graph,
    seed: u64,
    side: usize,
) -> (res2lab_explain::Erf, Option<(usize, usize, usize, usize)>) {
    let net = net(graph, drawn(seed));
    let pixels: Vec<f64> =
        (0..3 * side * side).map(|i| Key::new(seed).named("image").uniform(i as u64)).collect();
    let images =
        Tensor::from_slice(&pixels).view([1, 3, side as i64, side as i64]).to_kind(Kind::Double);
    let end = res2lab_rf::last_stage(net.graph());
    let found =
        erf(&net, &images.to_device(Device::Cpu), &[end], ErfOptions::default()).unwrap().remove(0);
    let support = found.mean.support();
    (found, support)
}

fn check(words: &ModelOverrides, seed: u64, side: usize) {
    let spec = words.resolve().unwrap_or_else(|e| panic!("{words:?}: {e}")).0;
    let graph = build(&spec, Input::square(side, 3)).unwrap();
    let (found, with_relu) = support(graph.clone(), seed, side);
    let (low, high) = interval(&found, side);
    if let Some((x0, x1, y0, y1)) = with_relu {
        assert!(
            low <= x0 && x1 <= high && low <= y0 && y1 <= high,
            "{words:?}: {with_relu:?} leaves {low}..={high}"
        );
    }
    let (_, without) = support(linear(graph), seed, side);
    assert_eq!(without, Some((low, high, low, high)), "{words:?}");
}

#[test]
fn no_gradient_leaves_the_exact_field_and_without_relu_it_fills_it() {
    let mut runner = TestRunner::deterministic();
    for seed in 0..200 {
        let (words, side) = if seed % 10 == 9 {
            (dlas().new_tree(&mut runner).unwrap().current(), 64)
        } else {
            (resnets().new_tree(&mut runner).unwrap().current(), 48)
        };
        check(&words, seed, side);
    }
}
