//! Whether one step fits into memory: what a trial that ran out of it can still tell its user.

use crate::TrainError;
use crate::trial::{Options, arithmetic, start_average};
use arch::Input;
use nn::{AutogradStep, Layout, Net, Placement, Step, Targets, Weight, init};
use store::PlannedTrial;
use tch::{Kind, Tensor};

/// Forward and backward of `images` random images. Panics where memory does not suffice, as libtorch does.
pub fn step(trial: &PlannedTrial, options: &Options, images: usize) -> Result<(), TrainError> {
    let spec = &trial.spec;
    let (kind, autocast) = arithmetic(spec.train.precision);
    let (channels, px) = (trial.image_channels, trial.image_px);
    let graph = arch::build(&spec.model, Input { channels, height: px, width: px, classes: trial.classes })?;
    let layout = Layout::choose(&graph, options.device);
    let mut net = Net::new(graph, Placement { device: options.device, kind, layout })?;
    net.set_autocast(autocast);
    init::init(net.params_mut(), spec.seed);
    start_average(&mut net, spec);
    let shape = [images, channels, px, px].map(|n| n as i64);
    let pictures = net.prepare(&Tensor::randn(shape, (Kind::Float, options.device)));
    let targets = Targets::plain(Tensor::zeros([images as i64], (Kind::Int64, options.device)));
    let mut step = AutogradStep { label_smoothing: spec.train.label_smoothing };
    let _ = step.forward_backward(&mut net, &pictures, &targets, Weight::ONE).loss.double_value(&[]);
    Ok(())
}
