//! Opens each kind of data set, from its cache if that is still valid.

use crate::cache::{self, Places};
use crate::catalog::{
    DataSet, DatasetRequest, Format, format, generated_identity, generated_shape, shapes_shape,
};
use crate::cifar;
use crate::digest::Digest;
use crate::kept::kept;
use crate::pack::{self, Pack};
use crate::recognize::{self, Kind};
use crate::shards::{self, Columns};
use crate::{DataError, Images, Pictures, Split, folder, generated, idx, shapes, splits, tars};
use res2lab_random::Key;
use std::path::{Path, PathBuf};

/// A data set before labels are shuffled and pictures kept decoded.
pub(crate) struct Opened {
    pub set: DataSet,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Classes that there are whatever the labels say.
    pub least_classes: usize,
    /// The digest by which what was made of the pictures is still good.
    freshness: u64,
    places: Places,
}

/// Opens a data set: small images are read into memory, pictures are listed.
pub fn open(wanted: &DatasetRequest) -> Result<DataSet, DataError> {
    let Opened { set, freshness, places, .. } = read(wanted)?;
    let DataSet { classes, mut train, mut test, identity } = set;
    if wanted.shuffle_labels {
        (train, test) = (shuffled(train, Split::Train)?, shuffled(test, Split::Test)?);
    }
    if let Some(px) = wanted.cache_px.filter(|_| !matches!(train, Pictures::Memory(_))) {
        let [of_train, of_test] = pack_names(px);
        train = train.cached(&places, &of_train, freshness, px)?;
        test = test.cached(&places, &of_test, freshness, px)?;
    }
    Ok(DataSet { classes, train, test, identity })
}

fn pack_names(px: usize) -> [String; 2] {
    ["train", "test"].map(|split| format!("{split}-{px}px.pack"))
}

/// Tells beforehand where decoded pictures would be kept, if that is not beside the data sets;
/// refuses if it is nowhere.
pub(crate) fn check_cache(wanted: &DatasetRequest, opened: &mut Opened) -> Result<(), DataError> {
    let Some(px) = wanted.cache_px.filter(|_| !matches!(opened.set.train, Pictures::Memory(_)))
    else {
        return Ok(());
    };
    let is_there =
        |name: &String| opened.places.find(name, |path| Pack::of(path, opened.freshness)).is_some();
    if !pack_names(px).iter().all(is_there) {
        opened.places.writable()?;
        opened.notes.extend(opened.places.note());
    }
    Ok(())
}

/// Reads what [`open`] opens.
pub(crate) fn read(wanted: &DatasetRequest) -> Result<Opened, DataError> {
    let (by_name, least_classes) = format(wanted)?;
    let dir = &wanted.dir;
    let places = Places::of(&wanted.root, dir);
    let made = |classes: Vec<String>, train: Images, test: Images, identity: u64| {
        let train = Pictures::Memory(train);
        let test = Pictures::Memory(test);
        let set = DataSet { classes, train, test, identity };
        Opened { set, notes: vec![], least_classes, freshness: 0, places: places.clone() }
    };
    let kind = match by_name {
        Format::Generated => {
            let (count, classes, side) = generated_shape(wanted);
            let [train, test] = [(Split::Train, count), (Split::Test, count / 2)]
                .map(|(split, n)| generated::generate(split, n, classes, side));
            let identity = generated_identity("generated", [count, classes, side]);
            return Ok(made(vec![], train, test, identity));
        }
        Format::Shapes => {
            let (count, side) = shapes_shape(wanted);
            let [train, test] = [(Split::Train, count), (Split::Test, count / 2)]
                .map(|(split, n)| shapes::generate(split, n, side));
            let identity = generated_identity("shapes", [count, shapes::CLASSES, side]);
            return Ok(made(shapes::NAMES.map(str::to_owned).to_vec(), train, test, identity));
        }
        Format::Cifar(which) => match which.find(dir) {
            Some(files) => Some(Kind::Cifar(files)),
            None => recognize::kind(dir)?.filter(|kind| !matches!(kind, Kind::Cifar(_))),
        },
        Format::Idx | Format::Pictures => recognize::kind(dir)?,
    };
    let kind = kind.ok_or_else(|| nothing(by_name, wanted))?;
    let mut opened = match kind {
        Kind::Idx(files) => of_idx(&files, places)?,
        Kind::Cifar(files) => of_cifar(&files, places)?,
        Kind::Folder => of_folder(dir, places)?,
        Kind::Parquet(files) => of_parquet(&files, places, wanted.size)?,
        Kind::Tars(files) => of_tars(&files, places, wanted.size)?,
    };
    opened.least_classes = opened.least_classes.max(least_classes);
    Ok(opened)
}

fn nothing(by_name: Format, wanted: &DatasetRequest) -> DataError {
    match by_name {
        Format::Idx if wanted.dir.is_dir() => idx::none(&wanted.dir),
        Format::Cifar(which) if wanted.dir.is_dir() => which.none(&wanted.dir),
        Format::Idx | Format::Cifar(_) if wanted.name != "mnist5k" => {
            recognize::none(&wanted.dir, Some(wanted.name.as_str()))
        }
        _ => recognize::none(&wanted.dir, None),
    }
}

