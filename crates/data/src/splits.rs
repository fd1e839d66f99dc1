//! Files of splits, told by the words in their names: `train-00000-of-00003.parquet`,
//! `train/0000.parquet`, `imagenet-val-000000.tar`; in a folder, in its folder `data`, or in the
//! folder of its one configuration.

use crate::DataError;
use crate::left_out::LeftOut;
use crate::walk;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words for splits of test images, the preferred ones first.
const TEST: [&str; 7] = ["val", "validation", "valid", "dev", "eval", "test", "testing"];
const TRAIN: [&str; 2] = ["train", "training"];

/// The files of both splits, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    pub train: Vec<PathBuf>,
    pub test: Vec<PathBuf>,
    /// The folder that they were found in.
    pub dir: PathBuf,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Files by the word of their split.
type ByWord = BTreeMap<String, Vec<PathBuf>>;

/// The files of `dir` with this ending; None where there are none that belong to a training split.
pub fn find(dir: &Path, ending: &str) -> Result<Option<Files>, DataError> {
    if let Some(files) = in_folder(dir, ending) {
        return chosen(dir, files).map(Some);
    }
    let (folders, _) = entries(dir);
    let configurations: Vec<(PathBuf, ByWord)> = folders
        .into_iter()
        .filter_map(|folder| Some((folder.clone(), in_folder(&folder, ending)?)))
        .collect();
    match &configurations[..] {
        [] => Ok(None),
        [(folder, files)] => chosen(folder, files.clone()).map(Some),
        several => {
            let names: Vec<String> = several.iter().map(|(folder, _)| last(folder)).collect();
            Err(DataError::new(
                format!("{} holds several configurations: {}", dir.display(), names.join(", ")),
                format!("name the folder of one, e.g. data.path={}", several[0].0.display()),
            ))
        }
    }
}

fn entries(dir: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    walk::entries(dir, &mut LeftOut::default()).unwrap_or_default()
}

fn last(path: &Path) -> String {
    path.file_name().map(walk::shown).unwrap_or_default()
}

/// The word for a split in a name: `imagenet1k-train-0001` has train.
fn word(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphabetic()).collect();
    TRAIN.iter().chain(&TEST).find(|split| words.contains(split)).copied()
}

/// None without training files.
fn in_folder(dir: &Path, ending: &str) -> Option<ByWord> {
    let mut found = ByWord::new();
    let is_wanted =
        |path: &PathBuf| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    for dir in [dir.to_owned(), dir.join("data")] {
        let (folders, files) = entries(&dir);
        for file in files.into_iter().filter(is_wanted) {
            if let Some(split) = file.file_stem().and_then(|stem| word(&walk::shown(stem))) {
                found.entry(split.into()).or_default().push(file);
            }
        }
        for folder in folders {
            let Some(split) = word(&last(&folder)) else { continue };
            let files = entries(&folder).1.into_iter().filter(is_wanted);
            found.entry(split.into()).or_default().extend(files);
        }
        found.retain(|_, files| !files.is_empty());
        if TRAIN.iter().any(|split| found.contains_key(*split)) {
            return Some(found);
        }
    }
    None
}

fn chosen(dir: &Path, mut files: ByWord) -> Result<Files, DataError> {
    let train = TRAIN.iter().find_map(|split| files.remove(*split)).unwrap_or_default();
    let mut test = None;
    let mut rest = vec![];
    let mut used = "";
    for split in TEST {
        match (files.remove(split), &test) {
            (Some(found), None) => (test, used) = (Some(found), split),
            (Some(_), Some(_)) => rest.push(split),
            (None, _) => {}
        }
    }
    let Some(test) = test else {
        return Err(DataError::new(
            format!(
                "{}: there are training files, such as {}, but none for val or test",
                dir.display(),
                last(&train[0])
            ),
            "add the files of another split, with validation or test in their names",
        ));
    };
    for part in [&train, &test] {
        check_whole(part)?;
    }
    let mut notes: Vec<String> =
        [&train, &test].into_iter().filter_map(|part| from_one(part)).collect();
    if !rest.is_empty() {
        notes.push(format!("test images are those of {used}; {} is not used", rest.join(" and ")));
    }
    Ok(Files { train, test, dir: dir.to_owned(), notes })
}

