//! The data sets by name or folder. To add one, give it a line in [`KNOWN`] and, if its format is new, a reader.

use crate::cifar::{self, Cifar};
use crate::kept::kept;
use crate::pack::Pack;
use crate::{DataError, Images, Pictures, Split, cache, folder, generated, idx, pack, shapes, shards};
use random::Key;
use std::path::PathBuf;

/// What a network and a plan must know of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Facts {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub classes: usize,
    pub train_images: usize,
    pub test_images: usize,
}

/// Which data set, and what it may depend on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
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
    #[allow(missing_docs)]
    pub train: Pictures,
    #[allow(missing_docs)]
    pub test: Pictures,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Idx,
    Cifar(Cifar),
    Folder,
    Parquet,
    Generated,
    Shapes,
    /// Pictures that are not there.
    Missing,
}

const DEFAULT_SIZE: usize = 224;
const GENERATED_SIZE: usize = 32;

/// Name, format if its folder shows no other, and what was published: side, channels, classes, images of both splits.
const KNOWN: [(&str, Format, [usize; 5]); 9] = [
    ("mnist5k", Format::Idx, [28, 1, 10, 4_000, 1_000]),
    ("mnist", Format::Idx, [28, 1, 10, 60_000, 10_000]),
    ("fashion_mnist", Format::Idx, [28, 1, 10, 60_000, 10_000]),
    ("cifar10", Format::Cifar(Cifar::Ten), [32, 3, 10, 50_000, 10_000]),
    ("cifar100", Format::Cifar(Cifar::Hundred), [32, 3, 100, 50_000, 10_000]),
    ("imagenet", Format::Missing, [224, 3, 1000, 1_281_167, 50_000]),
    ("images", Format::Missing, [224, 3, 10, 1_000, 200]),
    ("generated", Format::Generated, [0; 5]),
    ("shapes", Format::Shapes, [0; 5]),
];

/// What a name promises, for plans on machines that do not have the data; a guess for `images`; None where nothing is known.
pub fn published(wanted: &Wanted) -> Option<Facts> {
    let (_, _, [side, channels, classes, train_images, test_images]) =
        *KNOWN.iter().find(|(name, ..)| *name == wanted.name)?;
    let side = if ["imagenet", "images"].contains(&wanted.name.as_str()) { wanted.size.unwrap_or(side) } else { side };
    (side > 0).then_some(Facts { channels, height: side, width: side, classes, train_images, test_images })
}

fn format(wanted: &Wanted) -> Result<(Format, usize), DataError> {
    let known = KNOWN.iter().find(|(name, ..)| *name == wanted.name);
    if known.is_none() && !wanted.name.contains('/') {
        let names = KNOWN.map(|(name, ..)| name).join(", ");
        let help = format!("use one of {names}, or a folder with train/ and val/, e.g. data=./photos");
        return Err(DataError::new(format!("no data set is called \"{}\"", wanted.name), help));
    }
    let (format, classes) = known.map_or((Format::Missing, 0), |(_, format, facts)| (*format, facts[2]));
    let found = match format {
        Format::Generated | Format::Shapes => format,
        _ if folder::is_one(&wanted.dir) => Format::Folder,
        _ if shards::is_one(&wanted.dir) => Format::Parquet,
        Format::Missing => {
            return Err(DataError::new(
                format!("{}: neither a folder train nor files train-*.parquet", wanted.dir.display()),
                "link or copy the data set there, or name its folder with data.path=FOLDER",
            ));
        }
        format => format,
    };
    Ok((found, classes))
}

