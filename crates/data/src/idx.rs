//! The IDX format of MNIST and its kin: a big-endian magic number and dimensions, then bytes. Plain
//! or gzip-compressed, as the content says, whatever the ending.

use crate::sniff::{self, Content};
use crate::walk::{self, shown};
use crate::{DataError, Images, Split};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Magic numbers: unsigned bytes in three dimensions, and in one.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// The four files of a data set: images and labels of each split.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    train: [PathBuf; 2],
    test: [PathBuf; 2],
}

impl Files {
    /// Images and labels.
    pub fn split(&self, split: Split) -> &[PathBuf; 2] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// Finds the files in `dir` or where torchvision and the archives put them: `raw/`, `MNIST/raw/`,
/// `gzip/`. Of several sets side by side (EMNIST) one is named by the beginning of its files:
/// `FOLDER/emnist-letters`. None where there are none.
pub fn find(dir: &Path) -> Result<Option<Files>, DataError> {
    let (folder, wanted) = match (dir.parent(), dir.file_name()) {
        (Some(parent), Some(name)) if !dir.exists() && parent.is_dir() => {
            (parent, Some(shown(name)))
        }
        _ => (dir, None),
    };
    let inner = walk::entries(folder, &mut Default::default()).unwrap_or_default().0;
    let is_raw = |name: &str| ["raw", "gzip"].contains(&name);
    let deeper = inner.iter().map(|inner| inner.join("raw"));
    let folders =
        inner.iter().filter(|path| path.file_name().is_some_and(|n| is_raw(&shown(n)))).cloned();
    let places: Vec<PathBuf> =
        [folder.to_owned()].into_iter().chain(folders).chain(deeper).collect();
    for place in places.iter().filter(|place| place.is_dir()) {
        let mut sets = in_folder(place);
        if let Some(wanted) = &wanted {
            sets.retain(|prefix, _| prefix.trim_end_matches(['-', '_']) == wanted);
        }
        let names: Vec<&str> =
            sets.keys().map(|prefix| prefix.trim_end_matches(['-', '_'])).collect();
        if names.len() > 1 {
            let help = format!(
                "name one by the beginning of its files: data.path={}",
                place.join(names[0]).display()
            );
            return Err(DataError::new(
                format!("{} holds several sets: {}", place.display(), names.join(", ")),
                help,
            ));
        }
        let Some((prefix, parts)) = sets.pop_first() else { continue };
        let take = |split: Split, what: What| {
            parts
                .get(&(split == Split::Train, what))
                .cloned()
                .ok_or_else(|| missing(place, &prefix, split, what))
        };
        let of = |split| Ok([take(split, What::Images)?, take(split, What::Labels)?]);
        return Ok(Some(Files { train: of(Split::Train)?, test: of(Split::Test)? }));
    }
    Ok(None)
}

/// What is said where there are none.
pub fn none(dir: &Path) -> DataError {
    missing(dir, "", Split::Train, What::Images)
}

fn missing(dir: &Path, prefix: &str, split: Split, what: What) -> DataError {
    let split = if split == Split::Train { "train" } else { "t10k" };
    let (what, dimensions) = if what == What::Images { ("images", 3) } else { ("labels", 1) };
    DataError::new(
        format!("{}: there is no {prefix}{split}-{what}-idx{dimensions}-ubyte(.gz)", dir.display()),
        "put the four IDX files of the data set there, or name their folder with data.path=FOLDER",
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Images,
    Labels,
}

/// The files of one set by split and content.
type Parts = BTreeMap<(bool, What), PathBuf>;

/// Sets by what stands before `train-images`; a compressed file before one that is not.
fn in_folder(dir: &Path) -> BTreeMap<String, Parts> {
    let mut sets: BTreeMap<String, Parts> = BTreeMap::new();
    for path in walk::entries(dir, &mut Default::default()).unwrap_or_default().1 {
        let name = shown(path.file_name().unwrap_or_default());
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        let Some((prefix, key)) = parse(plain) else { continue };
        let parts = sets.entry(prefix.to_owned()).or_default();
        if name != plain || !parts.contains_key(&key) {
            parts.insert(key, path);
        }
    }
    sets
}

/// `emnist-letters-train-images-idx3-ubyte` as (`emnist-letters-`, training images).
fn parse(name: &str) -> Option<(&str, (bool, What))> {
    for (word, is_train) in [("train", true), ("t10k", false), ("test", false)] {
        for (middle, what) in [("images", What::Images), ("labels", What::Labels)] {
            let dimensions = if what == What::Images { 3 } else { 1 };
            for dot in ["-", "."] {
                let end = format!("{word}-{middle}{dot}idx{dimensions}-ubyte");
                if let Some(prefix) = name.strip_suffix(end.as_str()) {
                    return Some((prefix, (is_train, what)));
                }
            }
        }
    }
    None
}

/// Reads a split; image and label counts must agree with each other and with the files' sizes.
pub fn read(files: &Files, split: Split) -> Result<Images, DataError> {
    let [images, path] = files.split(split);
    let mut file = open(images)?;
    let [n, height, width] = read_header::<3>(&mut file, images, IMAGES)?;
    let pixels = read_body(file, images, [n, height, width].into_iter().product())?;

    let mut file = open(path)?;
    let [labels] = read_header::<1>(&mut file, path, LABELS)?;
    if labels != n {
        return Err(DataError::file(
            path,
            format!("expected {n} labels as there are images, found {labels}"),
        ));
    }
    let labels = read_body(file, path, n)?.into_iter().map(u32::from).collect();
    Ok(Images { channels: 1, height, width, pixels: pixels.into(), labels })
}

fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let file = BufReader::new(File::open(path).map_err(|e| DataError::io(path, &e))?);
    Ok(match sniff::of_file(path) {
        Some(Content::Gzip) => Box::new(MultiGzDecoder::new(file)),
        Some(content @ (Content::Empty | Content::Other(_)))
            if content != Content::Other("nothing but zeros") =>
        {
            return Err(DataError::new(
                format!("{}: {}", path.display(), content.said()),
                "get the file again",
            ));
        }
        _ => Box::new(file),
    })
}

fn read_header<const N: usize>(
    file: &mut dyn Read,
    path: &Path,
    magic: u32,
) -> Result<[usize; N], DataError> {
    let mut word = || {
        let mut bytes = [0; 4];
        let cut = |e| DataError::file(path, format!("the header is cut off: {e}"));
        file.read_exact(&mut bytes).map(|()| u32::from_be_bytes(bytes)).map_err(cut)
    };
    let found = word()?;
    if found != magic {
        return Err(DataError::file(
            path,
            format!("expected magic number {magic:#06x}, found {found:#010x}"),
        ));
    }
    let mut dimensions = [0; N];
    for dimension in &mut dimensions {
        *dimension = word()? as usize;
    }
    // Even the largest set of this format is far below a terabyte; a damaged header is not a reason
    // to allocate one.
    let total = dimensions.iter().try_fold(1_usize, |all, &d| all.checked_mul(d));
    match total {
        Some(1..=0xFF_FFFF_FFFF) => Ok(dimensions),
        _ => {
            Err(DataError::file(path, format!("the header's sizes {dimensions:?} are impossible")))
        }
    }
}

fn read_body(file: Box<dyn Read>, path: &Path, expected: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    // One byte more than expected shows a file that is too long.
    let read = file.take(expected as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(found) if found == expected => Ok(bytes),
        Ok(found) if found > expected => {
            Err(DataError::file(path, format!("expected {expected} bytes, found more")))
        }
        Ok(found) => {
            Err(DataError::file(path, format!("expected {expected} bytes, found {found}")))
        }
        Err(e) => Err(DataError::file(
            path,
            format!("expected {expected} bytes, found {}: {e}", bytes.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn bytes(magic: u32, dimensions: &[u32], body: &[u8]) -> Vec<u8> {
        let header =
            [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
        header.chain(body.iter().copied()).collect()
    }

    fn read(dir: &Path, split: Split) -> Result<Images, DataError> {
        super::read(&find(dir)?.ok_or_else(|| none(dir))?, split)
    }

    fn folder(images: &[u8], labels: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut gz = GzEncoder::new(
            File::create(dir.path().join("train-images-idx3-ubyte.gz")).unwrap(),
            Compression::fast(),
        );
        gz.write_all(images).unwrap();
        gz.finish().unwrap();
        std::fs::write(dir.path().join("train-labels.idx1-ubyte"), labels).unwrap();
        for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    #[test]
    fn plain_and_compressed_files_are_read() {
        let dir = folder(&bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4]), &bytes(LABELS, &[2], &[7, 8]));
        let images = read(dir.path(), Split::Train).unwrap();
        assert_eq!(
            (images.pixels.to_vec(), images.labels, images.width),
            (vec![1, 2, 3, 4], vec![7, 8], 2)
        );
    }

    #[test]
    fn damage_is_told_with_expected_and_found_sizes() {
        let good_images = bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4]);
        let good_labels = bytes(LABELS, &[2], &[7, 8]);
        let cases = [
            (
                bytes(IMAGES, &[2, 1, 2], &[1, 2, 3]),
                good_labels.clone(),
                "expected 4 bytes, found 3",
            ),
            (bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4, 5]), good_labels.clone(), "found more"),
            (
                good_images.clone(),
                bytes(LABELS, &[3], &[7, 8, 9]),
                "expected 2 labels as there are images, found 3",
            ),
            (bytes(LABELS, &[2], &[7, 8]), good_labels, "expected magic number 0x0803"),
            (good_images.clone(), vec![0, 8], "the header is cut off"),
            (good_images, b"<html>".to_vec(), "is an HTML page"),
            (bytes(IMAGES, &[u32::MAX, u32::MAX, u32::MAX], &[]), vec![], "impossible"),
        ];
        for (images, labels, expected) in cases {
            let dir = folder(&images, &labels);
            let e = read(dir.path(), Split::Train).unwrap_err();
            assert!(e.cause.contains(expected) && e.cause.contains("train-"), "{e}");
        }
        let e = read(Path::new("nowhere"), Split::Test).unwrap_err();
        assert!(e.cause.contains("train-images-idx3-ubyte"), "{e}");
    }

    #[test]
    fn the_content_says_whether_a_file_is_compressed_and_folders_are_looked_into() {
        let images = bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4]);
        let labels = bytes(LABELS, &[2], &[7, 8]);
        let mut gz = GzEncoder::new(vec![], Compression::fast());
        gz.write_all(&images).unwrap();
        let gz = gz.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("EMNIST/raw");
        std::fs::create_dir_all(&raw).unwrap();
        for (set, split) in [("a", "train"), ("a", "test"), ("b", "train"), ("b", "test")] {
            let images = if set == "a" { &gz } else { &images };
            let ending = if set == "a" { "" } else { ".gz" };
            std::fs::write(
                raw.join(format!("emnist-{set}-{split}-images-idx3-ubyte{ending}")),
                images,
            )
            .unwrap();
            std::fs::write(
                raw.join(format!("emnist-{set}-{split}-labels-idx1-ubyte{ending}")),
                &labels,
            )
            .unwrap();
        }
        let e = find(dir.path()).unwrap_err();
        assert!(e.cause.contains("emnist-a, emnist-b") && e.help.contains("raw/emnist-a"), "{e:?}");
        for set in ["emnist-a", "emnist-b"] {
            let images = read(&raw.join(set), Split::Test).unwrap();
            assert_eq!((images.pixels.to_vec(), images.labels), (vec![1, 2, 3, 4], vec![7, 8]));
        }
    }
}
