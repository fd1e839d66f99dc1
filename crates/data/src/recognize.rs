//! What kind of data set a folder holds, and what is said where it holds none.

use crate::cifar::{self, Cifar};
use crate::left_out::LeftOut;
use crate::sniff::{self, Content};
use crate::walk::{self, shown};
use crate::{DataError, folder, idx, splits};
use std::path::{Path, PathBuf};

/// A data set's files.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Idx(idx::Files),
    Cifar(cifar::Files),
    Folder,
    Parquet(splits::Files),
    Tars(splits::Files),
}

/// Looks into `dir`; None where it holds nothing that is known.
pub fn kind(dir: &Path) -> Result<Option<Kind>, DataError> {
    // Archives often stay beside the folders that were unpacked from them.
    if folder::find(dir, &folder::TRAIN_FOLDERS).is_some_and(|train| has_folders(&train)) {
        return Ok(Some(Kind::Folder));
    }
    if let Some(files) = splits::find(dir, "parquet")? {
        return Ok(Some(Kind::Parquet(files)));
    }
    if let Some(files) = splits::find(dir, "tar")? {
        return Ok(Some(Kind::Tars(files)));
    }
    if folder::is_one(dir) {
        return Ok(Some(Kind::Folder));
    }
    if let Some(files) = idx::find(dir)? {
        return Ok(Some(Kind::Idx(files)));
    }
    Ok(cifar::ALL.iter().find_map(|which: &Cifar| which.find(dir)).map(Kind::Cifar))
}

/// What a user is told whose folder holds no data set. `downloads` names one that `just data`
/// brings.
pub fn none(dir: &Path, downloads: Option<&str>) -> DataError {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let shown_dir = absolute.display();
    let bring = downloads.map(|name| format!("`just data {name}` downloads it; or "));
    if !dir.exists() {
        let bring = bring.unwrap_or_default();
        let help = format!(
            "{bring}link or copy the data set there, or name its folder with data.path=FOLDER or --data DIR"
        );
        return DataError::new(format!("there is no such folder: {shown_dir}"), help);
    }
    if !dir.is_dir() {
        return DataError::new(
            format!("{shown_dir} is a file{}", kind_of_file(dir)),
            "name the folder that holds train/ and val/",
        );
    }
    if let Some((parent, split)) = is_split(&absolute) {
        let help = format!("name the folder above it: data={}", parent.display());
        return DataError::new(format!("{shown_dir} is the folder {split} itself"), help);
    }
    let (folders, files) = walk::entries(dir, &mut LeftOut::default()).unwrap_or_default();
    if folders.is_empty() && files.is_empty() {
        return DataError::new(
            format!("{shown_dir} is empty"),
            "copy the data set there, or name another folder",
        );
    }
    if let Some(archive) = files.iter().find(|file| is_archive(file)) {
        let name = shown(archive.file_name().unwrap_or_default());
        return DataError::new(
            format!("{shown_dir} holds an archive, {name}"),
            format!("unpack {name} there"),
        );
    }
    if let Some(class) = folders.iter().find(|folder| has_pictures(folder)) {
        let name = shown(class.file_name().unwrap_or_default());
        let cause = format!("{shown_dir} has pictures in {name}/, but no folders train and val");
        return DataError::new(cause, "divide the pictures into train/CLASS/ and val/CLASS/");
    }
    let names: Vec<String> =
        [folders, files].concat().iter().filter_map(|p| Some(shown(p.file_name()?))).collect();
    let more = if names.len() > 5 { ", ..." } else { "" };
    let names = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    DataError::new(
        format!(
            "{shown_dir}: neither a folder train nor files train-*.parquet or train-*.tar, but {names}{more}"
        ),
        "name a folder with train/CLASS/*.jpg and val/CLASS/*.jpg, with Parquet or tar files, or one of a known data set",
    )
}

fn kind_of_file(path: &Path) -> &'static str {
    match (sniff::of_file(path), path.extension()) {
        (Some(content), _) if content.is_picture() => ", a picture",
        (Some(Content::Other("a Parquet file")), _) => {
            " (Parquet); the folder that holds it is what is wanted"
        }
        (_, Some(ending)) if ending == "tar" => {
            " (tar); the folder that holds it is what is wanted"
        }
        _ if is_archive(path) => ", an archive that must be unpacked",
        _ => "",
    }
}

fn is_archive(path: &Path) -> bool {
    let name = shown(path.file_name().unwrap_or_default()).to_ascii_lowercase();
    [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The folder above, if this one is the folder of one split.
fn is_split(dir: &Path) -> Option<(PathBuf, String)> {
    let parent = dir.parent()?;
    let name = shown(dir.file_name()?);
    let is_named = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let is_one = is_named(&folder::TRAIN_FOLDERS) || is_named(&folder::TEST_FOLDERS);
    (is_one && folder::is_one(parent)).then(|| (parent.to_owned(), name))
}

fn has_folders(dir: &Path) -> bool {
    walk::entries(dir, &mut LeftOut::default()).is_ok_and(|(folders, _)| !folders.is_empty())
}

fn has_pictures(dir: &Path) -> bool {
    let files = walk::entries(dir, &mut LeftOut::default()).unwrap_or_default().1;
    files.iter().any(|file| file.file_name().is_some_and(walk::is_picture))
}
