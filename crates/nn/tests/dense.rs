//! Agreement of networks whose output is a map with segmentation_models_pytorch on timm's encoders,
//! in float64: names, shapes, logits, loss and gradients.
//!
//! Weights, images, labels and ignored pixels are filled by the rule in `tests/golden.md`.

mod filled;
#[path = "filled/weight.rs"]
mod weight;

use filled::fill;
use res2lab_arch::{Graph, Input, ModelOverrides, build};
use res2lab_nn::objective::IGNORED;
use res2lab_nn::{
    AutogradStep, Engine, GradScale, Inference, Layout, Mode, Net, Objective, Placement,
    PlannedStep, Step, Targets,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use weight::fill_net;

const MOST: f64 = 1e-9;

/// The networks, and the state of each encoder.
fn golden() -> (serde_json::Map<String, Value>, Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden_dense.json");
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let Value::Object(networks) = all["networks"].take() else { panic!("networks by name") };
    assert_eq!(networks.len(), 13);
    (networks, all["encoders"].take())
}

/// The encoder's name is behind a slash, the head's before it.
fn graph(name: &str, value: &Value) -> Graph {
    let (head, encoder) = name.split_once('/').unwrap();
    let mut words = json!({"zoo": encoder, "head": head.trim_end_matches("_os8")});
    if head.ends_with("_os8") {
        words["output_stride"] = json!(8);
    }
    if head != "unet" {
        words["head_dropout"] = json!(0.0);
    }
    let words: ModelOverrides = serde_json::from_value(words).unwrap();
    let [height, width] = [0, 1].map(|i| count(&value["size"][i]));
    let input = Input { channels: 3, height, width, classes: count(&value["classes"]) };
    build(&words.resolve().unwrap().0, input).unwrap()
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn filled_net(graph: Graph) -> Net {
    let (kind, layout, engine) = (Kind::Double, Layout::Contiguous, Engine::Planned);
    let mut net = Net::new(graph, Placement { device: Device::Cpu, kind, layout, engine }).unwrap();
    fill_net(&mut net);
    net
}

fn images(value: &Value) -> Tensor {
    let [h, w] = [0, 1].map(|i| count(&value["size"][i]));
    let pixels: Vec<f64> = fill("input", 2 * 3 * h * w).iter().map(|v| v * 2.0).collect();
    Tensor::from_slice(&pixels).view([2, 3, h as i64, w as i64])
}

fn targets(value: &Value) -> Targets {
    let [h, w] = [0, 1].map(|i| count(&value["size"][i]));
    let classes = number(&value["classes"]);
    let ignored = fill("ignored", 2 * h * w);
    let label = |(v, ignored): (&f64, &f64)| match *ignored > 0.45 {
        true => IGNORED,
        false => ((v + 0.5) * classes) as i64,
    };
    let labels: Vec<i64> = fill("target", 2 * h * w).iter().zip(&ignored).map(label).collect();
    Targets::plain(Tensor::from_slice(&labels).view([2, h as i64, w as i64]))
}

fn relative(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / theirs.abs()
}

/// The largest deviation of logits, relative to their standard deviation.
fn of_logits(value: &Value, logits: &Tensor) -> f64 {
    let size: Vec<i64> = serde_json::from_value(value["output"].clone()).unwrap();
    assert_eq!(logits.size(), size);
    let spread = number(&value["eval_std"]);
    let mut worst = relative(logits.std(true).double_value(&[]), spread);
    let mean = logits.mean(Kind::Double).double_value(&[]);
    worst = worst.max((mean - number(&value["eval_mean"])).abs() / spread);
    for image in 0..2 {
        for (i, place) in value["places"].as_array().unwrap().iter().enumerate() {
            let [y, x] = [0, 1].map(|axis| place[axis].as_i64().unwrap());
            let theirs = value["eval_logits"][image][i].as_array().unwrap();
            for (class, theirs) in theirs.iter().enumerate() {
                let ours = logits.double_value(&[image as i64, class as i64, y, x]);
                worst = worst.max((ours - number(theirs)).abs() / spread);
            }
        }
    }
    worst
}

/// Trains one step, and compares its loss and gradients.
fn check_step(name: &str, value: &Value, net: &mut Net, step: &mut dyn Step) {
    let loss = step.forward_backward(net, &images(value), &targets(value), GradScale::ONE);
    let off = relative(loss.loss.double_value(&[]), number(&value["train_loss"]));
    let mut worst: f64 = 0.0;
    for (entry, theirs) in value["train_grad_norm"].as_object().unwrap() {
        let index = net.params().index(entry).unwrap_or_else(|| panic!("{name}: no {entry}"));
        let norm = net.params().grad(index).unwrap().norm().double_value(&[]);
        worst = worst.max(relative(norm, number(theirs)));
    }
    println!("{name}: loss {off:.1e}, gradient norms {worst:.1e}");
    assert!(off <= MOST && worst <= MOST, "{name}: loss {off:e}, gradient norms {worst:e}");
}

#[test]
fn names_shapes_and_counts_are_smps_in_order() {
    let (networks, encoders) = golden();
    for (name, value) in &networks {
        let graph = graph(name, value);
        let encoder = encoders[name.split_once('/').unwrap().1].as_array().unwrap();
        let prefixed = |entry: &Value| {
            json!([format!("encoder.model.{}", entry[0].as_str().unwrap()), entry[1]])
        };
        let head = value["state"].as_array().unwrap().iter().cloned();
        let theirs: Vec<Value> = encoder.iter().map(prefixed).chain(head).collect();
        let ours: Vec<Value> = graph.state.iter().map(|e| json!([e.name, e.shape])).collect();
        assert_eq!(ours, theirs, "{name}");
        let parameters = res2lab_arch::cost(&graph).parameters as usize;
        assert_eq!(parameters, count(&value["parameters"]), "{name}");
    }
}

/// Evaluations and steps, by autograd and planned. A step needs no running statistics, and its
/// gradients overwrite those of the step before, so one filled network serves all four.
#[test]
fn evaluations_and_steps_are_smps() {
    for (name, value) in &golden().0 {
        let mut net = filled_net(graph(name, value));
        let images = images(value);
        let plain = of_logits(value, &tch::no_grad(|| net.logits(&images, Mode::Eval)));
        let planned = of_logits(value, &Inference::new(&net, 2).logits(&images));
        println!("{name}: logits {plain:.1e}, planned {planned:.1e}");
        assert!(plain <= MOST && planned <= MOST, "{name}: {plain:e}, planned {planned:e}");
        let objective = Objective::cross_entropy(0.0);
        check_step(name, value, &mut net, &mut AutogradStep::new(objective.clone()));
        for index in 0..net.params().entries().len() {
            let _ = net.params().grad(index).map(|grad| grad.shallow_clone().fill_(f64::NAN));
        }
        check_step(name, value, &mut net, &mut PlannedStep::new(objective));
    }
}

/// Decoders are drawn Kaiming-uniform with fan-in, the last convolution Xavier-uniform; their biases
/// are 0. The encoder is drawn as that of a classifier with the same names.
#[test]
fn heads_are_drawn_as_smps() {
    let graph_of = |words: Value| {
        let words: ModelOverrides = serde_json::from_value(words).unwrap();
        build(&words.resolve().unwrap().0, Input::square(32, 5)).unwrap()
    };
    let mut net = filled_net(graph_of(json!({"head": "fpn", "blocks": [1, 1, 1, 1]})));
    res2lab_nn::init::init(net.params_mut(), 3);
    let most = |name: &str| {
        let index = net.params().index(name).unwrap();
        net.params().tensor(index).abs().max().double_value(&[])
    };
    for (name, bound) in [
        ("decoder.p5.weight", (6.0 / 2048.0_f64).sqrt()),
        ("decoder.seg_blocks.0.block.0.block.0.weight", (6.0 / (9.0 * 256.0_f64)).sqrt()),
        ("segmentation_head.0.weight", (6.0 / (128.0 + 5.0_f64)).sqrt()),
    ] {
        assert!(most(name) <= bound && most(name) > 0.98 * bound, "{name}: {}", most(name));
    }
    for name in ["decoder.p5.bias", "decoder.p2.skip_conv.bias", "segmentation_head.0.bias"] {
        assert_eq!(most(name), 0.0, "{name}");
    }
    assert_eq!(most("decoder.seg_blocks.0.block.0.block.1.weight"), 1.0);
    // Kaiming-normal with fan-out.
    let index = net.params().index("encoder.model.layer4.0.conv3.weight").unwrap();
    let deviation = net.params().tensor(index).std(true).double_value(&[]);
    assert!((deviation / (2.0 / 2048.0_f64).sqrt() - 1.0).abs() < 0.01, "{deviation}");
}
