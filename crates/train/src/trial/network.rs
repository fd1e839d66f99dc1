//! The network of a trial: its layout, its step, and the weights that it starts from.

use super::TrialOptions;
use crate::checkpoint::State;
use crate::gpu_record::checked;
use crate::identity;
use res2lab_arch::{Input, ModelSpec, NoiseRates};
use res2lab_error::Error;
use res2lab_experiment::Optimizer as Recipe;
use res2lab_experiment::{Bce, DecayOn, Loss, MemoryLayout, Precision, TrainSpec, TrialSpec};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_nn::{
    Conditions, Engine, Lamb, Layout, LossKind, Method, Net, Objective, Optimizer, Placement, Step,
    init,
};
use res2lab_store::PlannedTrial;
use std::path::Path;
use tch::{Device, Kind};

/// The step for this net and recipe.
pub(crate) fn step_of(net: &Net, train: &TrainSpec) -> Result<Box<dyn Step>, Error> {
    res2lab_nn::step::of_engine(net, objective(net, train))
}

/// The recipe's optimizer.
pub(crate) fn optimizer(train: &TrainSpec) -> Optimizer {
    let method = match train.optimizer {
        Recipe::Sgd { nesterov, .. } => Method::Sgd { nesterov },
        Recipe::Adamw { betas: [_, beta2], eps, .. } => Method::AdamW { beta2, eps },
        Recipe::Lamb {
            betas: [_, beta2], eps, max_grad_norm, trust_clip, always_adapt, ..
        } => Method::Lamb(Lamb { beta2, eps, max_grad_norm, trust_clip, always_adapt }),
        Recipe::RmspropTf { alpha, eps, .. } => Method::RmsPropTf { alpha, eps },
    };
    let (weight_decay, decay_on) = train.optimizer.decay();
    Optimizer {
        method,
        weight_decay,
        decay_weights_only: decay_on == DecayOn::Weights,
        layer_decay: train.layer_decay,
    }
}

/// What the recipe minimizes. The plan has checked that there is a weight for each class.
pub(crate) fn objective(net: &Net, train: &TrainSpec) -> Objective {
    let loss = match train.loss {
        Loss::CrossEntropy => LossKind::CrossEntropy,
        Loss::Bce(Bce { threshold, sum_classes }) => {
            LossKind::BinaryCrossEntropy { threshold, sum_classes }
        }
        Loss::Focal { gamma } => LossKind::Focal { gamma },
    };
    let placement = net.placement();
    let of_net = (placement.kind, placement.device);
    Objective::new(loss, train.label_smoothing, &train.class_weights, of_net)
}

/// The kind of weights, and the kind of convolutions and matrix products if it differs.
pub fn arithmetic(precision: Precision) -> (Kind, Option<Kind>) {
    match precision {
        Precision::F32 | Precision::Tf32 => (Kind::Float, None),
        Precision::F64 => (Kind::Double, None),
        Precision::Bf16 => (Kind::Float, Some(Kind::BFloat16)),
        Precision::Fp16 => (Kind::Float, Some(Kind::Half)),
    }
}

/// What the choice of the engine of a trial depends on. `data` is the folder of data sets, which
/// holds what was found out about this machine.
pub fn conditions(spec: &TrialSpec, device: Device, processes: usize, data: &Path) -> Conditions {
    let train = &spec.train;
    let pays = || {
        let checked = checked(data, device);
        train.can_be_recorded()
            && checked.cuda_graph
            && (processes == 1 || checked.graph_of_several)
    };
    let cuda_graph = train.cuda_graph.is_on(pays);
    let autocast = arithmetic(train.precision).1;
    Conditions { device, autocast, processes, plain: train.plain, cuda_graph }
}

