//! The planned step in bfloat16 beside libtorch's autocast: how far both are from float64.

use res2lab_arch::{BlockKind, Input, ModelOverrides, Stem, build};
use res2lab_nn::{
    AutogradStep, Engine, GradScale, Inference, Layout, Mode, Net, Objective, Placement,
    PlannedStep, Step, Targets, init,
};
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

const BATCH: usize = 8;

fn net(words: &ModelOverrides, input: Input, kind: Kind, engine: Engine) -> Net {
    let graph = build(&words.resolve().unwrap().0, input).unwrap();
    let layout = Layout::Contiguous;
    let placement = Placement { device: Device::Cpu, kind, layout, engine };
    let mut net = Net::new(graph, placement).unwrap();
    init::init(net.params_mut(), 1);
    net
}

fn batch(input: Input) -> (Tensor, Targets) {
    let pixels = BATCH * input.channels * input.height * input.width;
    let pixels: Vec<f64> = (0..pixels).map(|i| 2.0 * Key::new(2).uniform(i as u64) - 1.0).collect();
    let shape = [BATCH, input.channels, input.height, input.width].map(|n| n as i64);
    let labels: Vec<i64> = (0..BATCH).map(|i| (i % input.classes) as i64).collect();
    (Tensor::from_slice(&pixels).view(shape), Targets::plain(Tensor::from_slice(&labels)))
}

/// The logits, all gradients in one vector, and the logits in evaluation, in float64.
fn results(net: &mut Net, mut step: impl Step, input: Input, folded: bool) -> [Tensor; 3] {
    let (images, targets) = batch(input);
    let images = images.to_kind(net.placement().kind);
    let loss = step.forward_backward(net, &images, &targets, GradScale::ONE);
    let grads = (0..net.params().entries().len()).filter_map(|i| net.params().grad(i));
    let grads: Vec<Tensor> = grads.map(|grad| grad.contiguous().flatten(0, -1)).collect();
    let evaluated = match folded {
        true => Inference::new(net, BATCH).logits(&images),
        false => tch::no_grad(|| net.logits(&images, Mode::Eval)),
    };
    [loss.logits, Tensor::cat(&grads, 0), evaluated].map(|tensor| tensor.to_kind(Kind::Double))
}

/// The Euclidean norm of the difference, relative to that of the second.
fn deviation(ours: &Tensor, theirs: &Tensor) -> f64 {
    let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
    norm(&(ours - theirs)) / norm(theirs)
}

#[test]
fn rounding_errors_are_at_most_those_of_autocast() {
    let res2 = ModelOverrides {
        block: Some(BlockKind::Res2),
        stem: Some(Stem::Cifar),
        depth: Some(11),
        planes: Some(16),
        ..ModelOverrides::default()
    };
    let bottleneck = ModelOverrides {
        block: Some(BlockKind::Bottleneck),
        stem: Some(Stem::Imagenet),
        blocks: Some(vec![1, 1, 1]),
        planes: Some(16),
        ..ModelOverrides::default()
    };
    let se = ModelOverrides { se: Some(true), cardinality: Some(2), ..res2.clone() };
    tch::set_num_threads(2);
    for (name, words, side) in [("res2", res2, 24), ("bottleneck", bottleneck, 48), ("se", se, 24)]
    {
        let input = Input { classes: 10, ..Input::square(side, 10) };
        let objective = || Objective::cross_entropy(0.1);
        let autograd = || AutogradStep::new(objective());
        let mut exact = net(&words, input, Kind::Double, Engine::Autograd);
        let exact = results(&mut exact, autograd(), input, false);
        let mut theirs = net(&words, input, Kind::Float, Engine::Autograd);
        theirs.set_autocast(Some(Kind::BFloat16));
        let theirs = results(&mut theirs, autograd(), input, false);
        let mut ours = net(&words, input, Kind::Float, Engine::Planned);
        ours.set_autocast(Some(Kind::BFloat16));
        let ours = results(&mut ours, PlannedStep::new(objective()), input, true);
        for (i, what) in ["logits", "gradients", "evaluation"].into_iter().enumerate() {
            let [ours, theirs] = [&ours, &theirs].map(|results| deviation(&results[i], &exact[i]));
            println!("{name}, {what}: {ours:.2e}, autocast {theirs:.2e}");
            assert!(ours > 1e-5, "{name}, {what}: nothing was rounded");
            assert!(ours <= 1.2 * theirs, "{name}, {what}: {ours:.2e} against {theirs:.2e}");
        }
    }
}
