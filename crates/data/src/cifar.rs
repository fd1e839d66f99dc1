//! CIFAR's binary format: per image one label byte (CIFAR-100: coarse, then fine) and 3 x 32 x 32 bytes.

use crate::{DataError, Images, Split};
use std::path::{Path, PathBuf};

const PIXELS: usize = 3 * 32 * 32;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Cifar {
    Ten,
    Hundred,
}

impl Cifar {
    fn files(self, split: Split) -> Vec<String> {
        match (self, split) {
            (Cifar::Ten, Split::Train) => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
            (Cifar::Ten, Split::Test) => vec!["test_batch.bin".into()],
            (Cifar::Hundred, Split::Train) => vec!["train.bin".into()],
            (Cifar::Hundred, Split::Test) => vec!["test.bin".into()],
        }
    }

    /// The folder inside the published archive.
    fn archive_folder(self) -> &'static str {
        match self {
            Cifar::Ten => "cifar-10-batches-bin",
            Cifar::Hundred => "cifar-100-binary",
        }
    }

    fn record(self) -> usize {
        PIXELS + if self == Cifar::Ten { 1 } else { 2 }
    }

    pub(crate) fn paths(self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        let path = |name: String| {
            let inside = dir.join(self.archive_folder()).join(&name);
            let found = [inside, dir.join(&name)].into_iter().find(|p| p.is_file());
            found.ok_or_else(|| {
                let help = "unpack the binary version of the data set there, or name its folder with data.path=FOLDER";
                DataError::new(format!("{}: there is no {name}", dir.display()), help)
            })
        };
        self.files(split).into_iter().map(path).collect()
    }
}

/// Number of images of a split, from the files' sizes.
pub fn count(which: Cifar, dir: &Path, split: Split) -> Result<usize, DataError> {
    let size = |path: &PathBuf| {
        let bytes = path.metadata().map_err(|e| DataError::io(path, &e))?.len() as usize;
        whole_records(which, path, bytes)
    };
    which.paths(dir, split)?.iter().map(size).sum()
}

/// Reads a split.
pub fn read(which: Cifar, dir: &Path, split: Split) -> Result<Images, DataError> {
    let (mut all_pixels, mut labels) = (Vec::new(), Vec::new());
    for path in which.paths(dir, split)? {
        let bytes = std::fs::read(&path).map_err(|e| DataError::io(&path, &e))?;
        whole_records(which, &path, bytes.len())?;
        for record in bytes.chunks_exact(which.record()) {
            // The fine label stands right before the pixels in both formats.
            let (before, pixels) = record.split_at(which.record() - PIXELS);
            labels.extend(before.last().map(|&label| u32::from(label)));
            all_pixels.extend_from_slice(pixels);
        }
    }
    Ok(Images { channels: 3, height: 32, width: 32, pixels: all_pixels.into(), labels })
}

fn whole_records(which: Cifar, path: &Path, bytes: usize) -> Result<usize, DataError> {
    let record = which.record();
    if bytes == 0 || !bytes.is_multiple_of(record) {
        let nearest = (bytes / record + 1) * record;
        let what = format!("expected a multiple of {record} bytes (e.g. {nearest}), found {bytes}");
        return Err(DataError::file(path, what));
    }
    Ok(bytes / record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("cifar-100-binary");
        std::fs::create_dir(&inside).unwrap();
        let record = |coarse: u8, fine: u8, value: u8| [vec![coarse, fine], vec![value; PIXELS]].concat();
        std::fs::write(inside.join("train.bin"), [record(1, 42, 5), record(2, 99, 6)].concat()).unwrap();
        let images = read(Cifar::Hundred, dir.path(), Split::Train).unwrap();
        assert_eq!((images.labels, images.pixels[PIXELS]), (vec![42, 99], 6));
        assert_eq!(count(Cifar::Hundred, dir.path(), Split::Train).unwrap(), 2);

        std::fs::write(dir.path().join("test_batch.bin"), vec![3; PIXELS + 1]).unwrap();
        assert_eq!(read(Cifar::Ten, dir.path(), Split::Test).unwrap().labels, [3]);
        std::fs::write(dir.path().join("test_batch.bin"), vec![3; PIXELS]).unwrap();
        let e = read(Cifar::Ten, dir.path(), Split::Test).unwrap_err();
        assert!(e.cause.contains("expected a multiple of 3073 bytes (e.g. 3073), found 3072"), "{e}");
        assert!(read(Cifar::Ten, dir.path(), Split::Train).unwrap_err().cause.contains("data_batch_1.bin"));
    }
}
