//! Fifty steps of a small Res2Net with each optimizer and way of clipping, against timm and
//! PyTorch: on the planned step and by autograd, in float64 and in float32.
//!
//! `crates/bench/checks/recipes.py` writes the fixture.

mod filled;
#[path = "filled/weight.rs"]
mod weight;

use filled::fill;
use res2lab_arch::{Input, ModelOverrides, NoiseRates, build};
use res2lab_nn::{
    Engine, GradScale, Lamb, Layout, Method, Net, Noise, Objective, Optimizer, Placement, Rates,
    Targets, step,
};
use res2lab_random::Key;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use weight::fill_net;

const BATCH: usize = 8;
const SIDE: usize = 48;
const CLASSES: usize = 10;

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipes.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn network(kind: Kind, engine: Engine) -> Net {
    let words: ModelOverrides = serde_json::from_value(json!({
        "blocks": [1, 1, 1, 1], "planes": 8, "width": 26, "scale": 4
    }))
    .unwrap();
    let input = Input { classes: CLASSES, ..Input::square(SIDE, CLASSES) };
    let graph = build(&words.resolve().unwrap().0, input).unwrap();
    let layout = if engine == Engine::Planned { Layout::Contiguous } else { Layout::ChannelsLast };
    let mut net = Net::new(graph, Placement { device: Device::Cpu, kind, layout, engine }).unwrap();
    fill_net(&mut net);
    net
}

fn batch(net: &Net, at: usize) -> (Tensor, Targets) {
    let name = format!("images {}", at % 8);
    let pixels = fill(&name, BATCH * 3 * SIDE * SIDE);
    let side = SIDE as i64;
    let images = Tensor::from_slice(&pixels).view([BATCH as i64, 3, side, side]) * 2.0;
    let labels: Vec<i64> = (0..BATCH).map(|i| ((3 * i + at) % CLASSES) as i64).collect();
    (net.prepare(&images), Targets::plain(Tensor::from_slice(&labels)))
}

/// An optimizer, its rates, and what is done to the gradient before.
struct Case {
    optimizer: Optimizer,
    rates: Rates,
    clip: fn(&mut Net),
    noise: NoiseRates,
}

fn case(name: &str) -> Case {
    let sgd = (Method::Sgd { nesterov: true }, 1e-3, 1e-5);
    let lamb = Lamb {
        beta2: 0.999,
        eps: 1e-3,
        max_grad_norm: 1.0,
        trust_clip: name.contains("trust clip"),
        always_adapt: false,
    };
    let (method, weight_decay, mut lr) = match name.split(',').next().unwrap() {
        "sgd" => sgd,
        "adamw" => (Method::AdamW { beta2: 0.999, eps: 1e-3 }, 0.05, 4e-6),
        "lamb" if name.contains("always adapt") => {
            let lamb = Lamb { max_grad_norm: 0.0, always_adapt: true, ..lamb };
            (Method::Lamb(lamb), 0.02, 5e-6)
        }
        "lamb" => (Method::Lamb(lamb), 0.02, 5e-6),
        "rmsprop_tf" => (Method::RmsPropTf { alpha: 0.9, eps: 1e-3 }, 1e-4, 2e-6),
        other => panic!("{other}"),
    };
    let layer_decay = if name.contains("layer decay 0.7") { 0.7 } else { 1.0 };
    let clip: fn(&mut Net) = match name.split("clip ").nth(1) {
        Some("norm 0.5") => |net| _ = net.params_mut().clip_grads(0.5),
        Some("value 0.003") => |net| net.params_mut().clip_grad_values(0.003),
        Some("agc 0.02") => |net| net.params_mut().clip_grad_units(0.02),
        _ => |_| {},
    };
    let mut noise = NoiseRates::default();
    if name.contains("drop path") {
        noise = NoiseRates { drop_path: 0.4, dropout: 0.3 };
        lr = 3e-6;
    }
    if name == "sgd" {
        lr = 2e-6;
    }
    if name.contains("norm 0.5") || name.contains("agc") {
        lr = 1e-4;
    }
    Case {
        optimizer: Optimizer { method, weight_decay, decay_weights_only: true, layer_decay },
        rates: Rates { lr, momentum: 0.9 },
        clip,
        noise,
    }
}

/// The largest relative deviation of losses, and of norms and first values of tensors.
fn deviation(name: &str, expected: &Value, kind: Kind, engine: Engine) -> f64 {
    let Case { optimizer, rates, clip, noise } = case(name);
    let mut net = network(kind, engine);
    net.set_noise_rates(noise);
    optimizer.start(net.params_mut());
    let mut step = step::of_engine(&net, Objective::cross_entropy(0.1)).unwrap();
    let mut worst: f64 = 0.0;
    for (at, loss) in expected["losses"].as_array().unwrap().iter().enumerate() {
        let (images, targets) = batch(&net, at);
        net.set_noise(Noise::new(Key::new(3).with(at as u64), 0));
        let found = step.forward_backward(&mut net, &images, &targets, GradScale::ONE).loss;
        clip(&mut net);
        optimizer.step(net.params_mut(), rates, at, None).unwrap();
        let loss = loss.as_f64().unwrap();
        worst = worst.max((found.double_value(&[]) / loss - 1.0).abs());
    }
    for (name, values) in expected["tensors"].as_object().unwrap() {
        let tensor = net.params().tensor(net.params().index(name).unwrap());
        let norm = values[0].as_f64().unwrap();
        let found = tensor.to_kind(Kind::Double).norm().double_value(&[]);
        worst = worst.max((found / norm - 1.0).abs());
        let first = tensor.flatten(0, -1).double_value(&[0]);
        worst = worst.max((first - values[1].as_f64().unwrap()).abs() / norm);
    }
    worst
}

