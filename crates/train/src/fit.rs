//! Whether a step fits into memory, so that a trial that ran out of memory can suggest a batch
//! size.
use crate::trial::{TrialOptions, fresh_net, train_at};
use res2lab_error::Error;
use res2lab_nn::{AutogradStep, Engine, GradScale, Step, Targets};
use res2lab_store::PlannedTrial;
use tch::{Kind, Tensor};

/// Runs the forward and the backward pass of `images` random images of the largest size.
///
/// # Panics
/// If memory does not suffice, as libtorch does.
pub fn step(trial: &PlannedTrial, options: &TrialOptions, images: usize) -> Result<(), Error> {
    let mut net = fresh_net(trial, options)?;
    let train = &trial.spec.train;
    let side = train.sizes.iter().max().copied();
    train_at(&mut net, &trial.spec.model, side, train)?;
    let px = side.unwrap_or(trial.image_px);
    let shape = [images, trial.image_channels, px, px].map(|n| n as i64);
    let pictures = net.prepare(&Tensor::randn(shape, (Kind::Float, options.device)));
    let targets = Targets::plain(Tensor::zeros([images as i64], (Kind::Int64, options.device)));
    // A graph records the same work, and would need its memory twice.
    let mut step: Box<dyn Step> = match net.placement().engine {
        Engine::CudaGraph => Box::new(AutogradStep::new(crate::trial::objective(&net, train))),
        _ => crate::trial::step_of(&net, train)?,
    };
    let _ =
        step.forward_backward(&mut net, &pictures, &targets, GradScale::ONE).loss.double_value(&[]);
    Ok(())
}