/// Both splits of images in memory; what they are follows from pixels, labels and class names.
fn in_memory(classes: Vec<String>, parts: [(Images, u64); 2], places: Places) -> Opened {
    let mut identity = Digest::new("memory");
    identity.texts(&classes);
    identity.numbers(parts.iter().map(|(_, part)| *part));
    let identity = identity.finish();
    let [train, test] = parts.map(|(images, _)| Pictures::Memory(images));
    let set = DataSet { classes, train, test, identity };
    Opened { set, notes: vec![], least_classes: 0, freshness: identity, places }
}

/// A split's images, decoded once per machine.
fn split_kept(
    places: &Places,
    split: Split,
    files: &[PathBuf],
    read: impl FnOnce() -> Result<Images, DataError>,
) -> Result<(Images, u64), DataError> {
    let name = if split == Split::Train { "train.images" } else { "test.images" };
    kept(places, name, cache::sources(places, name, files)?, read)
}

fn of_idx(files: &idx::Files, places: Places) -> Result<Opened, DataError> {
    let read = |split| split_kept(&places, split, files.split(split), || idx::read(files, split));
    let parts = [read(Split::Train)?, read(Split::Test)?];
    Ok(in_memory(vec![], parts, places))
}

fn of_cifar(files: &cifar::Files, places: Places) -> Result<Opened, DataError> {
    let classes = files.which().classes();
    let read = |split| -> Result<(Images, u64), DataError> {
        let paths = files.paths(split)?;
        let (images, identity) = split_kept(&places, split, &paths, || files.read(split))?;
        images.check_labels(classes, &paths[0])?;
        Ok((images, identity))
    };
    let parts = [read(Split::Train)?, read(Split::Test)?];
    Ok(Opened { least_classes: classes, ..in_memory(files.names(), parts, places) })
}

fn of_folder(dir: &Path, places: Places) -> Result<Opened, DataError> {
    let folder::Listing { classes, train, test, notes, identity, freshness, .. } =
        folder::list(dir, &places)?;
    let train = Pictures::Files(train);
    let test = Pictures::Files(test);
    let set = DataSet { classes, train, test, identity };
    Ok(Opened { set, notes, least_classes: 0, freshness, places })
}

fn of_parquet(
    files: &splits::Files,
    places: Places,
    size: Option<usize>,
) -> Result<Opened, DataError> {
    let columns = shards::columns(files)?;
    let train = unpacked(&places, Split::Train, &files.train, &columns, &columns.names)?;
    let test = unpacked(&places, Split::Test, &files.test, &columns, &train.classes)?;
    let mut identity = Digest::new("packs");
    identity.texts(&train.classes);
    identity.numbers([train.identity, test.identity]);
    let identity = identity.finish();
    let classes = train.classes.clone();
    let (train, test) = small_in_memory(Pictures::Packed(train), Pictures::Packed(test), size);
    let set = DataSet { classes, train, test, identity };
    Ok(Opened { set, notes: files.notes.clone(), least_classes: 0, freshness: identity, places })
}

fn of_tars(
    files: &splits::Files,
    places: Places,
    size: Option<usize>,
) -> Result<Opened, DataError> {
    let tars::TarSet { classes, train, test, notes, identity, freshness } =
        tars::open(files, &places)?;
    let (train, test) = small_in_memory(Pictures::Tars(train), Pictures::Tars(test), size);
    let set = DataSet { classes, train, test, identity };
    Ok(Opened { set, notes, least_classes: 0, freshness, places })
}

/// Decodes both splits into memory if they are small images of one size; otherwise leaves them
/// unchanged.
fn small_in_memory(train: Pictures, test: Pictures, size: Option<usize>) -> (Pictures, Pictures) {
    let shape = |images: &Images| (images.height, images.width);
    match train.as_images(size).and_then(|images| Some((images, test.as_images(size)?))) {
        Some((a, b)) if shape(&a) == shape(&b) => (Pictures::Memory(a), Pictures::Memory(b)),
        _ => (train, test),
    }
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

/// A split of Parquet files as one pack, in which pictures can be found one by one.
fn unpacked(
    places: &Places,
    split: Split,
    files: &[PathBuf],
    columns: &Columns,
    names: &[String],
) -> Result<Pack, DataError> {
    let name = if split == Split::Train { "train.pack" } else { "test.pack" };
    let mut source = Digest::new("parquet");
    source.number(cache::sources(places, name, files)?);
    source.bytes(format!("{columns:?}").as_bytes());
    source.texts(names);
    let source = source.finish();
    let find = || places.find(name, |path| Pack::of(path, source));
    if let Some(pack) = find() {
        return Ok(pack);
    }
    let path = places.writable()?.join(name);
    let _alone = cache::lock(&path)?;
    // Another process may have built it while this one waited for the lock.
    if let Some(pack) = find() {
        return Ok(pack);
    }
    pack::build(&path, source, |packer| shards::unpack(files, split, columns, names, packer))?;
    Pack::open(&path)
}