/// The trial's network with zero state, for the engine and the layout that a checkpoint `saved`, or
/// for the fastest engine without one.
pub(super) fn empty_net(
    trial: &PlannedTrial,
    channels: usize,
    options: &TrialOptions,
    saved: Option<&State>,
) -> Result<Net, Error> {
    let px = trial.image_px;
    let classes = trial.classes;
    let graph =
        res2lab_arch::build(&trial.spec.model, Input { channels, height: px, width: px, classes })?;
    let processes = if options.member.is_some() { trial.spec.train.devices_per_trial } else { 1 };
    let conditions = conditions(&trial.spec, options.device, processes, &options.data);
    let device = options.device;
    let (kind, autocast) = arithmetic(trial.spec.train.precision);
    let train = &trial.spec.train;
    let placement = match saved {
        None => {
            let engine = Engine::choose(&conditions).0;
            let fastest = engine.layout(&graph, device, autocast.is_some());
            Placement { device, kind, layout: layout(train.layout, engine, fastest), engine }
        }
        Some(state) => {
            let layout = state.layout();
            let engine = Engine::resumed(&state.engine, layout, &conditions);
            Placement { device, kind, layout, engine }
        }
    };
    let record = checked(&options.data, device);
    // Recordings have memory pools of their own, in which expandable segments have not been tried.
    if record.expandable_segments && placement.engine != Engine::CudaGraph {
        res2lab_libtorch::device::expand_segments(device)?;
    }
    let mut net = Net::new(graph, placement)?;
    net.set_autocast(autocast);
    net.set_noise_rates(noise_rates(train));
    net.fuse_evaluation(train.fused_evaluation.is_on(|| record.fused_evaluation));
    Ok(net)
}

/// The rates of drop path and dropout.
pub(crate) fn noise_rates(train: &TrainSpec) -> NoiseRates {
    NoiseRates { drop_path: train.drop_path, dropout: train.dropout }
}

/// Makes a network train on images of this side, if it does not already. None leaves it as it is.
pub(crate) fn train_at(
    net: &mut Net,
    model: &ModelSpec,
    side: Option<usize>,
    train: &TrainSpec,
) -> Result<(), Error> {
    let Some(side) = side.filter(|side| net.training_graph().nodes[0].shape.width != *side) else {
        return Ok(());
    };
    let graph = net.graph();
    let channels = graph.nodes[0].shape.channels;
    let classes = graph.node(graph.output()).shape.channels;
    let input = Input { channels, height: side, width: side, classes };
    net.train_as(res2lab_arch::build(model, input)?, noise_rates(train));
    Ok(())
}

/// The layout that the recipe asks for, or the fastest. The planned step reads one layout only.
fn layout(asked: MemoryLayout, engine: Engine, fastest: Layout) -> Layout {
    match asked {
        _ if engine == Engine::Planned => fastest,
        MemoryLayout::Auto => fastest,
        MemoryLayout::Contiguous => Layout::Contiguous,
        MemoryLayout::ChannelsLast => Layout::ChannelsLast,
    }
}

/// The freshly initialized network of a trial, for timing and for the memory check.
pub(crate) fn fresh_net(trial: &PlannedTrial, options: &TrialOptions) -> Result<Net, Error> {
    let mut net = empty_net(trial, trial.image_channels, options, None)?;
    init::init(net.params_mut(), trial.spec.seed);
    start_state(&mut net, &trial.spec.train);
    Ok(net)
}

/// Starts what training keeps beside the weights: the optimizer's state and the moving average.
pub(crate) fn start_state(net: &mut Net, train: &TrainSpec) {
    optimizer(train).start(net.params_mut());
    if train.ema > 0.0 {
        net.params_mut().start_average();
    }
}

/// Loads the initial weights of the spec, if there are any. Returns a description of the start.
pub(super) fn given_weights(
    net: &mut Net,
    trial: &PlannedTrial,
    options: &TrialOptions,
) -> Result<String, Error> {
    let Some(path) = &options.weights else { return Ok("start from step 0".to_owned()) };
    let input = |e: Error| e.of_kind(res2lab_error::Kind::Input);
    let file = WeightsFile::open(path).map_err(input)?;
    identity::check_planned_weights(trial, &file.digest, path)?;
    let loaded = weights::load(net.params_mut(), &file, Fit::Start).map_err(input)?;
    let told: String = loaded.notes.iter().map(|note| format!(", {note}")).collect();
    Ok(format!("start from weights {}{told}", path.display()))
}
