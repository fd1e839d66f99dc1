//! Catalog of data sets, by name or folder. A new data set needs an entry in [`KNOWN`] and, for a
//! new format, a reader.

use crate::cifar::Cifar;
use crate::digest::Digest;
use crate::opening::{self, Opened};
use crate::{Images, Pictures, Split, folder, shapes};
use res2lab_error::Error;
use res2lab_experiment::DatasetInfo;
use std::path::PathBuf;

/// A description of a data set for users.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub facts: DatasetInfo,
    /// Class names; empty if the data set has none.
    pub classes: Vec<String>,
    /// Remarks, one sentence each: files left out, choices made, irregularities found.
    pub notes: Vec<String>,
}

/// A data set with the options for opening it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetRequest {
    /// One of [`KNOWN`], or a folder (any name with a slash).
    pub name: String,
    /// The folder of its files.
    pub dir: PathBuf,
    /// The folder of all data sets, which also holds the cache.
    pub root: PathBuf,
    /// Side of the network's input in pixels, for pictures of varying size.
    pub size: Option<usize>,
    /// Pictures are cached in decoded form, with at most this short side in pixels.
    pub cache_px: Option<usize>,
    /// Number of generated images.
    pub images: Option<usize>,
    /// Number of classes of generated images.
    pub classes: Option<usize>,
    /// Whether labels are permuted among the images of a split.
    pub shuffle_labels: bool,
}

