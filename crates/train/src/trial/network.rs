//! The network of a trial: its layout, its step, and the weights that it starts from.

use super::TrialOptions;
use crate::identity;
use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_experiment::{Precision, TrainSpec, TrialSpec};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_nn::{Layout, Net, Placement, Step, init};
use res2lab_store::PlannedTrial;
use tch::{Device, Kind};

/// The step for this net and recipe.
pub(crate) fn step_of(net: &Net, train: &TrainSpec) -> Result<Box<dyn Step>, Error> {
    res2lab_nn::step::choose(net, train.label_smoothing, train.cuda_graph && !train.plain)
}

/// The kind of weights, and the kind of convolutions and matrix products if it differs.
pub(super) fn arithmetic(precision: Precision) -> (Kind, Option<Kind>) {
    match precision {
        Precision::F32 => (Kind::Float, None),
        Precision::F64 => (Kind::Double, None),
        Precision::Bf16 => (Kind::Float, Some(Kind::BFloat16)),
        Precision::Fp16 => (Kind::Float, Some(Kind::Half)),
    }
}

/// Whether the planned step trains this trial: on a CPU, in one process, without mixed precision
/// and without `plain`.
fn is_planned(spec: &TrialSpec, options: &TrialOptions) -> bool {
    let (_, autocast) = arithmetic(spec.train.precision);
    options.device == Device::Cpu
        && options.member.is_none()
        && autocast.is_none()
        && !spec.train.plain
}

/// The trial's network with zero state. Without a `layout`, the faster layout is chosen.
pub(super) fn empty_net(
    trial: &PlannedTrial,
    channels: usize,
    options: &TrialOptions,
    layout: Option<Layout>,
) -> Result<Net, Error> {
    let px = trial.image_px;
    let classes = trial.classes;
    let graph =
        res2lab_arch::build(&trial.spec.model, Input { channels, height: px, width: px, classes })?;
    let layout = layout.unwrap_or_else(|| {
        Layout::choose(&graph, options.device, is_planned(&trial.spec, options))
    });
    let (kind, autocast) = arithmetic(trial.spec.train.precision);
    let mut net = Net::new(graph, Placement { device: options.device, kind, layout })?;
    net.set_autocast(autocast);
    Ok(net)
}

/// The freshly initialized network of a trial, for timing and for the memory check.
pub(crate) fn fresh_net(trial: &PlannedTrial, options: &TrialOptions) -> Result<Net, Error> {
    let mut net = empty_net(trial, trial.image_channels, options, None)?;
    init::init(net.params_mut(), trial.spec.seed);
    start_average(&mut net, &trial.spec);
    Ok(net)
}

pub(super) fn start_average(net: &mut Net, spec: &TrialSpec) {
    if spec.train.ema > 0.0 {
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
    let input = |e: Error| Error::input(e.cause, e.help);
    let file = WeightsFile::open(path).map_err(input)?;
    identity::check_planned_weights(trial, &file.digest, path)?;
    let loaded = weights::load(net.params_mut(), &file, Fit::Start).map_err(input)?;
    let told: String = loaded.notes.iter().map(|note| format!(", {note}")).collect();
    Ok(format!("start from weights {}{told}", path.display()))
}
