//! The IDX format of MNIST: a big-endian magic number and dimensions, then bytes. Plain or gzip-compressed.

use crate::{DataError, Images, Split};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Magic numbers: unsigned bytes in three dimensions, and in one.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// Reads a split; image and label counts must agree with each other and with the files' sizes.
pub fn read(dir: &Path, split: Split) -> Result<Images, DataError> {
    let images = find(dir, split, "images", 3)?;
    let mut file = open(&images)?;
    let [n, height, width] = read_header::<3>(&mut file, &images, IMAGES)?;
    let pixels = read_body(file, &images, [n, height, width].into_iter().product())?;

    let path = find(dir, split, "labels", 1)?;
    let mut file = open(&path)?;
    let [labels] = read_header::<1>(&mut file, &path, LABELS)?;
    if labels != n {
        return Err(DataError::file(&path, format!("expected {n} labels as there are images, found {labels}")));
    }
    let labels = read_body(file, &path, n)?.into_iter().map(u32::from).collect();
    Ok(Images { channels: 1, height, width, pixels: pixels.into(), labels })
}

/// The two files of a split.
pub fn files(dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
    Ok(vec![find(dir, split, "images", 3)?, find(dir, split, "labels", 1)?])
}

/// `train-images-idx3-ubyte` and its variants, with or without `.gz`.
fn find(dir: &Path, split: Split, what: &str, dimensions: usize) -> Result<PathBuf, DataError> {
    let prefix = if split == Split::Train { "train" } else { "t10k" };
    let stems = ["-", "."].map(|dot| format!("{prefix}-{what}{dot}idx{dimensions}-ubyte"));
    let names = stems.iter().flat_map(|stem| [format!("{stem}.gz"), stem.clone()]);
    names.map(|name| dir.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        DataError::new(
            format!("{}: there is no {}(.gz)", dir.display(), stems[0]),
            "put the four IDX files of the data set there, or name their folder with data.path=FOLDER",
        )
    })
}

fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let file = BufReader::new(File::open(path).map_err(|e| DataError::io(path, &e))?);
    let is_compressed = path.extension().is_some_and(|e| e == "gz");
    Ok(if is_compressed { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}

fn read_header<const N: usize>(file: &mut dyn Read, path: &Path, magic: u32) -> Result<[usize; N], DataError> {
    let mut word = || {
        let mut bytes = [0; 4];
        let cut = |e| DataError::file(path, format!("the header is cut off: {e}"));
        file.read_exact(&mut bytes).map(|()| u32::from_be_bytes(bytes)).map_err(cut)
    };
    let found = word()?;
    if found != magic {
        return Err(DataError::file(path, format!("expected magic number {magic:#06x}, found {found:#010x}")));
    }
    let mut dimensions = [0; N];
    for dimension in &mut dimensions {
        *dimension = word()? as usize;
    }
    // Even the largest set of this format is far below a terabyte; a damaged header is not a reason to allocate one.
    let total = dimensions.iter().try_fold(1_usize, |all, &d| all.checked_mul(d));
    match total {
        Some(1..=0xFF_FFFF_FFFF) => Ok(dimensions),
        _ => Err(DataError::file(path, format!("the header's sizes {dimensions:?} are impossible"))),
    }
}

fn read_body(file: Box<dyn Read>, path: &Path, expected: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    // One byte more than expected shows a file that is too long.
    let read = file.take(expected as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(found) if found == expected => Ok(bytes),
        Ok(found) if found > expected => Err(DataError::file(path, format!("expected {expected} bytes, found more"))),
        Ok(found) => Err(DataError::file(path, format!("expected {expected} bytes, found {found}"))),
        Err(e) => Err(DataError::file(path, format!("expected {expected} bytes, found {}: {e}", bytes.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn bytes(magic: u32, dimensions: &[u32], body: &[u8]) -> Vec<u8> {
        let header = [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
        header.chain(body.iter().copied()).collect()
    }

    fn folder(images: &[u8], labels: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut gz =
            GzEncoder::new(File::create(dir.path().join("train-images-idx3-ubyte.gz")).unwrap(), Compression::fast());
        gz.write_all(images).unwrap();
        gz.finish().unwrap();
        std::fs::write(dir.path().join("train-labels.idx1-ubyte"), labels).unwrap();
        dir
    }

    #[test]
    fn plain_and_compressed_files_are_read() {
        let dir = folder(&bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4]), &bytes(LABELS, &[2], &[7, 8]));
        let images = read(dir.path(), Split::Train).unwrap();
        assert_eq!((images.pixels.to_vec(), images.labels, images.width), (vec![1, 2, 3, 4], vec![7, 8], 2));
    }

    #[test]
    fn damage_is_told_with_expected_and_found_sizes() {
        let good_images = bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4]);
        let good_labels = bytes(LABELS, &[2], &[7, 8]);
        let cases = [
            (bytes(IMAGES, &[2, 1, 2], &[1, 2, 3]), good_labels.clone(), "expected 4 bytes, found 3"),
            (bytes(IMAGES, &[2, 1, 2], &[1, 2, 3, 4, 5]), good_labels.clone(), "found more"),
            (good_images.clone(), bytes(LABELS, &[3], &[7, 8, 9]), "expected 2 labels as there are images, found 3"),
            (bytes(LABELS, &[2], &[7, 8]), good_labels, "expected magic number 0x0803"),
            (good_images, vec![0, 0], "the header is cut off"),
            (bytes(IMAGES, &[u32::MAX, u32::MAX, u32::MAX], &[]), vec![], "impossible"),
        ];
        for (images, labels, expected) in cases {
            let dir = folder(&images, &labels);
            let e = read(dir.path(), Split::Train).unwrap_err();
            assert!(e.cause.contains(expected) && e.cause.contains("train-"), "{e}");
        }
        let e = read(Path::new("nowhere"), Split::Test).unwrap_err();
        assert!(e.cause.contains("t10k-images-idx3-ubyte"), "{e}");
    }
}
