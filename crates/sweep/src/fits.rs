//! Whether a recipe fits the data and the network.

use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_experiment::{DatasetInfo, TrialSpec};

/// Checks a recipe against the number of images, their classes and their colors.
pub(crate) fn recipe(spec: &TrialSpec, facts: &DatasetInfo) -> Result<(), Error> {
    let batch = spec.train.batch_size;
    if batch > facts.train_images {
        return Err(Error::input(
            format!("batch_size {batch} is larger than the {} training images", facts.train_images),
            format!("give batch at most {}", facts.train_images),
        ));
    }
    let weights = spec.train.class_weights.len();
    if weights > 0 && weights != facts.classes {
        let classes = facts.classes;
        return Err(Error::input(
            format!("train.class_weights has {weights} weights for {classes} classes"),
            "give a weight for each class, in the order of the classes",
        ));
    }
    let augment = &spec.data.augment;
    if facts.channels != 3 && (augment.auto.is_some() || augment.grayscale > 0.0) {
        return Err(Error::input(
            "data.augment.auto and grayscale do not go with images without color",
            "leave them out; they change colors",
        ));
    }
    Ok(())
}

/// Checks that the network takes images of each side at which it trains. `px` is the side at which
/// it is evaluated.
pub(crate) fn sizes(spec: &TrialSpec, px: usize) -> Result<(), Error> {
    let multiple = spec.model.input_multiple();
    for &side in &spec.train.sizes {
        if !side.is_multiple_of(multiple) {
            return Err(Error::input(
                format!("train.sizes {side} does not fit this family"),
                format!("give multiples of {multiple}, e.g. {}", side.next_multiple_of(multiple)),
            ));
        }
        let input = Input { channels: 1, height: side, width: side, classes: 2 };
        res2lab_arch::build(&spec.model, input).map_err(|e| {
            Error::input(
                format!("train.sizes {side}: {}", e.cause),
                format!("give larger sides; images are evaluated at {px} px"),
            )
        })?;
    }
    Ok(())
}