/// Reads no more than it must to be sure that the files are whole.
pub fn describe(wanted: &Wanted) -> Result<Facts, DataError> {
    let (format, classes) = format(wanted)?;
    let dir = &wanted.dir;
    match format {
        Format::Cifar(which) => {
            let train_images = cifar::count(which, dir, Split::Train)?;
            let test_images = cifar::count(which, dir, Split::Test)?;
            Ok(Facts { channels: 3, height: 32, width: 32, classes, train_images, test_images })
        }
        Format::Folder => {
            let listing = folder::list(dir, &listing_path(wanted))?;
            Ok(pictures(wanted, listing.classes.len(), listing.train.len(), listing.test.len()))
        }
        Format::Generated => {
            let (count, classes, side) = generated_shape(wanted);
            let (height, width) = (side, side);
            Ok(Facts { channels: 3, height, width, classes, train_images: count, test_images: count / 2 })
        }
        Format::Shapes => {
            let (train_images, side) = shapes_shape(wanted);
            let (height, width, classes) = (side, side, shapes::CLASSES);
            Ok(Facts { channels: 1, height, width, classes, train_images, test_images: train_images / 2 })
        }
        // A compressed file shows only at its end that it was cut off, small pictures only decoded their size.
        Format::Idx | Format::Parquet | Format::Missing => {
            let DataSet { classes: names, train, test } = open(wanted)?;
            let labels = |p: &Pictures| (0..p.len()).map(|i| p.label(i) as usize + 1).max().unwrap_or(0);
            let classes = classes.max(names.len()).max(labels(&train)).max(labels(&test));
            Ok(match &train {
                Pictures::Memory(Images { channels, height, width, .. }) => {
                    let (channels, height, width) = (*channels, *height, *width);
                    Facts { channels, height, width, classes, train_images: train.len(), test_images: test.len() }
                }
                _ => pictures(wanted, classes, train.len(), test.len()),
            })
        }
    }
}

fn pictures(wanted: &Wanted, classes: usize, train_images: usize, test_images: usize) -> Facts {
    let side = wanted.size.unwrap_or(DEFAULT_SIZE);
    Facts { channels: 3, height: side, width: side, classes, train_images, test_images }
}

/// Images, classes, side.
fn generated_shape(wanted: &Wanted) -> (usize, usize, usize) {
    (wanted.images.unwrap_or(1000), wanted.classes.unwrap_or(10), wanted.size.unwrap_or(GENERATED_SIZE))
}

/// Training images and side.
fn shapes_shape(wanted: &Wanted) -> (usize, usize) {
    (wanted.images.unwrap_or(4000), wanted.size.unwrap_or(GENERATED_SIZE))
}

