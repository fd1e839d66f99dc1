//! The data sets by name or folder. To add one, give it a line in [`KNOWN`] and, if its format is
//! new, a reader.

use crate::cifar::Cifar;
use crate::digest::{self, Digest};
use crate::opening::{self, Opened};
use crate::{DataError, Images, Pictures, Split, folder, shapes};
use std::path::PathBuf;

/// What a network and a plan must know of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatasetInfo {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
    pub train_images: usize,
    pub test_images: usize,
    /// A digest of what the data are: classes, labels, and pixels or names and sizes; never times
    /// or absolute paths. 0 where nobody looked.
    pub identity: u64,
}

impl DatasetInfo {
    /// The identity as files have it; empty where nobody looked.
    pub fn identity_text(&self) -> String {
        if self.identity == 0 { String::new() } else { digest::hex(self.identity) }
    }
}

/// A data set as a user is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub facts: DatasetInfo,
    /// Class names; empty where nobody gave them.
    pub classes: Vec<String>,
    /// What was left out, chosen or found to be odd, a sentence each.
    pub notes: Vec<String>,
}

/// Which data set, and what it may depend on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetRequest {
    /// One of [`KNOWN`], or a folder (anything with a slash).
    pub name: String,
    /// Where its files are.
    pub dir: PathBuf,
    /// The folder of all data sets, which also holds what is kept.
    pub root: PathBuf,
    /// Side of what the network sees, for pictures of many sizes.
    pub size: Option<usize>,
    /// Pictures are kept decoded, with at most this short side.
    pub cache_px: Option<usize>,
    /// Number of generated images.
    pub images: Option<usize>,
    /// Their classes.
    pub classes: Option<usize>,
    /// Labels change places among the images of a split.
    pub shuffle_labels: bool,
}

/// An open data set.
#[derive(Debug)]
pub struct DataSet {
    /// Class names; empty where nobody gave them.
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
    /// Pictures, in whatever form they are there.
    Pictures,
}

const DEFAULT_SIZE: usize = 224;
const GENERATED_SIZE: usize = 32;

/// Name, format if its folder shows no other, and what was published: side, channels, classes,
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

/// What a name promises, for plans on machines that do not have the data; a guess for `images`;
/// None where nothing is known.
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

/// A data set's format by its name, and how many classes it has at least.
pub(crate) fn format(wanted: &DatasetRequest) -> Result<(Format, usize), DataError> {
    if let Some((name, format, facts)) = KNOWN.iter().find(|(name, ..)| *name == wanted.name) {
        // Folders of pictures have the classes that they have.
        let classes = if ["images", "imagenet"].contains(name) { 0 } else { facts[2] };
        return Ok((*format, classes));
    }
    if wanted.name.contains('/') {
        return Ok((Format::Pictures, 0));
    }
    let names = KNOWN.map(|(name, ..)| name).join(", ");
    let help = format!("use one of {names}, or a folder with train/ and val/, e.g. data=./photos");
    Err(DataError::new(format!("no data set is called \"{}\"", wanted.name), help))
}

/// Looks at a data set as a plan needs it. Small images are read, pictures listed.
pub fn describe(wanted: &DatasetRequest) -> Result<Description, DataError> {
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

/// Classes without pictures, where the listing of a folder does not tell them.
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

/// What a generated set is: it follows from its sizes alone.
pub(crate) fn generated_identity(name: &str, sizes: [usize; 3]) -> u64 {
    let mut identity = Digest::new(name);
    identity.numbers(sizes.map(|n| n as u64));
    identity.finish()
}

/// Images, classes, side.
pub(crate) fn generated_shape(wanted: &DatasetRequest) -> (usize, usize, usize) {
    (
        wanted.images.unwrap_or(1000),
        wanted.classes.unwrap_or(10),
        wanted.size.unwrap_or(GENERATED_SIZE),
    )
}

/// Training images and side.
pub(crate) fn shapes_shape(wanted: &DatasetRequest) -> (usize, usize) {
    (wanted.images.unwrap_or(4000), wanted.size.unwrap_or(GENERATED_SIZE))
}

/// What is known of each image of a split beside its class, by name; empty for all sets but
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
        // The writer's rule for pixel (x, y) of image i: (i * 10, x * 8, y * 8).
        let pixels = opened.train.pixels(5, &mut scratch, crate::decode::IN_FULL).unwrap();
        assert_eq!(pixels.bytes[3 * (4 * 32 + 7)..][..3], [50, 56, 32]);
        assert!(Places::of(dir.path(), &set).writable().unwrap().join("train.pack").is_file());
    }
}