/// Files may be numbered from one on, or the first is missing: nobody but the user can tell.
fn from_one(files: &[PathBuf]) -> Option<String> {
    let first = last(files.first()?);
    let stem = first.rsplit_once('.')?.0;
    let digits = &stem[stem.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
    let is_row = digits.len() >= 3 && digits.parse() == Ok(1) && !stem.contains("-of-");
    is_row.then(|| {
        format!(
            "the files begin with {first}: is {} missing?",
            first.replace(digits, &"0".repeat(digits.len()))
        )
    })
}

/// Refuses a split of which files are missing, or of which there are two sets.
fn check_whole(files: &[PathBuf]) -> Result<(), DataError> {
    let names: Vec<String> = files.iter().map(|path| last(path)).collect();
    let dir = files[0].parent().unwrap_or(Path::new("."));
    if let Some(partial) = files.iter().find(|path| path.to_string_lossy().contains("partial-")) {
        let cause = format!("{} is marked as a part of the data set only", partial.display());
        return Err(DataError::new(cause, "get all of its files"));
    }
    let of: Vec<(String, usize, usize, usize)> =
        names.iter().filter_map(|name| numbered_of(name)).collect();
    let missing = if of.is_empty() {
        gaps(&names)
    } else {
        let (pattern, total, ..) = &of[0];
        if of.len() != names.len() || of.iter().any(|(p, t, ..)| (p, t) != (pattern, total)) {
            let other = names.iter().find(|name| {
                numbered_of(name).is_none_or(|(p, t, ..)| (&p, &t) != (pattern, total))
            });
            return Err(DataError::new(
                format!(
                    "{}: {} and {} are of different sets of files",
                    dir.display(),
                    names[0],
                    other.unwrap_or(&names[0])
                ),
                "keep the files of one of them",
            ));
        }
        let width = of[0].3;
        let there = |i: usize| of.iter().any(|(_, _, number, _)| *number == i);
        let name = |i: usize| pattern.replacen('\0', &format!("{i:0width$}"), 1);
        (0..*total).filter(|&i| !there(i)).map(name).take(MOST_NAMED + 1).collect()
    };
    if missing.is_empty() {
        return Ok(());
    }
    let shown = missing.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if missing.len() > MOST_NAMED { ", ..." } else { "" };
    Err(DataError::new(
        format!("{}: {shown}{more} missing", dir.display()),
        "get the missing files; a part of the set would train on too little",
    ))
}

/// So many missing files are named.
const MOST_NAMED: usize = 5;

/// `train-00001-of-00003.parquet` as (`train-\0-of-00003.parquet`, 3, 1, 5 digits).
fn numbered_of(name: &str) -> Option<(String, usize, usize, usize)> {
    let at = name.find("-of-")?;
    let before = &name[..at];
    let after = &name[at + 4..];
    let digits =
        |text: &str| text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let width = digits(before);
    let total: String = after.chars().take_while(char::is_ascii_digit).collect();
    let number = before[before.len() - width..].parse().ok()?;
    let pattern = format!("{}\0-of-{after}", &before[..before.len() - width]);
    // A damaged name must not ask for a list of billions.
    Some((pattern, total.parse().ok().filter(|&n| n < 1_000_000)?, number, width))
}

/// Names that lack in a row such as `train-000000.tar`, `train-000002.tar`.
fn gaps(names: &[String]) -> Vec<String> {
    let mut rows: BTreeMap<(&str, &str), Vec<(u64, usize)>> = BTreeMap::new();
    for name in names {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let start = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Ok(number) = stem[start.len()..].parse() {
            rows.entry((start, ending)).or_default().push((number, stem.len() - start.len()));
        }
    }
    let mut missing = vec![];
    for ((start, ending), mut numbers) in rows {
        numbers.sort_unstable();
        let width = numbers[0].1;
        // A number of its own, such as a version, is no row of files; a row begins with 0 or 1.
        let is_row = width >= 3 || numbers.len() > 1;
        let mut expected = if is_row { numbers[0].0.min(1) } else { numbers[0].0 };
        for (number, _) in numbers {
            while expected < number && missing.len() <= MOST_NAMED {
                missing.push(format!("{start}{expected:0width$}.{ending}"));
                expected += 1;
            }
            expected = number + 1;
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> (tempfile::TempDir, Result<Option<Files>, DataError>) {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = find(dir.path(), "parquet");
        (dir, found)
    }

    #[test]
    fn the_layouts_of_the_hub_are_found() {
        for names in [
            &["train.parquet", "test.parquet"][..],
            &[
                "train-00000-of-00002.parquet",
                "train-00001-of-00002.parquet",
                "test-00000-of-00001.parquet",
            ],
            &[
                "data/train-00000-of-00001.parquet",
                "data/validation-00000-of-00001.parquet",
                "README.md",
            ],
            &["train/0000.parquet", "train/0001.parquet", "test/0000.parquet"],
            &["plain_text/train/0000.parquet", "plain_text/test/0000.parquet"],
            &["plain_text/cifar10-train.parquet", "plain_text/cifar10-test.parquet"],
            &["default/train-00000-of-00001.parquet", "default/valid-00000-of-00001.parquet"],
        ] {
            let (_dir, found) = files(names);
            let found = found.unwrap().unwrap_or_else(|| panic!("{names:?}"));
            assert_eq!(
                found.train.len(),
                names.iter().filter(|n| n.contains("train")).count(),
                "{names:?}"
            );
            assert_eq!(found.test.len(), 1, "{names:?}");
        }
        assert_eq!(files(&["notes.txt", "contrain.parquet"]).1.unwrap(), None);
        let both =
            files(&["train.parquet", "test.parquet", "validation.parquet"]).1.unwrap().unwrap();
        assert_eq!(both.notes, ["test images are those of validation; test is not used"]);
    }

    #[test]
    fn a_row_that_begins_with_one_is_asked_about() {
        let found = files(&["train/0001.parquet", "train/0002.parquet", "test/0000.parquet"])
            .1
            .unwrap()
            .unwrap();
        assert_eq!(found.notes, ["the files begin with 0001.parquet: is 0000.parquet missing?"]);
    }

    #[test]
    fn what_is_missing_or_mixed_is_refused_by_name() {
        for (names, expected) in [
            (
                &["train-00000-of-00003.parquet", "test-00000-of-00001.parquet"][..],
                "train-00001-of-00003.parquet, train-00002-of-00003.parquet missing",
            ),
            (
                &["train/0000.parquet", "train/0002.parquet", "test/0000.parquet"],
                "0001.parquet missing",
            ),
            (&["train/0003.parquet", "test/0000.parquet"], "0001.parquet, 0002.parquet missing"),
            (
                &["train-00000-of-00001.parquet", "train-00000-of-00002.parquet", "test.parquet"],
                "different sets",
            ),
            (&["train.parquet", "train-00000-of-00001.parquet", "test.parquet"], "different sets"),
            (
                &["a/train.parquet", "a/test.parquet", "b/train.parquet", "b/test.parquet"],
                "several configurations: a, b",
            ),
            (&["partial-train/0000.parquet", "test/0000.parquet"], "a part of the data set"),
            (&["train.parquet"], "none for val or test"),
        ] {
            let e = files(names).1.unwrap_err();
            assert!(e.cause.contains(expected), "{names:?}: {e}");
        }
    }
}
