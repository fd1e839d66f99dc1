//! Receptive fields of networks whose output is a map: the pixels with a nonzero gradient are
//! exactly those that are counted, through dilations and resizes.

mod common;

use common::{linear, net};
use res2lab_arch::{Graph, Input, ModelOverrides, NodeId, Role, StateEntry, build};
use res2lab_explain::{Erf, ErfOptions, erf};
use res2lab_random::Key;
use serde_json::json;
use tch::{Kind, Tensor};

/// Positive weights, so that no gradients cancel.
fn positive(_: &Graph, entry: &StateEntry) -> Tensor {
    let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
    let fan_in = entry.shape.iter().skip(1).product::<usize>().max(1) as f64;
    let value = |i: usize| {
        let unit = 0.5 + Key::new(7).named(&entry.name).uniform(i as u64);
        match entry.role {
            Role::ConvWeight | Role::LinearWeight => unit / fan_in,
            _ => unit,
        }
    };
    Tensor::from_slice(&(0..entry.elements()).map(value).collect::<Vec<f64>>())
        .view(shape.as_slice())
}

fn measured(graph: Graph, nodes: &[NodeId]) -> Vec<Erf> {
    let side = graph.nodes[0].shape.width;
    let pixels: Vec<f64> =
        (0..3 * side * side).map(|i| Key::new(1).named("image").uniform(i as u64)).collect();
    let images = Tensor::from_slice(&pixels).view([1, 3, side as i64, side as i64]);
    erf(&net(graph, positive), &images.to_kind(Kind::Double), nodes, ErfOptions::default()).unwrap()
}

/// Whether each column, and each row, has a nonzero gradient.
fn seen(found: &Erf) -> [Vec<bool>; 2] {
    let width = found.mean.width;
    let is_seen = |x: usize, y: usize| found.mean.values[y * width + x] != 0.0;
    let sides = [width, found.mean.height()];
    [
        (0..sides[0]).map(|x| (0..sides[1]).any(|y| is_seen(x, y))).collect(),
        (0..sides[1]).map(|y| (0..sides[0]).any(|x| is_seen(x, y))).collect(),
    ]
}

/// Puts the first branch in the place of the mean over the whole map, which hides the dilations
/// beside it.
fn without_pools(mut graph: Graph) -> Graph {
    let is_joined = |name: &str| name.ends_with("aspp.concat") || name.ends_with("aspp.0.concat");
    for node in graph.nodes.iter_mut().filter(|node| is_joined(&node.name)) {
        node.inputs[4] = node.inputs[0];
    }
    graph
}

/// Checks the middle units of the output and of each stage; returns how many pixels of a row the
/// output's unit sees, and whether there are gaps between them.
fn check(words: serde_json::Value, side: usize, change: impl Fn(Graph) -> Graph) -> (usize, bool) {
    let mut small = words.clone();
    for (field, value) in [
        ("blocks", json!([1, 1, 1, 1])),
        ("planes", json!(4)),
        ("width", json!(32)),
        ("scale", json!(2)),
    ] {
        small[field] = value;
    }
    let parsed: ModelOverrides = serde_json::from_value(small).unwrap();
    let graph = build(&parsed.resolve().unwrap().0, Input::square(side, 3)).unwrap();
    let graph = change(graph);
    let mut nodes: Vec<NodeId> = graph.stages.iter().map(|stage| stage.node).collect();
    nodes.push(graph.output());
    let all = measured(graph.clone(), &nodes);
    let mut last = (0, false);
    for (node, found) in nodes.into_iter().zip(&all) {
        let name = &graph.node(node).name;
        let exact = res2lab_rf::map::pixels(&graph, node, found.unit.0);
        assert_eq!(seen(found), [exact.clone(), exact.clone()], "{words}, {name}");
        let [first, end] =
            [exact.iter().position(|seen| *seen), exact.iter().rposition(|seen| *seen)]
                .map(|place| place.unwrap() as i64);
        let of_unit = found.unit.0 as i64 * found.field.jump;
        assert!(of_unit + found.field.low <= first && end <= of_unit + found.field.high, "{name}");
        let count = exact.iter().filter(|seen| **seen).count();
        last = (count, count as i64 != end - first + 1);
    }
    last
}

#[test]
fn the_pixels_of_a_map_are_exact_through_dilations_and_resizes() {
    for words in [
        json!({"head": "unet"}),
        json!({"head": "fpn"}),
        json!({"head": "fpn", "merge_policy": "cat", "downsample": "avg", "stem": "deep"}),
        json!({"head": "deeplabv3", "output_stride": 8, "atrous_rates": [1, 2, 3]}),
        json!({"head": "deeplabv3", "output_stride": 16, "aspp_separable": true}),
        json!({"head": "deeplabv3plus", "output_stride": 8, "atrous_rates": [2, 4, 30]}),
        json!({"head": "deeplabv3plus", "output_stride": 16, "downsample": "avg"}),
    ] {
        check(words, 128, |graph| without_pools(linear(graph)));
    }
}

/// Group norms and the mean over the whole map show every pixel to every unit.
#[test]
fn statistics_of_a_whole_map_see_all_of_the_image() {
    for head in ["fpn", "deeplabv3", "deeplabv3plus"] {
        let (count, _) = check(json!({"head": head}), 96, |graph| graph);
        assert_eq!(count, 96, "{head}");
    }
}

/// With a convolution whose taps are far apart, a unit sees pixels with gaps between them.
#[test]
fn taps_far_apart_leave_gaps() {
    let graph = |dilation: usize| {
        let input = Input::square(64, 3);
        let (mut g, image) = res2lab_arch::builder::Builder::new(input);
        let x = g.conv("a", image, res2lab_arch::Conv::new(3, 2).dilated(dilation));
        g.conv("b", x, res2lab_arch::Conv::new(3, 2));
        g.finish().unwrap()
    };
    for (dilation, wanted) in [(1, 5), (10, 9), (40, 3)] {
        let graph = graph(dilation);
        let found = measured(graph.clone(), &[graph.output()]).remove(0);
        let exact = res2lab_rf::map::pixels(&graph, graph.output(), 32);
        assert_eq!(exact.iter().filter(|seen| **seen).count(), wanted, "{dilation}");
        assert_eq!(seen(&found), [exact.clone(), exact], "{dilation}");
        assert_eq!(found.field.max_px(), 2 * dilation as i64 + 3);
    }
}
