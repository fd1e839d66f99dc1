//! Makes the source of batches of a spec.
use crate::evaluate::Groups;
use res2lab_data::auto::{Auto, Interpolation, Policy, Set};
use res2lab_data::shapes::SIZES;
use res2lab_data::stream::StreamOptions;
use res2lab_data::{
    Augment, CropRange, DataSet, DatasetRequest, Pictures, Resident, Source, Split, Stream,
    normalize,
};
use res2lab_error::Error;
use res2lab_experiment::auto::{AutoKind, PolicyName, Rand, SetName};
use res2lab_experiment::{self as recipe, DataSpec, Normalize};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// The dataset request of a spec. `root` is the folder of all data sets.
pub fn wanted(spec: &DataSpec, root: &Path) -> DatasetRequest {
    let dir = match &spec.path {
        Some(path) => at_home(path),
        None if spec.name.contains('/') => at_home(&spec.name),
        None => root.join(&spec.name),
    };
    DatasetRequest {
        name: spec.name.clone(),
        dir,
        root: root.to_owned(),
        size: spec.size,
        cache_px: spec.cache_px,
        images: spec.images,
        classes: spec.classes,
        shuffle_labels: spec.shuffle_labels,
    }
}

/// Expands `~/photos` to a path in the user's home, which a shell does not do after `data=`.
pub fn at_home(path: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
    match path.strip_prefix("~/").and_then(|rest| Some(PathBuf::from(home()?).join(rest))) {
        Some(whole) => whole,
        None => PathBuf::from(path),
    }
}

/// The groups of test images by the size of their object, if the data set has sizes. The metric
/// `val/acc1_size_20_35` is the accuracy for objects of 20 to 35 % of the image's side.
pub(crate) fn size_groups(spec: &DataSpec, root: &Path) -> Groups {
    let factors = res2lab_data::factors(&wanted(spec, root), Split::Test);
    let Some((_, of)) = factors.iter().find(|(name, _)| *name == "size_group") else {
        return Groups::default();
    };
    let names = SIZES.windows(2).map(|ends| format!("val/acc1_size_{}_{}", ends[0], ends[1]));
    Groups { names: names.collect(), of: of.iter().map(|group| *group as i64).collect() }
}

/// The augmentation of training images. Pictures of several sizes are always cropped.
pub fn augment(spec: &DataSpec, is_resident: bool) -> Augment {
    let wanted = &spec.augment;
    let range = CropRange { scale: wanted.crop_scale, ratio: wanted.crop_ratio };
    let crop = (!is_resident).then_some(range);
    Augment {
        crop_pad: wanted.crop_pad,
        flip: wanted.flip,
        crop,
        jitter: wanted.color_jitter,
        auto: wanted.auto.as_ref().map(|auto| auto_of(&auto.kind)),
        grayscale: wanted.grayscale,
        side: None,
        interpolation: match wanted.interpolation {
            recipe::Interpolation::Bilinear => Interpolation::Bilinear,
            recipe::Interpolation::Bicubic => Interpolation::Bicubic,
            recipe::Interpolation::Random => Interpolation::Random,
        },
    }
}

/// The automatic augmentation of a recipe.
fn auto_of(kind: &AutoKind) -> Auto {
    match *kind {
        AutoKind::Trivial => Auto::Trivial,
        AutoKind::Policy { name, deviation } => {
            let policy = match name {
                PolicyName::Original => Policy::Original,
                PolicyName::OriginalIncreasing => Policy::OriginalIncreasing,
                PolicyName::V0 => Policy::V0,
                PolicyName::V0Increasing => Policy::V0Increasing,
                PolicyName::Three => Policy::Three,
            };
            Auto::Policy { policy, deviation }
        }
        AutoKind::Rand(Rand { magnitude, deviation, most, layers, prob, set }) => {
            let set = match set {
                SetName::Plain => Set::Plain,
                SetName::Increasing => Set::Increasing,
                SetName::Three => Set::Three,
                SetName::ThreeWeighted => Set::ThreeWeighted,
                SetName::Weighted => Set::Weighted,
            };
            Auto::Rand { magnitude, deviation, most, layers, prob, set }
        }
    }
}

/// Whether the images of a set are kept on the device, or decoded and augmented one by one as they
/// are needed.
pub fn is_resident(spec: &DataSpec, set: &DataSet) -> bool {
    !spec.augment.is_one_by_one()
        && matches!((&set.train, &set.test), (Pictures::Memory(_), Pictures::Memory(_)))
}

/// The device and element type of batches, and the threads that make them.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub device: Device,
    pub kind: Kind,
    pub threads: usize,
}

/// Opens the source of batches for a network with images of `px` by `px` pixels.
pub fn source(
    spec: &DataSpec,
    set: DataSet,
    px: usize,
    target: Target,
) -> Result<Box<dyn Source>, Error> {
    let Target { device, kind, threads } = target;
    let one_by_one = !is_resident(spec, &set);
    if one_by_one && spec.augment.crop_pad > 0 {
        return Err(Error::input(
            "data.augment.crop_pad does not go with pictures that are decoded one by one",
            "leave it out; such pictures get a random resized crop",
        ));
    }
    let imagenet = |channels: usize| normalize::IMAGENET[..channels].to_vec();
    match set {
        DataSet { train: Pictures::Memory(train), test: Pictures::Memory(test), .. }
            if !one_by_one =>
        {
            let (train, test) = match spec.pad_to {
                Some(side) => (train.padded_to(side)?, test.padded_to(side)?),
                None => (train, test),
            };
            let statistics = match spec.normalize {
                Normalize::Auto => train.statistics(),
                Normalize::Imagenet => imagenet(train.channels),
            };
            Ok(Box::new(Resident::new(&train, &test, &statistics, device, kind)))
        }
        set => {
            let statistics = match &set.train {
                Pictures::Memory(images) if spec.normalize == Normalize::Auto => {
                    images.statistics()
                }
                pictures => imagenet(pictures.channels()),
            };
            let resize = spec.resize.unwrap_or((px as f64 / 0.875).floor() as usize);
            let size = px;
            let max_corrupt = spec.max_corrupt;
            let options =
                StreamOptions { size, resize, statistics, threads, max_corrupt, device, kind };
            Ok(Box::new(Stream::new(set, options)?))
        }
    }
}
