//! Folders of pictures: `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (or `test/`), as ImageNet is
//! usually kept.

use crate::cache::{self, Places, Stamp};
use crate::digest::Digest;
use crate::left_out::LeftOut;
use crate::walk::{self, Found, Walk};
use crate::{DataError, Split};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Folders of test images, those that are preferred first.
pub const TEST_FOLDERS: [&str; 6] = ["val", "validation", "valid", "dev", "test", "testing"];
/// Folders of training images.
pub const TRAIN_FOLDERS: [&str; 2] = ["train", "training"];

/// A listing of more files is kept, and taken again while no folder's time of change differs.
const MOST_LISTED_ANEW: usize = 200_000;
const KEPT: &str = "listing.json";

/// What is in a folder. Class names are those of the training folder, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    pub classes: Vec<String>,
    pub train: Vec<Sample>,
    pub test: Vec<Sample>,
    /// What the user should know: what was left out, classes without pictures.
    pub notes: Vec<String>,
    /// The digest of classes, relative names, sizes and labels.
    pub identity: u64,
    /// The same with the pictures' times: what was made of the pictures is good while this is the
    /// same.
    pub freshness: u64,
    /// Every folder and its times.
    stamps: Vec<(PathBuf, Stamp)>,
}

/// A picture's file and class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// The folder in `dir` with one of these names, in any case; the first name that there is.
pub fn find(dir: &Path, names: &[&str]) -> Option<PathBuf> {
    let exact = names.iter().map(|name| dir.join(name)).find(|path| path.is_dir());
    exact.or_else(|| {
        let mut all: Vec<PathBuf> =
            std::fs::read_dir(dir).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
        all.sort();
        let is = |path: &PathBuf, name: &str| {
            path.file_name().is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        names
            .iter()
            .find_map(|name| all.iter().find(|path| is(path, name) && path.is_dir()).cloned())
    })
}

/// Whether `dir` looks like such a folder.
pub fn is_one(dir: &Path) -> bool {
    find(dir, &TRAIN_FOLDERS).is_some()
}

/// Lists `dir`, or takes what was kept of a large one if no folder changed since.
pub fn list(dir: &Path, places: &Places) -> Result<Listing, DataError> {
    list_kept(dir, places, MOST_LISTED_ANEW)
}

fn list_kept(dir: &Path, places: &Places, most_anew: usize) -> Result<Listing, DataError> {
    let is_fresh = |listing: &Listing| {
        let now = |path: &PathBuf| path.metadata().ok().map(|m| Stamp::of(&m));
        !listing.stamps.is_empty()
            && listing.stamps.par_iter().all(|(path, stamp)| now(path) == Some(*stamp))
    };
    if let Some(kept) = places.find(KEPT, |path| cache::read_json::<Listing>(path).filter(is_fresh))
    {
        return Ok(kept);
    }
    let listing = scan(dir)?;
    // A listing that cannot be kept is made again next time.
    if listing.train.len() + listing.test.len() > most_anew
        && let Ok(place) = places.writable()
    {
        let _ = cache::write_json(&place.join(KEPT), &listing);
    }
    Ok(listing)
}

/// A split: its folder, and the pictures of each class.
struct Part {
    dir: PathBuf,
    walks: Vec<Walk>,
    left_out: LeftOut,
    stamp: Stamp,
}

fn scan(dir: &Path) -> Result<Listing, DataError> {
    let train_dir = train_folder(dir)?;
    let test_dir = test_folder(dir)?;
    let (class_dirs, train_left) = classes(&train_dir)?;
    if class_dirs.is_empty() {
        return Err(DataError::new(
            format!("{}: no class folders", train_dir.display()),
            "put the pictures of each class into a folder of its own: train/CLASS/*.jpg",
        ));
    }
    let (test_dirs, test_left) = classes(&test_dir)?;
    check_test_classes(&test_dir, &class_dirs, &test_dirs, &test_left)?;
    let names: Vec<String> =
        class_dirs.keys().map(|name| walk::shown(std::ffi::OsStr::from_bytes(name))).collect();
    let part = |root: PathBuf,
                dirs: &BTreeMap<Vec<u8>, PathBuf>,
                left_out: LeftOut|
     -> Result<Part, DataError> {
        let of_class = |name: &Vec<u8>| {
            dirs.get(name).map_or_else(|| Ok(Walk::default()), |path| walk::walk(path))
        };
        let all: Vec<&Vec<u8>> = class_dirs.keys().collect();
        let walks = all.into_par_iter().map(of_class).collect::<Result<Vec<_>, _>>()?;
        let stamp = Stamp::of(&root.metadata().map_err(|e| DataError::io(&root, &e))?);
        Ok(Part { dir: root, walks, left_out, stamp })
    };
    let parts = [part(train_dir, &class_dirs, train_left)?, part(test_dir, &test_dirs, test_left)?];
    for part in &parts {
        if part.walks.iter().all(|walk| walk.files.is_empty()) {
            let cause = format!("{}: no pictures", part.dir.display());
            return Err(DataError::new(
                cause,
                format!("pictures end in .{}", walk::ENDINGS.join(", .")),
            ));
        }
    }
    Ok(listing(dir, names, parts))
}

fn listing(dir: &Path, names: Vec<String>, parts: [Part; 2]) -> Listing {
    let mut identity = Digest::new("folder");
    let mut fresh = Digest::new("fresh folder");
    identity.texts(&names);
    let mut notes = class_notes(&names, &parts);
    let mut left_out = LeftOut::default();
    let mut stamps = vec![];
    let splits = parts.map(|part| {
        identity.number(part.walks.iter().map(|w| w.files.len() as u64).sum());
        let mut samples = Vec::new();
        left_out.join(part.left_out);
        stamps.push((part.dir.clone(), part.stamp));
        for (label, walk) in part.walks.into_iter().enumerate() {
            left_out.join(walk.left_out);
            stamps.extend(walk.folders);
            for Found { path, size, modified } in walk.files {
                let below = path.strip_prefix(&part.dir).unwrap_or(&path).as_os_str().as_bytes();
                identity.bytes(below);
                identity.numbers([size, label as u64]);
                fresh.numbers([modified.0 as u64, modified.1 as u64]);
                samples.push(Sample { file: path, label: label as u32 });
            }
        }
        samples
    });
    notes.extend(
        left_out.notes().into_iter().map(|note| note.replace(&format!("{}/", dir.display()), "")),
    );
    notes.extend(unused_note(dir));
    let identity = identity.finish();
    fresh.number(identity);
    let [train, test] = splits;
    Listing { classes: names, train, test, notes, identity, freshness: fresh.finish(), stamps }
}

/// Classes that lack pictures.
fn class_notes(names: &[String], parts: &[Part; 2]) -> Vec<String> {
    let of = |part: &Part| {
        let is_empty = |(_, walk): &(&String, &Walk)| walk.files.is_empty();
        let lacking: Vec<&str> =
            names.iter().zip(&part.walks).filter(is_empty).map(|(n, _)| n.as_str()).collect();
        let split = part.dir.file_name().unwrap_or_default().to_string_lossy();
        let lacking: Vec<String> = lacking.into_iter().map(str::to_owned).collect();
        self::lacking(&lacking, &format!("{split}/"))
    };
    parts.iter().filter_map(of).collect()
}

/// A sentence on classes that have no pictures in `part`.
pub(crate) fn lacking(names: &[String], part: &str) -> Option<String> {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1 => Some(format!("class {shown} has no pictures in {part}")),
        n => {
            let more = if n > SHOWN { ", ..." } else { "" };
            Some(format!("{n} classes have no pictures in {part}: {shown}{more}"))
        }
    }
}

