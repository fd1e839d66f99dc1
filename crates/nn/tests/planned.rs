//! Compares the planned step with autograd in float64, on 60 random networks of the family and on
//! 18 whose output is a map, with one to three threads. Losses, gradients of all trained values and
//! running statistics agree to a billionth, and so do the logits in evaluation afterwards.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use res2lab_arch::{
    BlockKind, Downsample, Family, FirstBlock, HeadKind, Input, MergePolicy, ModelOverrides, Stem,
    build,
};
use res2lab_nn::objective::IGNORED;
use res2lab_nn::{
    AutogradStep, Engine, GradScale, Inference, Layout, Mode, Net, Objective, Placement,
    PlannedStep, Rates, Sgd, Step, Targets, init,
};
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

fn resnets() -> impl Strategy<Value = ModelOverrides> {
    let first = prop_oneof![Just(FirstBlock::Pool), Just(FirstBlock::Grouped)];
    let down = prop_oneof![Just(Downsample::Conv), Just(Downsample::Avg)];
    let stem =
        prop_oneof![3 => Just(Stem::Cifar), 1 => Just(Stem::Imagenet), 1 => Just(Stem::Deep)];
    let sizes =
        (prop::collection::vec(1..3_usize, 1..4), 1..9_usize, 1..5_usize, 10..40_usize, 1..3_usize);
    (sizes, first, down, stem, any::<bool>()).prop_map(
        |((blocks, scale, cardinality, width, stem_stride), first_block, downsample, stem, se)| {
            ModelOverrides {
                block: Some(BlockKind::Res2),
                stem_stride: (stem == Stem::Cifar).then_some(stem_stride),
                stem: Some(stem),
                blocks: Some(blocks),
                planes: Some(16),
                width: Some(width),
                scale: Some(scale),
                cardinality: Some(cardinality),
                first_block: Some(first_block),
                downsample: Some(downsample),
                se: Some(se),
                ..ModelOverrides::default()
            }
        },
    )
}

fn dlas() -> impl Strategy<Value = ModelOverrides> {
    (1..5_usize, 1..3_usize).prop_map(|(scale, cardinality)| ModelOverrides {
        family: Some(Family::Dla),
        block: Some(BlockKind::Res2),
        stem: Some(Stem::Cifar),
        scale: Some(scale),
        cardinality: Some(cardinality),
        width: Some(4),
        ..ModelOverrides::default()
    })
}

/// Networks with every head, over every kind of backbone.
fn denses() -> impl Strategy<Value = ModelOverrides> {
    let heads = prop::sample::select(vec![
        HeadKind::Fpn,
        HeadKind::DeepLabV3,
        HeadKind::DeepLabV3Plus,
        HeadKind::Unet,
    ]);
    let merge = prop::sample::select(vec![MergePolicy::Add, MergePolicy::Cat]);
    let backbone = (resnets(), 1..3_usize, prop_oneof![Just(Stem::Imagenet), Just(Stem::Deep)]);
    let numbers = (1..4_usize, prop::collection::vec(1..9_usize, 3), 1..13_usize);
    let flags = any::<[bool; 3]>();
    (backbone, heads, merge, numbers, flags).prop_map(
        |((words, last, stem), head, merge, (channels, rates, few), [coarse, separable, plain])| {
            let is_deeplab = matches!(head, HeadKind::DeepLabV3 | HeadKind::DeepLabV3Plus);
            let is_fpn = head == HeadKind::Fpn;
            let decoder = if head == HeadKind::Unet { 5 } else { 1 };
            ModelOverrides {
                block: Some(if plain { BlockKind::Bottleneck } else { BlockKind::Res2 }),
                scale: if plain { Some(1) } else { words.scale },
                stem: Some(stem),
                stem_stride: None,
                blocks: Some(vec![1, last, 1, 3 - last]),
                planes: Some(8),
                head: Some(head),
                output_stride: is_deeplab.then_some(if coarse { 16 } else { 8 }),
                pyramid_channels: is_fpn.then_some(5 * few),
                segmentation_channels: is_fpn.then_some(32 * channels),
                merge_policy: is_fpn.then_some(merge),
                decoder_channels: (!is_fpn).then(|| (0..decoder).map(|i| few + i).collect()),
                atrous_rates: is_deeplab.then_some(rates),
                aspp_separable: is_deeplab.then_some(separable),
                head_dropout: (head != HeadKind::Unet).then_some(0.3),
                ..words
            }
        },
    )
}

/// The same for a network whose output is a map, where a fifth of the pixels have no class.
fn dense_batch(n: usize, input: Input, seed: u64) -> (Tensor, Targets) {
    let (images, _) = batch(n, input, seed);
    let key = Key::new(seed).named("labels");
    let label = |i: usize| match key.uniform(i as u64) {
        draw if draw < 0.2 => IGNORED,
        draw => (draw * 1e6) as i64 % input.classes as i64,
    };
    let labels: Vec<i64> = (0..n * input.height * input.width).map(label).collect();
    let shape = [n, input.height, input.width].map(|x| x as i64);
    (images, Targets::plain(Tensor::from_slice(&labels).view(shape)))
}

