//! Initial weights, saving and loading, taps, and the optimizer, on a small network.

use res2lab_arch::{Input, ModelOverrides, Role, build};
use res2lab_nn::{
    AutogradStep, Engine, GradScale, Layout, Mode, Net, Objective, Placement, Rates, Sgd, Step,
    Targets, init, weights,
};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn net(scale: usize, layout: Layout) -> Net {
    let words: ModelOverrides = serde_json::from_value(serde_json::json!({
        "stem": "cifar", "depth": 20, "planes": 8, "width": 26, "scale": scale, "se": true
    }))
    .unwrap();
    let graph = build(
        &words.resolve().unwrap().0,
        Input { channels: 1, height: 12, width: 12, classes: 10 },
    )
    .unwrap();
    let mut net = Net::new(
        graph,
        Placement { device: Device::Cpu, kind: Kind::Double, layout, engine: engine_of(layout) },
    )
    .unwrap();
    init::init(net.params_mut(), 3);
    net
}

fn images() -> Tensor {
    Tensor::arange(4 * 144, (Kind::Double, Device::Cpu)).sin().view([4, 1, 12, 12])
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn weights_are_drawn_as_published_and_shared_by_networks_that_share_names() {
    let net2 = net(2, Layout::Contiguous);
    let net4 = net(4, Layout::ChannelsLast);
    for (index, entry) in net4.params().entries().iter().enumerate() {
        let tensor = net4.params().tensor(index);
        let mean = tensor.mean(Kind::Double).double_value(&[]);
        let n = entry.elements() as f64;
        match entry.role {
            Role::ConvWeight => {
                let fan_out = (entry.shape[0] * entry.shape[2] * entry.shape[3]) as f64;
                let expected = (2.0 / fan_out).sqrt();
                let square = tensor.square().mean(Kind::Double).double_value(&[]).sqrt();
                // Tolerances are five standard errors of a mean and of a standard deviation.
                assert!(mean.abs() < 5.0 * expected / n.sqrt(), "{}: mean {mean}", entry.name);
                assert!(
                    (square / expected - 1.0).abs() < 5.0 / (2.0 * n).sqrt(),
                    "{}: {square}",
                    entry.name
                );
            }
            Role::NormWeight | Role::RunningVar => {
                assert_eq!((mean, tensor.std(false).double_value(&[])), (1.0, 0.0))
            }
            Role::NormBias | Role::RunningMean => {
                assert_eq!(tensor.abs().max().double_value(&[]), 0.0)
            }
            Role::LinearWeight | Role::LinearBias | Role::ConvBias => {
                assert!(
                    tensor.abs().max().double_value(&[]) <= 1.0
                        && tensor.std(false).double_value(&[]) > 0.0
                );
            }
        }
    }
    let shared = |net: &Net| {
        net.params().tensor(net.params().index("layer1.0.convs.0.weight").unwrap()).copy()
    };
    assert_eq!(shared(&net2), shared(&net4));
}

#[test]
fn state_goes_out_and_in_whatever_the_layout() {
    let from = net(3, Layout::ChannelsLast);
    let bytes = weights::to_bytes(from.params(), true, "a header").unwrap();
    let path = Path::new("x.safetensors");
    let mut to = net(3, Layout::Contiguous);
    let twice = to.params().tensor(0) * 2.0;
    to.params_mut().set(0, &twice);
    weights::from_bytes(to.params_mut(), &bytes, path).unwrap();
    assert_eq!(weights::header(&bytes, path).unwrap(), "a header");
    assert_eq!(weights::to_bytes(to.params(), true, "a header").unwrap(), bytes);
    let a = from.logits(&images(), Mode::Eval);
    let b = to.logits(&images(), Mode::Eval);
    assert!(largest_difference(&a, &b) < 1e-12);

    let e = weights::from_bytes(net(4, Layout::Contiguous).params_mut(), &bytes, path).unwrap_err();
    assert!(e.cause.contains("x.safetensors") && e.cause.contains("layer1.0"), "{e}");
}

#[test]
fn a_checkpoint_with_a_changed_byte_is_damaged() {
    let from = net(3, Layout::Contiguous);
    let bytes = weights::to_bytes(from.params(), true, "{\"step\":7}").unwrap();
    let path = Path::new("last.safetensors");
    assert!(weights::verify(&bytes, path).unwrap());
    // Every byte of the first 2000, which belong to the header, then every 997th.
    let places = (0..2000).chain((2000..bytes.len()).step_by(997));
    for (i, at) in places.enumerate() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (i % 8);
        let refused = weights::verify(&changed, path).is_err();
        // A change in the key or the separator of the checksum disables it; the state is intact.
        let same_state = || {
            let mut to = net(3, Layout::Contiguous);
            weights::from_bytes(to.params_mut(), &changed, path).is_ok()
                && weights::to_bytes(to.params(), true, "{\"step\":7}").unwrap() == bytes
        };
        assert!(refused || same_state(), "byte {at}");
    }
}

