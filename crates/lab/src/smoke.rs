//! What a smoke test needs beside its plan: weights to start from, in place of those that the
//! experiment names.
use crate::network;
use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_experiment::Expansion;
use res2lab_nn::{init, weights};
use res2lab_store::{Plan, atomic};
use std::path::Path;
use tch::Device;

/// The classes that published weights have.
const CLASSES: usize = 1000;
/// Weights of another seed than the trials'.
const SEED: u64 = 4711;

/// Points arms that start from weights to a file in `folder`, one for each network.
pub fn point_to_weights(expansion: &mut Expansion, folder: &Path) {
    for arm in &mut expansion.arms {
        let file = folder
            .join(format!("{}.safetensors", res2lab_experiment::id::readable(&arm.spec.model)));
        arm.spec.init.weights = arm.spec.init.weights.as_ref().map(|_| file.display().to_string());
    }
}

/// Writes those files.
pub fn write_weights(plan: &Plan) -> Result<(), Error> {
    for trial in &plan.trials {
        let Some(path) =
            trial.spec.init.weights.as_deref().map(Path::new).filter(|path| !path.exists())
        else {
            continue;
        };
        let channels = trial.image_channels;
        let px = trial.image_px;
        let input = Input { channels, height: px, width: px, classes: CLASSES };
        let mut net = network::build(&trial.spec.model, input, Device::Cpu)?;
        init::init(net.params_mut(), SEED);
        let bytes = weights::to_bytes(net.params(), false, "").map_err(network::input)?;
        atomic::create_dir(path.parent().unwrap_or(Path::new(".")))?;
        atomic::write(path, &bytes)?;
    }
    Ok(())
}
