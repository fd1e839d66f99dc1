//! The classes that a trained network sees in pictures.

use crate::trained::Trained;
use res2lab_data::folder::Sample;
use res2lab_data::shaped::{Shaped, shaped};
use res2lab_data::{DataSet, Images, Pictures, Split};
use res2lab_error::Error;
use res2lab_experiment::{DataSpec, Normalize};
use res2lab_store::assessment::Assessment;
use res2lab_train::images::{Target, source, wanted};
use std::path::Path;

const NO_STATISTICS: &str =
    "the training images are not here; pictures are normalized by ImageNet's statistics";

/// The likeliest classes of pictures, which are prepared as the test images of the network were,
/// and notes for the user. `root` is the folder of data sets. Pictures that cannot be read are in
/// [`Assessment::left_out`].
///
/// # Errors
/// The network's data set is damaged, or libtorch fails.
pub fn predict(
    trained: &Trained,
    samples: Vec<Sample>,
    root: &Path,
) -> Result<(Assessment, Vec<String>), Error> {
    let mut notes = Vec::new();
    let count = samples.len();
    let placement = trained.net.placement();
    let target = Target {
        device: placement.device,
        kind: placement.kind,
        threads: res2lab_sweep::slots::available_cores().len(),
    };
    let mut spec = DataSpec { max_corrupt: count, ..trained.data.clone() };
    let pictures = Pictures::Files(samples);
    let own = own_images(trained, root);
    let channels = trained.input.channels;
    if own.is_none() && channels == 3 {
        if spec.normalize == Normalize::Auto
            && !trained.data.name.is_empty()
            && is_small(trained, root)
        {
            notes.push(NO_STATISTICS.to_owned());
        }
        let set = DataSet {
            classes: vec![],
            train: Pictures::Files(vec![]),
            test: pictures,
            identity: 0,
        };
        let mut source = source(&spec, set, trained.px, target)?;
        let result = res2lab_train::assess::assess(&trained.net, &mut *source, Split::Test, 16)?;
        return Ok((result, notes));
    }
    let train = own.unwrap_or_else(|| {
        notes.push(NO_STATISTICS.to_owned());
        spec.normalize = Normalize::Imagenet;
        Images { channels, height: trained.px, width: trained.px, ..Images::default() }
    });
    let Shaped { images, places, unreadable } =
        shaped(&pictures, channels, train.height, train.width);
    let train = Pictures::Memory(train);
    let test = Pictures::Memory(images);
    let mut result = if places.is_empty() {
        Assessment::of(vec![], trained.input.classes, 0.0, vec![])
    } else {
        let set = DataSet { classes: vec![], train, test, identity: 0 };
        let mut source = source(&spec, set, trained.px, target)?;
        res2lab_train::assess::assess(&trained.net, &mut *source, Split::Test, 16)?
    };
    result.predictions.iter_mut().for_each(|p| p.index = places[p.index as usize] as u32);
    result.left_out.extend(unreadable);
    Ok((result, notes))
}

/// The images that a network was trained on, if they are small ones of one size: pictures are
/// brought into their shape and normalized by their statistics.
fn own_images(trained: &Trained, root: &Path) -> Option<Images> {
    if trained.data.name.is_empty() {
        return None;
    }
    match res2lab_data::open(&wanted(&trained.data, root)).ok()?.train {
        Pictures::Memory(images) if images.channels == trained.input.channels => Some(images),
        _ => None,
    }
}

/// Whether a data set that is not here is one of small images.
fn is_small(trained: &Trained, root: &Path) -> bool {
    let wanted = wanted(&trained.data, root);
    res2lab_data::published(&wanted).is_some_and(|facts| facts.width < 64)
        && res2lab_data::describe(&wanted).is_err()
}