/// Which folder the test images are from, where there is a choice.
fn unused_note(dir: &Path) -> Option<String> {
    let there: Vec<&str> =
        TEST_FOLDERS.into_iter().filter(|name| dir.join(name).is_dir()).collect();
    let (used, rest) = there.split_first()?;
    (!rest.is_empty())
        .then(|| format!("test images are those of {used}/; {}/ is not used", rest.join("/ and ")))
}

fn train_folder(dir: &Path) -> Result<PathBuf, DataError> {
    find(dir, &TRAIN_FOLDERS).ok_or_else(|| {
        DataError::new(
            format!("{}: no folder train", dir.display()),
            "put the pictures into train/CLASS/*.jpg",
        )
    })
}

fn test_folder(dir: &Path) -> Result<PathBuf, DataError> {
    find(dir, &TEST_FOLDERS).ok_or_else(|| {
        DataError::new(
            format!("{}: no folder val, valid, validation, dev or test", dir.display()),
            "put the test pictures into val/CLASS/*.jpg",
        )
    })
}

/// Class folders by the bytes of their names.
fn classes(dir: &Path) -> Result<(BTreeMap<Vec<u8>, PathBuf>, LeftOut), DataError> {
    let mut left_out = LeftOut::default();
    let (folders, files) = walk::entries(dir, &mut left_out)?;
    for file in files {
        let is_picture = walk::is_picture(file.file_name().unwrap_or_default());
        let tally = if is_picture { &mut left_out.loose } else { &mut left_out.other };
        tally.add(file.display().to_string());
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().as_bytes().to_vec();
    Ok((folders.into_iter().map(|path| (name(&path), path)).collect(), left_out))
}

fn check_test_classes(
    test_dir: &Path,
    train: &BTreeMap<Vec<u8>, PathBuf>,
    test: &BTreeMap<Vec<u8>, PathBuf>,
    left_out: &LeftOut,
) -> Result<(), DataError> {
    if test.is_empty() && left_out.loose.count() > 0 {
        return Err(DataError::new(
            format!(
                "{} has pictures but no class folders: they have no labels",
                test_dir.display()
            ),
            "put labeled pictures into val/CLASS/*.jpg; pictures without labels are for res2lab predict",
        ));
    }
    let Some(class) = test.keys().find(|class| !train.contains_key(*class)) else { return Ok(()) };
    let class = walk::shown(std::ffi::OsStr::from_bytes(class));
    Err(DataError::new(
        format!("{}: class {class} is not among those of train/", test_dir.display()),
        "give both the same class folders",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "train/cat/b.JPG",
            "train/cat/a.jpeg",
            "train/ant/x.png",
            "val/ant/y.jpg",
            "train/ant/notes.txt",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        dir
    }

    fn listed(dir: &Path) -> Listing {
        list(dir, &Places::of(&dir.join("kept"), dir)).unwrap()
    }

    #[test]
    fn classes_and_pictures_are_in_alphabetical_order() {
        let dir = tree();
        let listing = listed(dir.path());
        assert_eq!(listing.classes, ["ant", "cat"]);
        let names: Vec<_> = listing
            .train
            .iter()
            .map(|s| (s.file.file_name().unwrap().to_str().unwrap(), s.label))
            .collect();
        assert_eq!(names, [("x.png", 0), ("a.jpeg", 1), ("b.JPG", 1)]);
        assert_eq!(listing.test.len(), 1);
        let expected = [
            "class cat has no pictures in val/",
            "1 file is left out, as its ending is not a picture's: train/ant/notes.txt",
        ];
        assert_eq!(listing.notes, expected);
    }

    #[test]
    fn a_folder_is_listed_anew_whatever_its_times_say() {
        let dir = tree();
        let first = listed(dir.path());
        let class = dir.path().join("train/cat");
        let before = class.metadata().unwrap().modified().unwrap();
        fs::rename(class.join("a.jpeg"), class.join("c.jpeg")).unwrap();
        fs::File::open(&class).unwrap().set_modified(before).unwrap();
        let second = listed(dir.path());
        assert!(second.train[2].file.ends_with("c.jpeg"));
        assert_ne!(first.identity, second.identity);
    }

    #[test]
    fn a_large_listing_is_kept_until_a_folder_changes_in_any_way() {
        let dir = tree();
        let places = Places::of(&dir.path().join("kept"), dir.path());
        let kept = || list_kept(dir.path(), &places, 0).unwrap();
        let mut listing = kept();
        // A mark that only the kept one has.
        listing.classes[0] = "kept".into();
        cache::write_json(&places.writable().unwrap().join(KEPT), &listing).unwrap();
        assert_eq!(kept().classes[0], "kept");
        let class = dir.path().join("train/ant");
        let before = class.metadata().unwrap().modified().unwrap();
        fs::write(class.join("new.png"), "x").unwrap();
        fs::File::open(&class).unwrap().set_modified(before).unwrap();
        assert_eq!((kept().classes[0].as_str(), kept().train.len()), ("ant", 4));
    }

    #[test]
    fn a_copy_elsewhere_and_at_another_time_is_the_same_data() {
        let one = tree();
        let two = tree();
        let a = listed(one.path());
        let b = listed(two.path());
        assert_eq!(a.identity, b.identity);
        assert_ne!(a.freshness, b.freshness);
        fs::write(two.path().join("val/ant/y.jpg"), "longer").unwrap();
        assert_ne!(a.identity, listed(two.path()).identity);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tree();
        let e = || list(dir.path(), &Places::of(&dir.path().join("kept"), dir.path())).unwrap_err();
        fs::create_dir(dir.path().join("val/dog")).unwrap();
        assert!(e().cause.contains("class dog"));
        fs::remove_dir_all(dir.path().join("val")).unwrap();
        assert!(e().help.contains("val/CLASS"));
        fs::create_dir(dir.path().join("test")).unwrap();
        fs::write(dir.path().join("test/1.jpg"), "x").unwrap();
        assert!(e().cause.contains("no labels"));
        fs::create_dir_all(dir.path().join("Valid/ant")).unwrap();
        fs::write(dir.path().join("Valid/ant/1.jpg"), "x").unwrap();
        assert!(e().cause.contains("test"), "an exact name is preferred");
        fs::remove_dir_all(dir.path().join("test")).unwrap();
        assert_eq!(listed(dir.path()).test.len(), 1);
    }
}