/// What is known of each image of a split beside its class, by name; empty for all sets but generated shapes.
pub fn factors(wanted: &Wanted, split: Split) -> Vec<(&'static str, Vec<f64>)> {
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

/// Opens a data set: small images are read into memory, pictures are listed.
pub fn open(wanted: &Wanted) -> Result<DataSet, DataError> {
    let (format, classes) = format(wanted)?;
    let dir = &wanted.dir;
    let both = |read: &dyn Fn(Split) -> Result<Pictures, DataError>| -> Result<(Pictures, Pictures), DataError> {
        Ok((read(Split::Train)?, read(Split::Test)?))
    };
    let checked = |images: Images| -> Result<Pictures, DataError> {
        images.check_labels(classes, dir)?;
        Ok(Pictures::Memory(images))
    };
    let (names, (train, test)) = match format {
        Format::Idx => {
            let read = |split| kept(&kept_path(wanted, split), &idx::files(dir, split)?, || idx::read(dir, split));
            (vec![], both(&|split| checked(read(split)?))?)
        }
        Format::Cifar(which) => {
            let files = |split| which.paths(dir, split);
            let read = |split| kept(&kept_path(wanted, split), &files(split)?, || cifar::read(which, dir, split));
            (vec![], both(&|split| checked(read(split)?))?)
        }
        Format::Generated => {
            let (count, classes, side) = generated_shape(wanted);
            let train = generated::generate(Split::Train, count, classes, side);
            let test = generated::generate(Split::Test, count / 2, classes, side);
            (vec![], (Pictures::Memory(train), Pictures::Memory(test)))
        }
        Format::Shapes => {
            let (count, side) = shapes_shape(wanted);
            let parts = [(Split::Train, count), (Split::Test, count / 2)];
            let [train, test] = parts.map(|(split, n)| Pictures::Memory(shapes::generate(split, n, side)));
            (shapes::NAMES.map(str::to_owned).to_vec(), (train, test))
        }
        Format::Folder => {
            let listing = folder::list(dir, &listing_path(wanted))?;
            (listing.classes, (Pictures::Files(listing.train), Pictures::Files(listing.test)))
        }
        Format::Parquet | Format::Missing => {
            let names = shards::classes(dir)?;
            let parts = both(&|split| Pictures::Packed(unpacked(wanted, split, &names)?).into_memory())?;
            (names, parts)
        }
    };
    let (train, test) = if wanted.shuffle_labels {
        (shuffled(train, Split::Train)?, shuffled(test, Split::Test)?)
    } else {
        (train, test)
    };
    let Some(px) = wanted.cache_px.filter(|_| !matches!(train, Pictures::Memory(_))) else {
        return Ok(DataSet { classes: names, train, test });
    };
    let path = |split: &str| cache::folder(&wanted.root, dir).join(format!("{split}-{px}px.pack"));
    let (train, test) = (train.cached(&path("train"), &names, px)?, test.cached(&path("test"), &names, px)?);
    Ok(DataSet { classes: names, train, test })
}

/// The same images under each other's labels.
fn shuffled(pictures: Pictures, split: Split) -> Result<Pictures, DataError> {
    let Pictures::Memory(mut images) = pictures else {
        let help = "use a data set of small images, such as cifar10 or shapes";
        return Err(DataError::new("data.shuffle_labels works for images in memory only", help));
    };
    let key = Key::new(13).named("labels").with(u64::from(split == Split::Test));
    let order = key.permutation(images.len());
    images.labels = order.iter().map(|&i| images.labels[i as usize]).collect();
    Ok(Pictures::Memory(images))
}

/// Where a split's decoded images are kept.
fn kept_path(wanted: &Wanted, split: Split) -> PathBuf {
    let name = if split == Split::Train { "train.images" } else { "test.images" };
    cache::folder(&wanted.root, &wanted.dir).join(name)
}

fn listing_path(wanted: &Wanted) -> PathBuf {
    cache::folder(&wanted.root, &wanted.dir).join("listing.json")
}

/// A split of Parquet files as one pack, in which pictures can be found one by one.
fn unpacked(wanted: &Wanted, split: Split, classes: &[String]) -> Result<Pack, DataError> {
    let name = if split == Split::Train { "train.pack" } else { "test.pack" };
    let path = cache::folder(&wanted.root, &wanted.dir).join(name);
    let _alone = cache::lock(&path)?;
    let rows = shards::count(&wanted.dir, split)?;
    if let Ok(pack) = Pack::open(&path)
        && pack.entries().len() == rows
        && cache::is_newer(&path, &shards::files(&wanted.dir, split))
    {
        return Ok(pack);
    }
    pack::build(&path, |packer| {
        shards::unpack(&wanted.dir, split, packer)?;
        Ok(classes.to_vec())
    })?;
    Pack::open(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn mnist5k() -> Wanted {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
        Wanted { name: "mnist5k".into(), dir: root.join("mnist5k"), root, ..Wanted::default() }
    }

    #[test]
    fn the_committed_digits_are_whole() {
        let facts = describe(&mnist5k()).unwrap();
        assert_eq!(Some(facts), published(&mnist5k()));
        let train = open(&mnist5k()).unwrap().train;
        for class in 0..10 {
            assert_eq!((0..train.len()).filter(|&i| train.label(i) == class).count(), 400);
        }
    }

    #[test]
    fn shuffled_labels_are_the_same_ones_elsewhere() {
        let labels = |shuffle_labels: bool| {
            let train = open(&Wanted { shuffle_labels, ..mnist5k() }).unwrap().train;
            (0..train.len()).map(|i| train.label(i)).collect::<Vec<_>>()
        };
        let (mut as_given, mut shuffled) = (labels(false), labels(true));
        let moved = as_given.iter().zip(&shuffled).filter(|(a, b)| a != b).count();
        assert!((3400..3800).contains(&moved), "nine of ten classes are other ones: {moved}");
        as_given.sort_unstable();
        shuffled.sort_unstable();
        assert_eq!(as_given, shuffled);
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let e = describe(&Wanted { name: "mnits".into(), ..mnist5k() }).unwrap_err();
        assert!(e.cause.contains("mnits") && e.help.contains("fashion_mnist"), "{e:?}");
        let missing = Wanted { name: "imagenet".into(), dir: "nowhere".into(), ..mnist5k() };
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
        let wanted = Wanted { name: "cifar100".into(), dir: set.clone(), root: dir.path().into(), ..Wanted::default() };
        let facts = describe(&wanted).unwrap();
        assert_eq!((facts.train_images, facts.test_images, facts.width, facts.classes), (12, 6, 32, 100));
        let opened = open(&wanted).unwrap();
        assert_eq!(opened.classes[2], "third");
        assert_eq!(opened.train.label(5), 5 % 3);
        let mut scratch = crate::pictures::Scratch::default();
        // The writer's rule for pixel (x, y) of image i: (i * 10, x * 8, y * 8).
        let pixels = opened.train.pixels(5, &mut scratch, crate::decode::IN_FULL).unwrap();
        assert_eq!(pixels.bytes[3 * (4 * 32 + 7)..][..3], [50, 56, 32]);
        assert!(cache::folder(dir.path(), &set).join("train.pack").is_file());
    }
}
