//! Agreement with timm and with a plain PyTorch reference on 27 networks, in float64 and in
//! float32.
//!
//! RES2LAB_GOLDEN names the file of reference values; the default is the copy beside this test. A
//! network is built from the `args` of its entry if there are any, otherwise from the entry's name.
//! Weights and images are filled by the rule in `tests/golden.md`.

mod filled;
#[path = "filled/weight.rs"]
mod weight;

use filled::fill;
use res2lab_arch::{Input, ModelOverrides, build};
use res2lab_nn::{
    AutogradStep, Engine, GradScale, Inference, Layout, Mode, Net, Objective, Placement,
    PlannedStep, Step, Targets,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use weight::fill_net;

/// Large networks that are compared in float32 too. The others are if `RES2LAB_CASES` is set, since
/// float64 has shown that they are right.
const IN_FLOAT32: [&str; 7] = [
    "resnext50_32x4d",
    "seresnet50",
    "dla60_res2net",
    "res2net50_26w_4s",
    "res2net50_14w_8s",
    "res2next50",
    "res2net50d",
];

struct Golden {
    name: String,
    value: Value,
}

fn golden() -> Vec<Golden> {
    let path = std::env::var("RES2LAB_GOLDEN")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.json").into());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let map: serde_json::Map<String, Value> =
        serde_json::from_str(&text).expect("an object of networks");
    map.into_iter().map(|(name, value)| Golden { name, value }).collect()
}

/// The networks to compare in float32: small ones, and some of the large ones.
fn in_float32() -> impl Iterator<Item = Golden> {
    let are_all = std::env::var_os("RES2LAB_CASES").is_some();
    let is_small = |g: &Golden| g.value["size"] == 32;
    let is_chosen = move |g: &Golden| are_all || is_small(g) || IN_FLOAT32.contains(&&g.name[..]);
    golden().into_iter().filter(is_chosen)
}

fn network(g: &Golden) -> (res2lab_arch::Graph, Input) {
    let size = g.value["size"].as_u64().expect("size") as usize;
    let Some(args) = g.value.get("args") else {
        let entry = res2lab_arch::zoo::find(&g.name).unwrap_or_else(|e| panic!("{}: {e}", g.name));
        let input = Input { height: size, width: size, ..entry.input };
        return (build(&entry.words.resolve().unwrap().0, input).unwrap(), input);
    };
    let mut words = args.as_object().expect("args").clone();
    let number =
        |v: Option<Value>, default| v.map_or(default, |v| v.as_u64().expect("a count") as usize);
    let classes = number(words.remove("classes"), 1000);
    let channels = number(words.remove("in_channels"), 3);
    words.insert("block".into(), json!("res2"));
    words.entry("stem").or_insert(json!("cifar"));
    let words: ModelOverrides =
        serde_json::from_value(words.into()).expect("the reference's arguments are words");
    let input = Input { channels, height: size, width: size, classes };
    (build(&words.resolve().unwrap().0, input).unwrap(), input)
}

fn filled(g: &Golden, kind: Kind, layout: Layout) -> (Net, Tensor) {
    let (graph, input) = network(g);
    let mut net =
        Net::new(graph, Placement { device: Device::Cpu, kind, layout, engine: engine_of(layout) })
            .unwrap();
    fill_net(&mut net);
    let shape = [2, input.channels as i64, input.height as i64, input.width as i64];
    let pixels: Vec<f64> =
        fill("input", shape.iter().product::<i64>() as usize).iter().map(|v| v * 2.0).collect();
    let images = net.prepare(&Tensor::from_slice(&pixels).view(shape));
    (net, images)
}

/// The largest relative deviations: those of logits relative to the standard deviation of the
/// logits, those of losses and gradient norms relative to the reference value.
#[derive(Default, Debug)]
struct Deviation {
    logits: f64,
    loss: f64,
    gradient: f64,
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "logits {:.1e}, loss {:.1e}, gradient norms {:.1e}",
            self.logits, self.loss, self.gradient
        )
    }
}

/// Logits by autograd's operators.
fn by_autograd(net: &Net, images: &Tensor) -> Tensor {
    tch::no_grad(|| net.logits(images, Mode::Eval))
}

/// Logits of the planned evaluation, with norms folded into convolutions.
fn folded(net: &Net, images: &Tensor) -> Tensor {
    Inference::new(net, 2).logits(images)
}

