//! Networks whose programs are checked: the golden ones of crate `nn`, random ones, and one with
//! each head.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use res2lab_arch::{Family, Graph, Input, ModelOverrides, build};
use serde_json::{Value, json};

/// Every network of `crates/nn/tests/golden.json`, by name.
pub(crate) fn golden() -> Vec<(String, Graph)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../nn/tests/golden.json");
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    all.into_iter().map(|(name, value)| (name.clone(), network(&name, &value))).collect()
}

/// The network of an entry: of its `args` if there are any, otherwise that of its name.
fn network(name: &str, value: &Value) -> Graph {
    let size = value["size"].as_u64().unwrap() as usize;
    let Some(args) = value.get("args") else {
        let entry = res2lab_arch::zoo::find(name).unwrap();
        let input = Input { height: size, width: size, ..entry.input };
        return build(&entry.words.resolve().unwrap().0, input).unwrap();
    };
    let mut words = args.as_object().unwrap().clone();
    let mut number = |name: &str, default: usize| {
        words.remove(name).map_or(default, |value| value.as_u64().unwrap() as usize)
    };
    let classes = number("classes", 1000);
    let channels = number("in_channels", 3);
    words.insert("block".into(), json!("res2"));
    words.entry("stem").or_insert(json!("cifar"));
    let words: ModelOverrides = serde_json::from_value(words.into()).unwrap();
    let input = Input { channels, height: size, width: size, classes };
    build(&words.resolve().unwrap().0, input).unwrap()
}

/// Random networks of both families, always the same ones.
pub(crate) fn random(count: usize) -> Vec<(String, Graph)> {
    let mut runner = TestRunner::deterministic();
    let words = words();
    (0..count)
        .map(|_| {
            let words = words.new_tree(&mut runner).unwrap().current();
            let name = format!("{words}");
            let words: ModelOverrides = serde_json::from_value(words).unwrap();
            let spec = words.resolve().unwrap_or_else(|e| panic!("{name}: {e}")).0;
            let side = if spec.family == Family::Dla { 32 } else { 33 };
            (name.clone(), build(&spec, Input::square(side, 7)).unwrap())
        })
        .collect()
}

/// Networks whose output is a map: each head, with each option that changes its graph.
pub(crate) fn dense() -> Vec<(String, Graph)> {
    let words = [
        json!({"head": "fpn"}),
        json!({"head": "fpn", "merge_policy": "cat", "downsample": "avg", "stem": "deep"}),
        json!({"head": "deeplabv3", "se": true}),
        json!({"head": "deeplabv3", "aspp_separable": true, "output_stride": 16}),
        json!({"head": "deeplabv3plus", "cardinality": 4}),
        json!({"head": "deeplabv3plus", "output_stride": 8, "downsample": "avg"}),
        json!({"head": "unet"}),
    ];
    let network = |mut words: Value| {
        let name = format!("{words}");
        words["blocks"] = json!([1, 2, 1, 1]);
        words["planes"] = json!(16);
        let words: ModelOverrides = serde_json::from_value(words).unwrap();
        let spec = words.resolve().unwrap_or_else(|e| panic!("{name}: {e}")).0;
        let graph = build(&spec, Input::square(64, 7)).unwrap();
        // With the random factors of training.
        let noisy = res2lab_arch::with_noise(&graph, res2lab_arch::NoiseRates::default());
        (name, noisy.unwrap_or(graph))
    };
    words.into_iter().map(network).collect()
}

fn words() -> impl Strategy<Value = Value> {
    let family = prop::sample::select(vec!["resnet", "dla"]);
    let stem = prop::sample::select(vec!["cifar", "imagenet", "deep"]);
    let sizes = (prop::collection::vec(1..3_usize, 1..4), 1..9_usize, 1..5_usize, 10..40_usize);
    (family, stem, sizes, any::<[bool; 3]>()).prop_map(
        |(family, stem, (blocks, scale, cardinality, width), [avg, grouped, se])| {
            if family == "dla" {
                return json!({"family": "dla", "block": "res2", "stem": "cifar", "width": 4,
                    "scale": 1 + scale % 4, "cardinality": 1 + cardinality % 2});
            }
            json!({"block": "res2", "stem": stem, "blocks": blocks, "planes": 16, "width": width,
                "scale": scale, "cardinality": cardinality, "se": se,
                "first_block": if grouped { "grouped" } else { "pool" },
                "downsample": if avg { "avg" } else { "conv" }})
        },
    )
}
