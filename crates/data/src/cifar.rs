//! CIFAR's binary format: per image one label byte (CIFAR-100: coarse, then fine) and 3 x 32 x 32
//! bytes; and its Python version, as torchvision keeps it.

use crate::{DataError, Images, Split, names, pickled};
use std::path::{Path, PathBuf};

const PIXELS: usize = 3 * 32 * 32;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cifar {
    Ten,
    Hundred,
}

/// Both.
pub const ALL: [Cifar; 2] = [Cifar::Ten, Cifar::Hundred];

/// Where a data set's files are, and of which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    which: Cifar,
    is_python: bool,
    dir: PathBuf,
}

impl Cifar {
    /// Number of classes.
    pub fn classes(self) -> usize {
        if self == Cifar::Ten { 10 } else { 100 }
    }

    fn files(self, split: Split, is_python: bool) -> Vec<String> {
        let ending = if is_python { "" } else { ".bin" };
        match (self, split) {
            (Cifar::Ten, Split::Train) => {
                (1..=5).map(|i| format!("data_batch_{i}{ending}")).collect()
            }
            (Cifar::Ten, Split::Test) => vec![format!("test_batch{ending}")],
            (Cifar::Hundred, Split::Train) => vec![format!("train{ending}")],
            (Cifar::Hundred, Split::Test) => vec![format!("test{ending}")],
        }
    }

    /// The folder inside the published archive.
    fn archive_folder(self, is_python: bool) -> &'static str {
        match (self, is_python) {
            (Cifar::Ten, false) => "cifar-10-batches-bin",
            (Cifar::Ten, true) => "cifar-10-batches-py",
            (Cifar::Hundred, false) => "cifar-100-binary",
            (Cifar::Hundred, true) => "cifar-100-python",
        }
    }

    fn record(self) -> usize {
        PIXELS + if self == Cifar::Ten { 1 } else { 2 }
    }

    /// The files in `dir` or in the folder of their archive; None where none of them is there.
    pub fn find(self, dir: &Path) -> Option<Files> {
        let places =
            [false, true].map(|py| (py, [dir.join(self.archive_folder(py)), dir.to_owned()]));
        let all = places.into_iter().flat_map(|(py, dirs)| dirs.map(|dir| (py, dir)));
        let has_any = |(py, dir): &(bool, PathBuf)| {
            let names = [self.files(Split::Train, *py), self.files(Split::Test, *py)].concat();
            names.iter().any(|name| dir.join(name).is_file())
        };
        all.into_iter().find(has_any).map(|(is_python, dir)| Files { which: self, is_python, dir })
    }

    /// What is said where there are none.
    pub fn none(self, dir: &Path) -> DataError {
        self.missing(dir, &self.files(Split::Train, false)[0])
    }

    fn missing(self, dir: &Path, name: &str) -> DataError {
        let set = if self == Cifar::Ten { "cifar10" } else { "cifar100" };
        let help = format!(
            "`just data {set}` brings the binary version; or name its folder with data.path=FOLDER"
        );
        DataError::new(format!("{}: there is no {name}", dir.display()), help)
    }
}

impl Files {
    /// Which of the two.
    pub fn which(&self) -> Cifar {
        self.which
    }

    /// The files of a split, all of which must be there.
    pub fn paths(&self, split: Split) -> Result<Vec<PathBuf>, DataError> {
        let path = |name: String| {
            let path = self.dir.join(&name);
            if path.is_file() { Ok(path) } else { Err(self.which.missing(&self.dir, &name)) }
        };
        self.which.files(split, self.is_python).into_iter().map(path).collect()
    }

    /// Class names, where they lie beside the files.
    pub fn names(&self) -> Vec<String> {
        let (meta, key) = match self.which {
            Cifar::Ten => ("batches.meta", "label_names"),
            Cifar::Hundred => ("meta", "fine_label_names"),
        };
        let pickled = || pickled::texts(&std::fs::read(self.dir.join(meta)).ok()?, key);
        let found =
            names::lines(&self.dir, &["batches.meta.txt", "fine_label_names.txt"]).or_else(pickled);
        found.filter(|names| names.len() == self.which.classes()).unwrap_or_default()
    }

    /// Reads a split.
    pub fn read(&self, split: Split) -> Result<Images, DataError> {
        let mut all_pixels = Vec::new();
        let mut labels = Vec::new();
        for path in self.paths(split)? {
            let bytes = std::fs::read(&path).map_err(|e| DataError::io(&path, &e))?;
            if self.is_python {
                self.add_pickled(&path, &bytes, &mut all_pixels, &mut labels)?;
                continue;
            }
            whole_records(self.which, &path, bytes.len())?;
            for record in bytes.chunks_exact(self.which.record()) {
                // The fine label stands right before the pixels in both formats.
                let (before, pixels) = record.split_at(self.which.record() - PIXELS);
                labels.extend(before.last().map(|&label| u32::from(label)));
                all_pixels.extend_from_slice(pixels);
            }
        }
        Ok(Images { channels: 3, height: 32, width: 32, pixels: all_pixels.into(), labels })
    }

    fn add_pickled(
        &self,
        path: &Path,
        bytes: &[u8],
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        let key = if self.which == Cifar::Ten { "labels" } else { "fine_labels" };
        let batch = pickled::batch(bytes, key).map_err(|e| DataError::file(path, e))?;
        let found = &batch.pixels;
        if found.len() != batch.labels.len() * PIXELS {
            let expected = batch.labels.len() * PIXELS;
            let what = format!(
                "expected {expected} bytes of pixels for {} labels, found {}",
                batch.labels.len(),
                found.len()
            );
            return Err(DataError::file(path, what));
        }
        pixels.extend_from_slice(found);
        labels.extend(batch.labels);
        Ok(())
    }
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
        let record =
            |coarse: u8, fine: u8, value: u8| [vec![coarse, fine], vec![value; PIXELS]].concat();
        std::fs::write(inside.join("train.bin"), [record(1, 42, 5), record(2, 99, 6)].concat())
            .unwrap();
        let images = Cifar::Hundred.find(dir.path()).unwrap().read(Split::Train).unwrap();
        assert_eq!((images.labels, images.pixels[PIXELS]), (vec![42, 99], 6));

        std::fs::write(dir.path().join("test_batch.bin"), vec![3; PIXELS + 1]).unwrap();
        let ten = Cifar::Ten.find(dir.path()).unwrap();
        assert_eq!(ten.read(Split::Test).unwrap().labels, [3]);
        std::fs::write(dir.path().join("test_batch.bin"), vec![3; PIXELS]).unwrap();
        let e = ten.read(Split::Test).unwrap_err();
        assert!(
            e.cause.contains("expected a multiple of 3073 bytes (e.g. 3073), found 3072"),
            "{e}"
        );
        assert!(ten.read(Split::Train).unwrap_err().cause.contains("data_batch_1.bin"));
        assert_eq!(Cifar::Ten.find(Path::new("nowhere")), None);
    }
}