/// Pixels and labels that depend on `seed` and on their index only.
fn batch(n: usize, input: Input, seed: u64) -> (Tensor, Targets) {
    let pixels = n * input.channels * input.height * input.width;
    let pixels: Vec<f64> =
        (0..pixels).map(|i| 2.0 * Key::new(seed).uniform(i as u64) - 1.0).collect();
    let shape = [n, input.channels, input.height, input.width].map(|x| x as i64);
    let labels: Vec<i64> =
        (0..n).map(|i| ((seed as usize + 3 * i) % input.classes) as i64).collect();
    (Tensor::from_slice(&pixels).view(shape), Targets::plain(Tensor::from_slice(&labels)))
}

fn net(words: &ModelOverrides, input: Input, kind: Kind, seed: u64) -> Net {
    let spec = words.resolve().unwrap_or_else(|e| panic!("{words:?}: {e}")).0;
    let graph = build(&spec, input).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    let mut net = Net::new(
        graph,
        Placement {
            device: Device::Cpu,
            kind,
            layout: Layout::Contiguous,
            engine: Engine::Planned,
        },
    )
    .unwrap();
    init::init(net.params_mut(), seed);
    net
}

/// The largest deviation of `ours`, relative to the largest absolute value of `theirs`.
fn deviation(ours: &Tensor, theirs: &Tensor) -> f64 {
    let most = theirs.abs().max().double_value(&[]).max(1e-12);
    (ours - theirs).abs().max().double_value(&[]) / most
}

/// Runs two steps of each engine. The gradients of the first step overwrite earlier values (NaN in
/// the planned step's network), those of the second are added, and running statistics are updated
/// twice.
fn compare(words: &ModelOverrides, input: Input, n: usize, seed: u64) {
    let nets = [0, 1].map(|_| net(words, input, Kind::Double, seed));
    compare_nets(&format!("{words:?}"), nets, input, n, seed);
}

/// As [`compare`], for two equal networks.
fn compare_nets(name: &str, mut nets: [Net; 2], input: Input, n: usize, seed: u64) {
    let mut steps: [Box<dyn Step>; 2] = [
        Box::new(AutogradStep::new(Objective::cross_entropy(0.1))),
        Box::new(PlannedStep::new(Objective::cross_entropy(0.1))),
    ];
    assert!(PlannedStep::fits(&nets[1]));
    for i in 0..nets[1].params().entries().len() {
        let _ = nets[1].params().grad(i).map(|grad| grad.shallow_clone().fill_(f64::NAN));
    }
    for round in 0..2 {
        let is_dense = nets[0].graph().is_dense();
        let batch = if is_dense { dense_batch } else { batch };
        let (images, targets) = batch(n, input, seed + round);
        let [theirs, ours] = [0, 1].map(|i: usize| {
            let scale = GradScale { batch_share: 0.5, loss_scale: None, accumulates: round > 0 };
            steps[i].forward_backward(&mut nets[i], &images, &targets, scale)
        });
        let off = deviation(&ours.logits, &theirs.logits).max(deviation(&ours.loss, &theirs.loss));
        assert!(off < 1e-9, "{name}, {n} images: logits or loss off by {off:.1e}");
    }
    let [theirs, ours] = [nets[0].params(), nets[1].params()];
    for (i, entry) in theirs.entries().iter().enumerate() {
        let pair = match (ours.grad(i), theirs.grad(i)) {
            (Some(a), Some(b)) => deviation(a, b),
            _ => deviation(ours.tensor(i), theirs.tensor(i)),
        };
        assert!(pair < 1e-9, "{name}, {n} images: {} off by {pair:.1e}", entry.name);
    }
    evaluate(name, &nets[0], batch(n, input, seed).0);
}

/// Runs inference on all images at once, on two at a time, where the last batch may be smaller, and
/// on one at a time, where several threads divide the image among themselves.
fn evaluate(name: &str, net: &Net, images: Tensor) {
    let plain = tch::no_grad(|| net.logits(&images, Mode::Eval));
    for batch in [images.size()[0] as usize, 2, 1] {
        let off = deviation(&Inference::new(net, batch).logits(&images), &plain);
        assert!(off < 1e-9, "{name}, {batch} at a time: evaluation off by {off:.1e}");
    }
}

fn check(words: impl Strategy<Value = ModelOverrides>, count: u64, side: usize) {
    let mut runner = TestRunner::deterministic();
    for seed in 0..count {
        let words = words.new_tree(&mut runner).unwrap().current();
        let threads = 1 + seed as i32 % 3;
        tch::set_num_threads(threads);
        compare(
            &words,
            Input { classes: 7, ..Input::square(side, 7) },
            3 + seed as usize % 4,
            seed,
        );
    }
}