fn compare(kind: Kind, most: f64) {
    for (name, expected) in fixture()["runs"].as_object().unwrap() {
        for engine in [Engine::Planned, Engine::Autograd] {
            let off = deviation(name, expected, kind, engine);
            println!("{name:32} {kind:?} {engine:?} {off:.1e}");
            assert!(off <= most, "{name}, {kind:?}, {engine:?}: {off:e}");
        }
    }
}

#[test]
fn fifty_steps_are_those_of_timm_to_a_billionth() {
    compare(Kind::Double, 1e-9);
}

#[test]
fn fifty_steps_in_float32_are_those_of_timm_to_a_hundred_thousandth() {
    compare(Kind::Float, 1e-5);
}

/// The optimizer's state goes through a checkpoint, and the steps after it have the same bits.
#[test]
fn an_optimizer_goes_on_after_a_checkpoint_with_the_same_bits() {
    for name in ["adamw", "lamb", "rmsprop_tf"] {
        for engine in [Engine::Planned, Engine::Autograd] {
            let Case { optimizer, rates, .. } = case(name);
            let run = |net: &mut Net, steps: std::ops::Range<usize>| {
                let mut step = step::of_engine(net, Objective::cross_entropy(0.1)).unwrap();
                for at in steps {
                    let (images, targets) = batch(net, at);
                    step.forward_backward(net, &images, &targets, GradScale::ONE);
                    optimizer.step(net.params_mut(), rates, at, None).unwrap();
                }
            };
            let bytes = |net: &Net| res2lab_nn::weights::to_bytes(net.params(), true, "").unwrap();
            let mut whole = network(Kind::Float, engine);
            optimizer.start(whole.params_mut());
            run(&mut whole, 0..3);
            let saved = bytes(&whole);
            run(&mut whole, 3..5);
            let mut resumed = network(Kind::Float, engine);
            optimizer.start(resumed.params_mut());
            let path = std::path::Path::new("last.safetensors");
            res2lab_nn::weights::from_bytes(resumed.params_mut(), &saved, path).unwrap();
            run(&mut resumed, 3..5);
            assert!(bytes(&whole) == bytes(&resumed), "{name}, {engine:?}");
        }
    }
}

/// The bits do not depend on the number of threads.
#[test]
fn an_optimizer_steps_alike_with_any_number_of_threads() {
    let values = |name: &str, threads: i32| {
        let Case { optimizer, rates, .. } = case(name);
        let mut net = network(Kind::Float, Engine::Planned);
        optimizer.start(net.params_mut());
        tch::set_num_threads(threads);
        for index in 0..net.params().entries().len() {
            if let Some(grad) = net.params().grad(index) {
                let like = net.params().tensor(index).detach().sin();
                grad.shallow_clone().copy_(&like);
            }
        }
        optimizer.step(net.params_mut(), rates, 0, None).unwrap();
        tch::set_num_threads(1);
        res2lab_nn::weights::to_bytes(net.params(), true, "").unwrap()
    };
    for name in ["adamw", "lamb", "rmsprop_tf"] {
        assert!(values(name, 1) == values(name, 3), "{name}");
    }
}

/// One step on a gradient of ones moves each tensor by the learning rate of its layer, and decay
/// shows which tensors decay.
#[test]
fn layers_and_decay_are_grouped_as_by_timm() {
    for (name, expected) in fixture()["parts"].as_object().unwrap() {
        let entry = res2lab_arch::zoo::find(name).unwrap();
        let graph = build(&entry.words.resolve().unwrap().0, entry.input).unwrap();
        let placement = Placement {
            device: Device::Cpu,
            kind: Kind::Double,
            layout: Layout::Contiguous,
            engine: Engine::Planned,
        };
        let mut net = Net::new(graph, placement).unwrap();
        let first =
            |net: &Net, index: usize| net.params().tensor(index).flatten(0, -1).double_value(&[0]);
        let mut trained = 0;
        for index in 0..net.params().entries().len() {
            if let Some(grad) = net.params().grad(index) {
                let _ = grad.shallow_clone().fill_(1.0);
                let ones = net.params().tensor(index).ones_like();
                net.params_mut().set(index, &ones);
                trained += 1;
            }
        }
        let method = Method::Sgd { nesterov: false };
        let optimizer =
            Optimizer { method, weight_decay: 1.0, decay_weights_only: true, layer_decay: 0.5 };
        optimizer.step(net.params_mut(), Rates { lr: 0.125, momentum: 0.0 }, 0, None).unwrap();
        let expected = expected.as_object().unwrap();
        assert_eq!(expected.len(), trained, "{name}");
        for (tensor, of) in expected {
            let index = net.params().index(tensor).unwrap();
            let [scale, decay] = [0, 1].map(|i| of[i].as_f64().unwrap());
            assert_eq!(first(&net, index), 1.0 - 0.125 * scale * (1.0 + decay), "{name} {tensor}");
        }
    }
}
