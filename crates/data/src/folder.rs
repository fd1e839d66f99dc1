//! Folders of pictures: `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (or `test/`), as ImageNet is usually kept.

use crate::{DataError, Split};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What is in a folder. Class names are those of the training folder, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Listing {
    pub classes: Vec<String>,
    pub train: Vec<Sample>,
    pub test: Vec<Sample>,
    /// Each class's folder and its time of change: a listing that was kept is good while these are the same.
    stamps: Vec<(PathBuf, u64)>,
}

/// A picture's file and class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Sample {
    pub file: PathBuf,
    pub label: u32,
}

impl Listing {
    /// The pictures of a split.
    pub fn split(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// Whether `dir` looks like such a folder.
pub fn is_one(dir: &Path) -> bool {
    dir.join("train").is_dir()
}

/// Lists `dir`, or takes what `cache` (a file) kept of it if no class folder changed since.
pub fn list(dir: &Path, cache: &Path) -> Result<Listing, DataError> {
    let kept = std::fs::read(cache).ok().and_then(|bytes| serde_json::from_slice::<Listing>(&bytes).ok());
    if let Some(kept) = kept
        && !kept.stamps.is_empty()
        && kept.stamps == stamps(dir)?
    {
        return Ok(kept);
    }
    let listing = scan(dir)?;
    // A listing that cannot be kept is made again next time.
    if let Ok(bytes) = serde_json::to_vec(&listing) {
        let _ = crate::cache::write(cache, &bytes);
    }
    Ok(listing)
}

fn scan(dir: &Path) -> Result<Listing, DataError> {
    let test_dir = test_folder(dir)?;
    let classes = subfolders(&dir.join("train"))?;
    if classes.is_empty() {
        return Err(DataError::new(
            format!("{}: no class folders", dir.join("train").display()),
            "put the pictures of each class into a folder of its own: train/CLASS/*.jpg",
        ));
    }
    let unknown = subfolders(&test_dir)?.into_iter().find(|class| !classes.contains(class));
    if let Some(class) = unknown {
        return Err(DataError::new(
            format!("{}: class {class} is not among those of train/", test_dir.display()),
            "give both the same class folders",
        ));
    }
    let names: Vec<String> = classes.into_iter().collect();
    let pictures = |root: &Path| -> Result<Vec<Sample>, DataError> {
        let of_class = |(label, class): (usize, &String)| pictures(&root.join(class), label as u32);
        Ok(names.par_iter().enumerate().map(of_class).collect::<Result<Vec<_>, _>>()?.concat())
    };
    let (train, test) = (pictures(&dir.join("train"))?, pictures(&test_dir)?);
    for (split, samples) in [("train", &train), ("val", &test)] {
        if samples.is_empty() {
            let cause = format!("{}: no pictures in {split}", dir.display());
            return Err(DataError::new(cause, "pictures end in .jpg, .jpeg or .png"));
        }
    }
    Ok(Listing { classes: names, train, test, stamps: stamps(dir)? })
}

fn test_folder(dir: &Path) -> Result<PathBuf, DataError> {
    let candidates = ["val", "validation", "test"].map(|name| dir.join(name));
    candidates.into_iter().find(|path| path.is_dir()).ok_or_else(|| {
        DataError::new(format!("{}: no folder val", dir.display()), "put the test pictures into val/CLASS/*.jpg")
    })
}

fn subfolders(dir: &Path) -> Result<BTreeSet<String>, DataError> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(|e| DataError::io(dir, &e))? {
        let entry = entry.map_err(|e| DataError::io(dir, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

/// In alphabetical order, so that an index means the same picture everywhere.
fn pictures(dir: &Path, label: u32) -> Result<Vec<Sample>, DataError> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(vec![]) };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| is_picture(p)).collect();
    files.sort();
    Ok(files.into_iter().map(|file| Sample { file, label }).collect())
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| ["jpg", "jpeg", "png"].contains(&e.as_str()))
}

fn stamps(dir: &Path) -> Result<Vec<(PathBuf, u64)>, DataError> {
    let mut all = Vec::new();
    for root in [dir.join("train"), test_folder(dir)?] {
        for class in subfolders(&root)? {
            let path = root.join(class);
            let changed = path.metadata().and_then(|m| m.modified()).map_err(|e| DataError::io(&path, &e))?;
            let nanoseconds = changed.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
            all.push((path, nanoseconds));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in ["train/cat/b.JPG", "train/cat/a.jpeg", "train/ant/x.png", "val/ant/y.jpg", "train/ant/notes.txt"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn classes_and_pictures_are_in_alphabetical_order() {
        let dir = tree();
        let listing = list(dir.path(), &dir.path().join("cache.json")).unwrap();
        assert_eq!(listing.classes, ["ant", "cat"]);
        let names: Vec<_> =
            listing.train.iter().map(|s| (s.file.file_name().unwrap().to_str().unwrap(), s.label)).collect();
        assert_eq!(names, [("x.png", 0), ("a.jpeg", 1), ("b.JPG", 1)]);
        assert_eq!(listing.test.len(), 1);
    }

    #[test]
    fn a_kept_listing_is_used_until_a_class_folder_changes() {
        let dir = tree();
        let cache = dir.path().join("cache.json");
        let mut listing = list(dir.path(), &cache).unwrap();
        // A mark that only the kept one has.
        listing.classes[0] = "kept".into();
        std::fs::write(&cache, serde_json::to_vec(&listing).unwrap()).unwrap();
        assert_eq!(list(dir.path(), &cache).unwrap().classes[0], "kept");
        std::fs::write(dir.path().join("train/ant/new.png"), "").unwrap();
        let fresh = list(dir.path(), &cache).unwrap();
        assert_eq!((fresh.classes[0].as_str(), fresh.train.len()), ("ant", 4));
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tree();
        std::fs::create_dir(dir.path().join("val/dog")).unwrap();
        let e = list(dir.path(), &dir.path().join("c")).unwrap_err();
        assert!(e.cause.contains("class dog"), "{e}");
        std::fs::remove_dir_all(dir.path().join("val")).unwrap();
        let e = list(dir.path(), &dir.path().join("c")).unwrap_err();
        assert!(e.help.contains("val/CLASS"), "{e:?}");
    }
}