#[test]
fn taps_give_a_nodes_result_and_change_nothing() {
    let net = net(4, Layout::ChannelsLast);
    let names = ["layer1.1.sum.1", "layer1.1.bns.0", "layer1.1.split.3", "layer2.0.add", "layer3"];
    let taps: Vec<_> = names.iter().map(|name| net.graph().find(name).unwrap()).collect();
    let plain = net.logits(&images(), Mode::Eval);
    let tapped = net.forward(&images(), Mode::Eval, &taps);
    assert_eq!(tapped.logits, plain);
    for (tap, (name, id)) in tapped.taps.iter().zip(names.iter().zip(&taps)) {
        let shape = net.graph().node(*id).shape;
        assert_eq!(
            tap.size(),
            [4, shape.channels as i64, shape.height as i64, shape.width as i64],
            "{name}"
        );
    }
    // A tapped norm or sum keeps its negative values, although the ReLU that follows may overwrite
    // its input.
    assert!(
        tapped.taps[1].min().double_value(&[]) < 0.0
            && tapped.taps[3].min().double_value(&[]) < 0.0
    );
}

/// The expected values follow the equations of torch.optim.SGD, for one parameter.
#[test]
fn steps_are_pytorchs_sgd_with_nesterov_and_decay() {
    let mut net = net(2, Layout::ChannelsLast);
    let labels = Targets::plain(Tensor::from_slice(&[0_i64, 1, 2, 3]));
    let index = net.params().index("layer1.0.conv1.weight").unwrap();
    let lr = 0.05;
    let momentum = 0.9;
    let weight_decay = 1e-2;
    let sgd = Sgd { weight_decay, decay_weights_only: false, nesterov: true };
    let mut expected = net.params().tensor(index).detach().copy();
    let mut buffer: Option<Tensor> = None;
    for step in 0..3 {
        AutogradStep::new(Objective::cross_entropy(0.1)).forward_backward(
            &mut net,
            &images(),
            &labels,
            GradScale::ONE,
        );
        let grad = net.params().grad(index).unwrap() + &expected * weight_decay;
        let new = match buffer {
            Some(old) => old * momentum + &grad,
            None => grad.copy(),
        };
        expected -= (grad + &new * momentum) * lr;
        buffer = Some(new);
        sgd.step(net.params_mut(), Rates { lr, momentum }, step == 0, None).unwrap();
        assert!(largest_difference(net.params().tensor(index), &expected) < 1e-12, "step {step}");
    }
}

#[test]
fn gradients_of_parts_add_up() {
    let mut net = net(2, Layout::ChannelsLast);
    let labels = Targets::plain(Tensor::from_slice(&[0_i64, 1, 2, 3]));
    let mut step = AutogradStep::new(Objective::cross_entropy(0.0));
    let index = net.params().index("fc.weight").unwrap();
    step.forward_backward(&mut net, &images(), &labels, GradScale::ONE);
    let once = net.params().grad(index).unwrap().copy();
    for adds in [false, true] {
        step.forward_backward(
            &mut net,
            &images(),
            &labels,
            GradScale { batch_share: 0.5, loss_scale: None, accumulates: adds },
        );
    }
    assert!(largest_difference(net.params().grad(index).unwrap(), &once) < 1e-12);
}

/// The engine for a layout on a CPU.
fn engine_of(layout: Layout) -> Engine {
    if layout == Layout::Contiguous { Engine::Planned } else { Engine::Autograd }
}
