//! Weights in several files, with an index of tensors (Hugging Face's `*.index.json`).

use super::file::{Content, content};
use super::format::{self, Format};
use res2lab_error::Error;
use std::collections::BTreeSet;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// The contents of all files that an index names, and a digest of each.
pub(crate) fn read(index: &Path, text: &[u8]) -> Result<Vec<(Content, u64)>, Error> {
    let refuse =
        |why: String, help: &str| Error::machine(format!("{}: {why}", index.display()), help);
    let value: serde_json::Value = serde_json::from_slice(text)
        .map_err(|e| refuse(format!("its JSON is damaged: {e}"), "get it again"))?;
    let map = value["weight_map"].as_object().into_iter().flatten();
    let names: BTreeSet<&str> = map.filter_map(|(_, file)| file.as_str()).collect();
    if names.is_empty() {
        return Err(refuse("it names no file".into(), "get it again"));
    }
    let folder = index.parent().unwrap_or(Path::new(""));
    let is_plain = |name: &str| !name.contains(['/', '\\']) && name != "..";
    if let Some(name) = names.iter().find(|name| !is_plain(name)) {
        return Err(refuse(
            format!("it names a file outside of its folder: {name}"),
            "get it from its publisher",
        ));
    }
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !folder.join(name).is_file()).collect();
    if !missing.is_empty() {
        let what = format!(
            "{} of its {} files are not beside it: {}",
            missing.len(),
            names.len(),
            some(&missing)
        );
        return Err(refuse(what, "download all files that belong to it into one folder"));
    }
    names.into_iter().map(|name| one(&folder.join(name))).collect()
}

fn one(path: &Path) -> Result<(Content, u64), Error> {
    let refuse =
        |(why, help): (String, String)| Error::machine(format!("{}: {why}", path.display()), help);
    let bytes =
        std::fs::read(path).map_err(|e| refuse((e.to_string(), "check the file".into())))?;
    match format::recognize(&bytes, &path.to_string_lossy()).map_err(refuse)? {
        Format::Index => Err(refuse(("it is an index itself".into(), "get the file again".into()))),
        format => {
            let digest = xxh3_64(&bytes);
            Ok((content(format, bytes).map_err(refuse)?, digest))
        }
    }
}

/// The first few names, and the number of the others.
pub(crate) fn some<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// The name of the index for a file whose name shows that it is one of several.
pub(crate) fn index_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let (stem, rest) = name.split_once("-of-")?;
    let (base, number) = stem.rsplit_once('-')?;
    let ending = rest.split_once('.')?.1;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("{base}.{ending}.index.json"))
}
