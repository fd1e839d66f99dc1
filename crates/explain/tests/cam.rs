//! Class activation maps compared with pytorch-grad-cam, on a small network with the same weights.

#[path = "../../nn/tests/filled/mod.rs"]
mod filled;

mod common;

use common::net;
use filled::fill;
use res2lab_arch::{BlockKind, Input, ModelOverrides, Role, StateEntry, Stem, build};
use res2lab_explain::{Method, cam, shares};
use res2lab_nn::Net;
use serde_json::Value;
use tch::Tensor;

/// The values defined in `nn/tests/golden.md`.
fn value(_: &res2lab_arch::Graph, entry: &StateEntry) -> Tensor {
    let fan_in: usize = entry.shape[1..].iter().product();
    let change = |v: f64| match entry.role {
        Role::ConvWeight | Role::LinearWeight => v * 2.0 * (3.0 / fan_in as f64).sqrt(),
        Role::NormWeight | Role::RunningVar => v + 1.0,
        Role::NormBias | Role::RunningMean | Role::ConvBias | Role::LinearBias => v * 0.2,
    };
    let values: Vec<f64> = fill(&entry.name, entry.elements()).into_iter().map(change).collect();
    let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
    Tensor::from_slice(&values).view(shape.as_slice())
}

fn filled_net() -> (Net, Tensor) {
    let words = ModelOverrides {
        block: Some(BlockKind::Res2),
        stem: Some(Stem::Cifar),
        depth: Some(20),
        planes: Some(16),
        width: Some(26),
        scale: Some(4),
        ..ModelOverrides::default()
    };
    let graph = build(&words.resolve().unwrap().0, Input::square(32, 10)).unwrap();
    let pixels: Vec<f64> = fill("input", 2 * 3 * 32 * 32).into_iter().map(|v| v * 2.0).collect();
    (net(graph, value), Tensor::from_slice(&pixels).view([2, 3, 32, 32]).narrow(0, 0, 1))
}

#[test]
fn maps_are_those_of_pytorch_grad_cam() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cam.json");
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (net, image) = filled_net();
    let all = fixture.as_array().unwrap();
    assert_eq!(all.len(), 6);
    let mut zeros = 0;
    for expected in all {
        let node = net.graph().find(expected["node"].as_str().unwrap()).unwrap();
        let method =
            if expected["method"] == "GradCAM" { Method::GradCam } else { Method::HiResCam };
        let found =
            cam(&net, &image, expected["class"].as_i64(), &[node], method).unwrap().remove(0);
        let theirs: Vec<f64> =
            expected["shown"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!((found.shown.width, found.shown.values.len()), (32, theirs.len()));
        let worst =
            found.shown.values.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{} {}: {worst:.1e}", expected["node"], expected["method"]);
        assert!(worst < 1e-5, "{} {}: {worst}", expected["node"], expected["method"]);
        // At one node no position supports the class: the map is zero, and `max` shows it.
        let is_zero = theirs.iter().all(|v| *v == 0.0);
        assert_eq!((found.max == 0.0, found.sum == 0.0), (is_zero, is_zero));
        zeros += usize::from(is_zero);
    }
    assert_eq!(zeros, 2);
}

#[test]
fn every_split_has_a_map_and_a_share_of_its_own() {
    let (net, image) = filled_net();
    let found = shares::shares(&net, &image).unwrap();
    assert_eq!(found.len(), 6 * 4, "six blocks of four splits");
    for block in found.chunks(4) {
        assert!((block.iter().map(|s| s.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(block.iter().all(|s| s.share > 0.0 && s.split.block == block[0].split.block));
    }
    let nodes: Vec<_> = found[20..].iter().map(|s| s.split.node).collect();
    let maps = cam(&net, &image, None, &nodes, Method::GradCam).unwrap();
    assert_eq!(maps.len(), 4);
    assert!(maps.windows(2).all(|pair| pair[0].raw != pair[1].raw));
}

#[test]
fn wrong_questions_have_answers_in_words() {
    let (net, image) = filled_net();
    let error =
        cam(&net, &image, Some(10), &[res2lab_rf::last_stage(net.graph())], Method::GradCam)
            .unwrap_err();
    assert_eq!(
        (error.cause.as_str(), error.help.as_str()),
        ("there is no class 10", "classes are 0 to 9")
    );
    let diverged = crate::net(net.graph().clone(), |_, _| common::scalar(f64::NAN));
    let end = [res2lab_rf::last_stage(net.graph())];
    let failed =
        res2lab_explain::erf(&diverged, &image, &end, res2lab_explain::ErfOptions::default());
    assert!(failed.is_err_and(|e| e.cause.contains("finite gradient")));
    assert!(shares::shares(&diverged, &image).is_err_and(|e| e.help.contains("diverged")));
}