#[test]
fn gradients_are_autograds_on_random_resnets() {
    check(resnets(), 45, 33);
}

/// A network that trains on images of several sizes: each is planned anew, and evaluation keeps the
/// size of the network.
#[test]
fn gradients_at_other_sizes_are_autograds() {
    let words = ModelOverrides {
        blocks: Some(vec![1, 2]),
        stem: Some(Stem::Cifar),
        ..ModelOverrides::default()
    };
    let spec = words.resolve().unwrap().0;
    let whole = Input { classes: 7, ..Input::square(16, 7) };
    let mut nets = [0, 1].map(|_| net(&words, whole, Kind::Double, 5));
    let mut autograd = AutogradStep::new(Objective::cross_entropy(0.1));
    let mut planned = PlannedStep::new(Objective::cross_entropy(0.1));
    let rates = res2lab_arch::NoiseRates { drop_path: 0.4, dropout: 0.2 };
    for side in [12, 20, 12] {
        let input = Input { height: side, width: side, ..whole };
        let graph = build(&spec, input).unwrap();
        nets.iter_mut().for_each(|net| net.train_as(graph.clone(), rates));
        let (images, targets) = batch(4, input, 5);
        let theirs =
            autograd.forward_backward(&mut nets[0], &images, &targets, GradScale::ONE).loss;
        let ours = planned.forward_backward(&mut nets[1], &images, &targets, GradScale::ONE).loss;
        assert!(deviation(&ours, &theirs) < 1e-9, "{side}: {ours:?} and {theirs:?}");
        for i in 0..nets[0].params().entries().len() {
            let [theirs, ours] = [0, 1].map(|net: usize| nets[net].params());
            if let (Some(ours), Some(theirs)) = (ours.grad(i), theirs.grad(i)) {
                let off = deviation(ours, theirs);
                assert!(off < 1e-9, "{side}: entry {i} off by {off:.1e}");
            }
        }
    }
    evaluate("other sizes", &nets[1], batch(4, whole, 5).0);
}

#[test]
fn gradients_are_autograds_on_random_dlas() {
    check(dlas(), 15, 32);
}

#[test]
fn gradients_are_autograds_on_random_networks_with_maps() {
    check(denses(), 18, 64);
}

/// Twenty steps as in a trial, with label smoothing, weight decay and Nesterov momentum.
#[test]
fn twenty_steps_give_the_references_losses() {
    let words = ModelOverrides {
        block: Some(BlockKind::Res2),
        depth: Some(11),
        planes: Some(8),
        stem: Some(Stem::Cifar),
        ..ModelOverrides::default()
    };
    let input = Input { classes: 10, ..Input::square(16, 10) };
    tch::set_num_threads(2);
    let sgd = Sgd { weight_decay: 5e-4, decay_weights_only: false, nesterov: true };
    let losses = |mut step: Box<dyn Step>| -> Vec<f64> {
        let mut net = net(&words, input, Kind::Double, 3);
        let run = |i: u64| {
            let (images, targets) = batch(16, input, i);
            let loss = step.forward_backward(&mut net, &images, &targets, GradScale::ONE).loss;
            sgd.step(net.params_mut(), Rates { lr: 0.05, momentum: 0.9 }, i == 0, None).unwrap();
            loss.double_value(&[])
        };
        (0..20).map(run).collect()
    };
    let theirs = losses(Box::new(AutogradStep::new(Objective::cross_entropy(0.1))));
    let ours = losses(Box::new(PlannedStep::new(Objective::cross_entropy(0.1))));
    for (a, b) in ours.iter().zip(&theirs) {
        assert!((a - b).abs() <= 1e-9 * b.abs(), "{a} against {b}");
    }
    assert!(theirs[19] != theirs[0]);
}

#[test]
fn the_same_batch_gives_the_same_bits() {
    let words = ModelOverrides {
        blocks: Some(vec![1, 1]),
        stem: Some(Stem::Cifar),
        ..ModelOverrides::default()
    };
    let input = Input::square(20, 7);
    let (images, targets) = batch(6, input, 1);
    let run = |threads: i32| {
        tch::set_num_threads(threads);
        let mut net = net(&words, input, Kind::Float, 5);
        PlannedStep::new(Objective::cross_entropy(0.0)).forward_backward(
            &mut net,
            &images.to_kind(Kind::Float),
            &targets,
            GradScale::ONE,
        );
        weights(&net)
    };
    assert!(run(1) == run(1) && run(2) == run(2));
}

fn weights(net: &Net) -> Vec<Vec<f32>> {
    let grads = (0..net.params().entries().len()).filter_map(|i| net.params().grad(i));
    grads.map(|grad| Vec::try_from(grad.contiguous().flatten(0, -1)).unwrap()).collect()
}
