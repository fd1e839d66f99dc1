//! Properties of every network that a user can configure.

use proptest::prelude::*;
use res2lab_arch::{Input, ModelOverrides, Op, Shape, build, cost, zoo};
use std::collections::HashSet;

fn words() -> impl Strategy<Value = ModelOverrides> {
    let json = (
        prop::sample::select(vec!["resnet", "dla"]),
        prop::sample::select(vec!["bottleneck", "res2"]),
        prop::sample::select(vec!["imagenet", "deep", "cifar"]),
        1..4_usize,
        prop::sample::select(vec![1, 4, 6, 8, 16]),
        1..70_usize,
        1..5_usize,
        1..9_usize,
        (any::<bool>(), any::<bool>(), any::<bool>()),
    );
    json.prop_map(|(family, block, stem, n, planes, width, cardinality, scale, (avg, grouped, se))| {
        let blocks = if family == "dla" { vec![n, 1, n, 1] } else { vec![n, 1, n] };
        let scale = if block == "res2" { scale } else { 1 };
        serde_json::from_value(serde_json::json!({
            "family": family, "block": block, "stem": stem, "blocks": blocks, "planes": planes, "width": width,
            "cardinality": cardinality, "scale": scale, "downsample": if avg { "avg" } else { "conv" },
            "first_block": if grouped { "grouped" } else { "pool" }, "se": se,
        }))
        .expect("these are words of the language")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every spec that resolves also builds a valid graph, without a panic.
    #[test]
    fn every_accepted_model_builds_a_sound_graph(words in words(), size in 1..4_usize) {
        let Ok((spec, _)) = words.resolve() else { return Ok(()) };
        let size = 32 * size;
        let graph = build(&spec, Input { channels: 1, height: size, width: size, classes: 7 }).expect("a checked spec builds");
        let mut names = HashSet::new();
        for (id, node) in graph.iter() {
            prop_assert!(names.insert(&node.name), "{} twice", node.name);
            prop_assert!(node.shape.elements() > 0, "{} is empty", node.name);
            prop_assert!(node.inputs.iter().all(|i| i < &id), "{} runs before its input", node.name);
            if let Op::Conv(c) = node.op {
                let from = graph.node(node.inputs[0]).shape.channels;
                prop_assert!(from.is_multiple_of(c.groups) && c.out % c.groups == 0, "{}: groups", node.name);
            }
        }
        prop_assert_eq!(graph.node(graph.output()).shape.elements(), 7);
        prop_assert!(!graph.is_dense());
        let states: HashSet<_> = graph.state.iter().map(|e| &e.name).collect();
        prop_assert_eq!(states.len(), graph.state.len());
        // Every node's result is used, except for the logits.
        let unused = graph.consumers().iter().filter(|&&n| n == 0).count();
        prop_assert_eq!(unused, 1);
        prop_assert!(cost(&graph).macs > 0);
    }

    /// A resolved spec, serialized and parsed as overrides, resolves to itself.
    #[test]
    fn a_spec_is_its_own_description(words in words()) {
        let Ok((spec, _)) = words.resolve() else { return Ok(()) };
        let written = serde_json::to_value(&spec).expect("a spec is plain data");
        let read: ModelOverrides = serde_json::from_value(written).expect("fields of a spec are words");
        prop_assert_eq!(read.resolve().expect("resolved once").0, spec);
    }
}

/// Words of networks with a head, over backbones that may not suit it.
fn dense_words() -> impl Strategy<Value = ModelOverrides> {
    let head = prop::sample::select(vec!["fpn", "deeplabv3", "deeplabv3plus", "unet"]);
    let stride = prop::sample::select(vec![None, Some(8), Some(16), Some(32)]);
    (words(), head, stride, any::<bool>()).prop_map(|(words, head, stride, separable)| {
        let words = ModelOverrides { blocks: Some(vec![1, 2, 1, 1]), ..words };
        let is_deeplab = head.starts_with("deeplab");
        ModelOverrides {
            head: serde_json::from_value(head.into()).expect("a head's name"),
            output_stride: stride,
            aspp_separable: is_deeplab.then_some(separable),
            ..words
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Every head that resolves gives a map of the image's size, and describes itself.
    #[test]
    fn every_accepted_head_gives_a_map_of_the_images_size(words in dense_words(), size in 1..4_usize) {
        let Ok((spec, _)) = words.resolve() else { return Ok(()) };
        let input = Input { channels: 2, height: 32 * size, width: 64, classes: 7 };
        let graph = build(&spec, input).expect("a checked spec builds");
        let Shape { channels, height, width } = graph.node(graph.output()).shape;
        prop_assert_eq!((channels, height, width), (7, 32 * size, 64));
        let names: HashSet<_> = graph.nodes.iter().map(|node| &node.name).collect();
        prop_assert_eq!(names.len(), graph.nodes.len());
        prop_assert_eq!(graph.consumers().iter().filter(|&&n| n == 0).count(), 1);
        let written = serde_json::to_value(&spec).expect("a spec is plain data");
        let read: ModelOverrides = serde_json::from_value(written).expect("fields of a spec are words");
        prop_assert_eq!(read.resolve().expect("resolved once").0, spec);
    }
}

#[test]
fn every_zoo_network_builds_for_what_it_was_published_for() {
    for entry in zoo::entries() {
        let (spec, notes) = entry.words.resolve().expect(entry.name);
        assert!(notes.is_empty(), "{}: {notes:?}", entry.name);
        build(&spec, entry.input).expect(entry.name);
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused() {
    let (spec, _) = zoo::find("dla60").unwrap().words.resolve().unwrap();
    let e = build(&spec, Input::square(100, 10)).unwrap_err();
    assert!(e.cause.contains("100") && e.help.contains("multiples of 32"), "{e:?}");
}

#[test]
fn modules_are_found_by_name() {
    let (spec, _) = zoo::find("res2net50_26w_4s").unwrap().words.resolve().unwrap();
    let graph = build(&spec, Input::square(224, 1000)).unwrap();
    for name in [
        "layer1.0.convs.2",
        "layer1.1.split.3",
        "layer1.1.sum.1",
        "layer2.0.concat",
        "layer3",
        "layer3.5",
    ] {
        assert!(graph.find(name).is_some(), "{name}");
    }
    assert_eq!(graph.find("layer3"), graph.find("layer3.5"));
}
