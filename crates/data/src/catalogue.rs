//! The data sets by name. To add one, give it a line in [`KNOWN`] and, if its format is new, a reader.

use crate::cifar::{self, Cifar};
use crate::{DataError, Images, Split, idx};
use std::path::Path;

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

#[derive(Clone, Copy)]
enum Format {
    Idx,
    Cifar(Cifar),
}

/// Name, format, classes.
const KNOWN: [(&str, Format, usize); 5] = [
    ("mnist5k", Format::Idx, 10),
    ("mnist", Format::Idx, 10),
    ("fashion_mnist", Format::Idx, 10),
    ("cifar10", Format::Cifar(Cifar::Ten), 10),
    ("cifar100", Format::Cifar(Cifar::Hundred), 100),
];

fn find(name: &str) -> Result<(Format, usize), DataError> {
    let known = KNOWN.iter().find(|(known, ..)| *known == name);
    known.map(|&(_, format, classes)| (format, classes)).ok_or_else(|| {
        let names = KNOWN.map(|(name, ..)| name).join(", ");
        DataError::new(format!("no data set is called \"{name}\""), format!("use one of {names}"))
    })
}

/// Reads no more than it must to be sure that the files are whole.
pub fn describe(name: &str, dir: &Path) -> Result<Facts, DataError> {
    let (format, classes) = find(name)?;
    match format {
        Format::Idx => {
            // A compressed file shows only at its end that it was cut off.
            let (train, test) = (load(name, dir, Split::Train)?, load(name, dir, Split::Test)?);
            let Images { channels, height, width, .. } = train;
            Ok(Facts { channels, height, width, classes, train_images: train.len(), test_images: test.len() })
        }
        Format::Cifar(which) => {
            let train_images = cifar::count(which, dir, Split::Train)?;
            let test_images = cifar::count(which, dir, Split::Test)?;
            Ok(Facts { channels: 3, height: 32, width: 32, classes, train_images, test_images })
        }
    }
}

/// Reads a split into memory.
pub fn load(name: &str, dir: &Path, split: Split) -> Result<Images, DataError> {
    let (format, classes) = find(name)?;
    let images = match format {
        Format::Idx => idx::read(dir, split)?,
        Format::Cifar(which) => cifar::read(which, dir, split)?,
    };
    images.check_labels(classes, dir)?;
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mnist5k() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist5k")
    }

    #[test]
    fn the_committed_digits_are_whole() {
        let facts = describe("mnist5k", &mnist5k()).unwrap();
        assert_eq!((facts.train_images, facts.test_images, facts.height), (4000, 1000, 28));
        let train = load("mnist5k", &mnist5k(), Split::Train).unwrap();
        for class in 0..10 {
            assert_eq!(train.labels.iter().filter(|&&l| l == class).count(), 400);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let e = describe("mnits", Path::new(".")).unwrap_err();
        assert!(e.cause.contains("mnits") && e.help.contains("fashion_mnist"), "{e:?}");
    }
}