fn compare(
    g: &Golden,
    kind: Kind,
    layout: Layout,
    evaluate: fn(&Net, &Tensor) -> Tensor,
    step: &mut dyn Step,
) -> Deviation {
    let (mut net, images) = filled(g, kind, layout);
    let logits = evaluate(&net, &images);
    let mut worst = Deviation { logits: of_logits(g, &logits), ..Deviation::default() };

    let labels = Tensor::from_slice(&[1_i64, 3]);
    let step = step.forward_backward(&mut net, &images, &Targets::plain(labels), GradScale::ONE);
    worst.loss = relative(scalar(&step.loss), number(&g.value["train_loss"]));
    for (name, theirs) in g.value["train_grad_norm"].as_object().expect("norms") {
        let index = net.params().index(name).unwrap_or_else(|| panic!("{}: no {name}", g.name));
        let norm = scalar(&net.params().grad(index).expect("trained").to_kind(Kind::Double).norm());
        worst.gradient = worst.gradient.max(relative(norm, number(theirs)));
    }
    worst
}

fn number(v: &Value) -> f64 {
    v.as_f64().expect("a number")
}

fn scalar(t: &Tensor) -> f64 {
    t.double_value(&[])
}

fn relative(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / theirs.abs()
}

fn of_logits(g: &Golden, logits: &Tensor) -> f64 {
    let logits = logits.to_kind(Kind::Double);
    let mut worst: f64 = 0.0;
    let spread = number(&g.value["eval_std"]);
    for (image, row) in g.value["eval_logits"].as_array().expect("rows").iter().enumerate() {
        for (class, theirs) in row.as_array().expect("logits").iter().enumerate() {
            let ours = logits.double_value(&[image as i64, class as i64]);
            worst = worst.max((ours - number(theirs)).abs() / spread);
        }
    }
    let mean = scalar(&logits.mean(Kind::Double));
    worst = worst.max((mean - number(&g.value["eval_mean"])).abs() / spread);
    worst.max(relative(scalar(&logits.std(true)), spread))
}

#[test]
fn names_shapes_and_counts_are_the_published_ones_in_order() {
    for g in golden() {
        let (graph, _) = network(&g);
        let ours: Vec<_> = graph.state.iter().map(|e| json!([e.name, e.shape])).collect();
        let theirs = g.value["state"].as_array().expect("state");
        assert_eq!(ours.len(), theirs.len(), "{}", g.name);
        for (a, b) in ours.iter().zip(theirs) {
            assert_eq!(a, b, "{}", g.name);
        }
        assert_eq!(
            res2lab_arch::cost(&graph).parameters,
            g.value["parameters"].as_u64().expect("a count"),
            "{}",
            g.name
        );
    }
}

#[test]
fn float64_agrees_to_a_billionth() {
    for g in golden() {
        let d = compare(
            &g,
            Kind::Double,
            Layout::Contiguous,
            by_autograd,
            &mut AutogradStep::new(Objective::cross_entropy(0.1)),
        );
        println!("{:28} {d}", g.name);
        assert!(d.logits <= 1e-9 && d.loss <= 1e-9 && d.gradient <= 1e-9, "{}: {d:?}", g.name);
    }
}

#[test]
fn the_planned_step_and_evaluation_agree_in_float64_to_a_billionth() {
    for g in golden() {
        let d = compare(
            &g,
            Kind::Double,
            Layout::Contiguous,
            folded,
            &mut PlannedStep::new(Objective::cross_entropy(0.1)),
        );
        println!("{:28} {d}", g.name);
        assert!(d.logits <= 1e-9 && d.loss <= 1e-9 && d.gradient <= 1e-9, "{}: {d:?}", g.name);
    }
}

#[test]
fn the_planned_step_and_evaluation_agree_in_float32_as_closely_as_pytorchs_own() {
    for g in in_float32() {
        let d = compare(
            &g,
            Kind::Float,
            Layout::Contiguous,
            folded,
            &mut PlannedStep::new(Objective::cross_entropy(0.1)),
        );
        println!("{:28} {d}", g.name);
        assert!(d.logits <= 1e-4 && d.loss <= 1e-4 && d.gradient <= 5e-2, "{}: {d:?}", g.name);
    }
}

#[test]
fn float32_agrees_as_closely_as_pytorchs_own() {
    for g in in_float32() {
        for layout in [Layout::Contiguous, Layout::ChannelsLast] {
            let d = compare(
                &g,
                Kind::Float,
                layout,
                by_autograd,
                &mut AutogradStep::new(Objective::cross_entropy(0.1)),
            );
            println!("{:28} {:13} {d}", g.name, layout.name());
            assert!(
                d.logits <= 1e-4 && d.loss <= 1e-4 && d.gradient <= 5e-2,
                "{} {layout:?}: {d:?}",
                g.name
            );
        }
    }
}

/// The engine for a layout on a CPU.
fn engine_of(layout: Layout) -> Engine {
    if layout == Layout::Contiguous { Engine::Planned } else { Engine::Autograd }
}