/// An open data set.
#[derive(Debug)]
pub struct DataSet {
    /// Class names; empty if the data set has none.
    pub classes: Vec<String>,
    pub train: Pictures,
    pub test: Pictures,
    /// As in [`DatasetInfo`].
    pub identity: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Format {
    Idx,
    Cifar(Cifar),
    Generated,
    Shapes,
    /// Pictures in any supported container.
    Pictures,
}

const DEFAULT_SIZE: usize = 224;
const GENERATED_SIZE: usize = 32;

/// Name, format unless the folder shows another, and published properties: side, channels, classes,
/// images of both splits.
const KNOWN: [(&str, Format, [usize; 5]); 9] = [
    ("mnist5k", Format::Idx, [28, 1, 10, 4_000, 1_000]),
    ("mnist", Format::Idx, [28, 1, 10, 60_000, 10_000]),
    ("fashion_mnist", Format::Idx, [28, 1, 10, 60_000, 10_000]),
    ("cifar10", Format::Cifar(Cifar::Ten), [32, 3, 10, 50_000, 10_000]),
    ("cifar100", Format::Cifar(Cifar::Hundred), [32, 3, 100, 50_000, 10_000]),
    ("imagenet", Format::Pictures, [224, 3, 1000, 1_281_167, 50_000]),
    ("images", Format::Pictures, [224, 3, 10, 1_000, 200]),
    ("generated", Format::Generated, [0; 5]),
    ("shapes", Format::Shapes, [0; 5]),
];

/// Published properties of a data set, for plans on machines without the data. The values for
/// `images` are a guess. `None` for unknown names.
pub fn published(wanted: &DatasetRequest) -> Option<DatasetInfo> {
    let (_, format, [side, channels, classes, train_images, test_images]) =
        *KNOWN.iter().find(|(name, ..)| *name == wanted.name)?;
    let side = if format == Format::Pictures { wanted.size.unwrap_or(side) } else { side };
    let height = side;
    let width = side;
    let identity = 0;
    (side > 0).then_some(DatasetInfo {
        channels,
        height,
        width,
        classes,
        train_images,
        test_images,
        identity,
    })
}

/// A data set's format by its name, and its minimum number of classes.
pub(crate) fn format(wanted: &DatasetRequest) -> Result<(Format, usize), Error> {
    if let Some((name, format, facts)) = KNOWN.iter().find(|(name, ..)| *name == wanted.name) {
        // The number of classes of picture folders is not fixed.
        let classes = if ["images", "imagenet"].contains(name) { 0 } else { facts[2] };
        return Ok((*format, classes));
    }
    if wanted.name.contains('/') {
        return Ok((Format::Pictures, 0));
    }
    let names = KNOWN.map(|(name, ..)| name).join(", ");
    let help = format!("use one of {names}, or a folder with train/ and val/, e.g. data=./photos");
    Err(Error::input(format!("no data set is called \"{}\"", wanted.name), help))
}

/// Describes a data set for a plan. Small images are read; pictures are only listed.
pub fn describe(wanted: &DatasetRequest) -> Result<Description, Error> {
    let generated = |name: &str, channels: usize, [train_images, classes, side]: [usize; 3]| {
        let identity = generated_identity(name, [train_images, classes, side]);
        let height = side;
        let width = side;
        let test_images = train_images / 2;
        DatasetInfo { channels, height, width, classes, train_images, test_images, identity }
    };
    match format(wanted)?.0 {
        Format::Generated => {
            let (count, classes, side) = generated_shape(wanted);
            let facts = generated("generated", 3, [count, classes, side]);
            Ok(Description { facts, classes: vec![], notes: vec![] })
        }
        Format::Shapes => {
            let (count, side) = shapes_shape(wanted);
            let facts = generated("shapes", 1, [count, shapes::CLASSES, side]);
            Ok(Description {
                facts,
                classes: shapes::NAMES.map(str::to_owned).to_vec(),
                notes: vec![],
            })
        }
        _ => {
            let mut opened = opening::read(wanted)?;
            opening::check_cache(wanted, &mut opened)?;
            let facts = facts(wanted, &opened);
            let Opened { set, mut notes, .. } = opened;
            notes.extend(empty_classes(&set, facts.classes));
            Ok(Description { facts, classes: set.classes, notes })
        }
    }
}

fn facts(wanted: &DatasetRequest, opened: &Opened) -> DatasetInfo {
    let DataSet { classes: names, train, test, identity } = &opened.set;
    let labels = |p: &Pictures| (0..p.len()).map(|i| p.label(i) as usize + 1).max().unwrap_or(0);
    let classes = opened.least_classes.max(names.len()).max(labels(train)).max(labels(test));
    let side = wanted.size.unwrap_or(DEFAULT_SIZE);
    let (channels, height, width) = match train {
        Pictures::Memory(Images { channels, height, width, .. }) => (*channels, *height, *width),
        _ => (3, side, side),
    };
    let train_images = train.len();
    let test_images = test.len();
    let identity = *identity;
    DatasetInfo { channels, height, width, classes, train_images, test_images, identity }
}

/// Notes on classes without pictures, unless the listing of a folder reports them already.
fn empty_classes(set: &DataSet, classes: usize) -> Vec<String> {
    if matches!(set.train, Pictures::Files(_)) {
        return vec![];
    }
    let of = |(split, pictures): (&str, &Pictures)| {
        let mut counts = vec![0_usize; classes];
        (0..pictures.len()).for_each(|i| counts[pictures.label(i) as usize] += 1);
        let name =
            |class: usize| set.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        let lacking =
            (0..classes).filter(|&class| counts[class] == 0).map(name).collect::<Vec<_>>();
        folder::lacking(&lacking, &format!("the {split} images"))
    };
    [("training", &set.train), ("test", &set.test)].into_iter().filter_map(of).collect()
}

/// The identity of a generated set, which depends on its sizes only.
pub(crate) fn generated_identity(name: &str, sizes: [usize; 3]) -> u64 {
    let mut identity = Digest::new(name);
    identity.numbers(sizes.map(|n| n as u64));
    identity.finish()
}

/// Number of images, number of classes, side.
pub(crate) fn generated_shape(wanted: &DatasetRequest) -> (usize, usize, usize) {
    (
        wanted.images.unwrap_or(1000),
        wanted.classes.unwrap_or(10),
        wanted.size.unwrap_or(GENERATED_SIZE),
    )
}

/// Number of training images, side.
pub(crate) fn shapes_shape(wanted: &DatasetRequest) -> (usize, usize) {
    (wanted.images.unwrap_or(4000), wanted.size.unwrap_or(GENERATED_SIZE))
}

/// Known properties of each image of a split beside its class, by name. Empty for all data sets but
/// generated shapes.
pub fn factors(wanted: &DatasetRequest, split: Split) -> Vec<(&'static str, Vec<f64>)> {
    if wanted.name != "shapes" {
        return Vec::new();
    }
    let (train_images, side) = shapes_shape(wanted);
    let count = if split == Split::Train { train_images } else { train_images / 2 };
    let all: Vec<shapes::Factors> = (0..count).map(|i| shapes::factors(split, i, side)).collect();
    let of = |value: fn(&shapes::Factors) -> f64| all.iter().map(value).collect();
    vec![
        ("object_px", of(|f| f.object_px)),
        ("x_px", of(|f| f.x_px)),
        ("y_px", of(|f| f.y_px)),
        ("clutter", of(|f| f.clutter as f64)),
        ("size_group", all.iter().map(|f| shapes::size_group(f.object_px, side) as f64).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Places;
    use crate::opening::open;
    use std::path::Path;

    fn mnist5k() -> DatasetRequest {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
        DatasetRequest {
            name: "mnist5k".into(),
            dir: root.join("mnist5k"),
            root,
            ..DatasetRequest::default()
        }
    }

    #[test]
    fn the_committed_digits_are_whole() {
        let Description { facts, notes, .. } = describe(&mnist5k()).unwrap();
        assert_eq!(Some(DatasetInfo { identity: 0, ..facts }), published(&mnist5k()));
        assert_eq!((facts.identity_text().as_str(), notes), ("23a995114a99ac1b", vec![]));
        let train = open(&mnist5k()).unwrap().train;
        for class in 0..10 {
            assert_eq!((0..train.len()).filter(|&i| train.label(i) == class).count(), 400);
        }
    }

    #[test]
    fn shuffled_labels_are_the_same_ones_elsewhere() {
        let labels = |shuffle_labels: bool| {
            let train = open(&DatasetRequest { shuffle_labels, ..mnist5k() }).unwrap().train;
            (0..train.len()).map(|i| train.label(i)).collect::<Vec<_>>()
        };
        let mut as_given = labels(false);
        let mut shuffled = labels(true);
        let moved = as_given.iter().zip(&shuffled).filter(|(a, b)| a != b).count();
        assert!((3400..3800).contains(&moved), "nine of ten classes are other ones: {moved}");
        as_given.sort_unstable();
        shuffled.sort_unstable();
        assert_eq!(as_given, shuffled);
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let e = describe(&DatasetRequest { name: "mnits".into(), ..mnist5k() }).unwrap_err();
        assert!(e.cause.contains("mnits") && e.help.contains("fashion_mnist"), "{e:?}");
        let missing =
            DatasetRequest { name: "imagenet".into(), dir: "nowhere".into(), ..mnist5k() };
        assert!(describe(&missing).unwrap_err().cause.contains("nowhere"));
        assert_eq!(published(&missing).unwrap().classes, 1000);
    }

    #[test]
    fn parquet_as_hugging_face_writes_it_is_read_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        std::fs::create_dir(&set).unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet");
        for name in ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"] {
            std::fs::copy(fixtures.join(name), set.join(name)).unwrap();
        }
        let wanted = DatasetRequest {
            name: "cifar100".into(),
            dir: set.clone(),
            root: dir.path().into(),
            ..DatasetRequest::default()
        };
        let facts = describe(&wanted).unwrap().facts;
        assert_eq!(
            (facts.train_images, facts.test_images, facts.width, facts.classes),
            (12, 6, 32, 100)
        );
        let opened = open(&wanted).unwrap();
        assert_eq!(opened.classes[2], "third");
        assert_eq!(opened.train.label(5), 5 % 3);
        let mut scratch = crate::pictures::Scratch::default();
        // The pixel (x, y) of image i is written as (i * 10, x * 8, y * 8).
        let pixels = opened.train.pixels(5, &mut scratch, crate::decode::IN_FULL).unwrap();
        assert_eq!(pixels.bytes[3 * (4 * 32 + 7)..][..3], [50, 56, 32]);
        assert!(Places::of(dir.path(), &set).writable().unwrap().join("train.pack").is_file());
    }
}
