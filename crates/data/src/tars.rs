//! WebDataset: tar files whose members belong together by name, `KEY.jpg` with `KEY.cls` or
//! `KEY.json`. The files are indexed once, which allows random access to pictures.

use crate::cache::{self, Places, Stamp};
use crate::digest::Digest;
use crate::error;
use crate::left_out::Tally;
use crate::splits::Files;
use crate::{Split, names, walk};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The location of a picture, and its class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub key: String,
    pub shard: u32,
    pub offset: u64,
    pub length: u32,
    pub label: u32,
}

/// The pictures of a split, in the order of the shards and of their members.
#[derive(Debug)]
pub struct Tars {
    pub members: Vec<Member>,
    shards: Vec<(PathBuf, File)>,
}

/// Both splits of a WebDataset.
#[derive(Debug)]
pub struct TarSet {
    pub classes: Vec<String>,
    pub train: Tars,
    pub test: Tars,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// Digest of keys, sizes, labels and classes.
    pub identity: u64,
    /// Digest that also includes the shards' modification times.
    pub freshness: u64,
}

/// The index of one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shard {
    name: String,
    stamp: Stamp,
    samples: Vec<Sample>,
    unlabeled: Tally,
}

/// A picture with its label as written: a number or a text.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample {
    key: String,
    offset: u64,
    length: u32,
    label: String,
}

impl Tars {
    /// Reads one picture's bytes, still encoded. An error is a phrase that continues its name.
    pub fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<(), String> {
        let member = &self.members[index];
        bytes.resize(member.length as usize, 0);
        let (path, file) = &self.shards[member.shard as usize];
        file.read_exact_at(bytes, member.offset)
            .map_err(|e| format!("cannot be read from {}: {e}", path.display()))
    }

    /// The name of a picture for messages.
    pub fn name(&self, index: usize) -> String {
        let member = &self.members[index];
        format!("{}/{}", self.shards[member.shard as usize].0.display(), member.key)
    }

    /// The location of a picture as (shard, offset). Reading in this order avoids seeks.
    pub fn place(&self, index: usize) -> (u32, u64) {
        (self.members[index].shard, self.members[index].offset)
    }
}

/// Opens a data set of tar files, using the cached index where it is valid.
pub fn open(files: &Files, places: &Places) -> Result<TarSet, Error> {
    let parts = [indexed(files, Split::Train, places)?, indexed(files, Split::Test, places)?];
    let mut unlabeled = Tally::default();
    for shard in parts.iter().flatten() {
        unlabeled.join(shard.unlabeled.clone());
    }
    let classes = classes(files, &parts)?;
    let mut identity = Digest::new("tar");
    let mut fresh = Digest::new("fresh tar");
    identity.texts(&classes.names);
    let [train, test] = parts;
    let mut tars = |paths: &[PathBuf], shards: Vec<Shard>, split: Split| -> Result<Tars, Error> {
        let mut members = Vec::new();
        for (number, shard) in shards.into_iter().enumerate() {
            fresh.bytes(format!("{:?}", shard.stamp).as_bytes());
            for Sample { key, offset, length, label } in shard.samples {
                let label = classes.number(&label, split, &paths[number])?;
                identity.bytes(key.as_bytes());
                identity.numbers([length, label].map(u64::from));
                members.push(Member { key, shard: number as u32, offset, length, label });
            }
        }
        if members.is_empty() {
            let cause = format!("{}: no pictures with labels", paths[0].display());
            return Err(Error::input(
                cause,
                "each picture KEY.jpg needs a KEY.cls, or a KEY.json with a label",
            ));
        }
        identity.number(members.len() as u64);
        let open =
            |path: &PathBuf| Ok((path.clone(), File::open(path).map_err(|e| error::io(path, e))?));
        Ok(Tars { members, shards: paths.iter().map(open).collect::<Result<_, Error>>()? })
    };
    let train = tars(&files.train, train, Split::Train)?;
    let test = tars(&files.test, test, Split::Test)?;
    let mut notes = files.notes.clone();
    notes.extend(unlabeled.sentence(
        "1 picture has no label and is left out",
        "pictures have no labels and are left out",
    ));
    let identity = identity.finish();
    fresh.number(identity);
    Ok(TarSet { classes: classes.names, train, test, notes, identity, freshness: fresh.finish() })
}

/// Class names; text labels are numbered by name, numeric labels are kept.
struct Classes {
    names: Vec<String>,
    by_text: Option<HashMap<String, u32>>,
}

fn classes(files: &Files, [train, test]: &[Vec<Shard>; 2]) -> Result<Classes, Error> {
    let is_number = |sample: &Sample| sample.label.parse::<i64>().is_ok();
    let is_text =
        train.iter().chain(test).flat_map(|shard| &shard.samples).any(|sample| !is_number(sample));
    let above = files.dir.parent().unwrap_or(&files.dir);
    let lists = ["classnames.txt", "classes.txt", "labels.txt"];
    let described = || {
        names::beside(&files.dir, "default", "cls")
            .or_else(|| names::beside(&files.dir, "default", "label"))
    };
    let given =
        names::lines(&files.dir, &lists).or_else(described).or_else(|| names::lines(above, &lists));
    if !is_text {
        return Ok(Classes { names: given.unwrap_or_default(), by_text: None });
    }
    let mut texts: Vec<String> =
        train.iter().flat_map(|s| &s.samples).map(|sample| sample.label.clone()).collect();
    texts.sort();
    texts.dedup();
    let names =
        given.filter(|given| texts.iter().all(|text| given.contains(text))).unwrap_or(texts);
    let by_text = names.iter().enumerate().map(|(i, name)| (name.clone(), i as u32)).collect();
    Ok(Classes { names, by_text: Some(by_text) })
}

impl Classes {
    fn number(&self, label: &str, split: Split, path: &Path) -> Result<u32, Error> {
        let path = path.display();
        let found = match &self.by_text {
            Some(by_text) => by_text.get(label).copied(),
            None => label.parse().ok().filter(|n| *n < 1_000_000),
        };
        found.ok_or_else(|| match label {
            "-1" if split == Split::Test => Error::input(
                format!("{path}: test has no labels (they are -1)"),
                "add a split with labels: files with val in their names are preferred",
            ),
            _ if self.by_text.is_some() => Error::input(
                format!("{path}: class {label} is not among those of the training images"),
                "give both splits the same classes",
            ),
            _ => Error::input(
                format!("{path}: label {label} is impossible"),
                "labels are whole numbers from 0 on, or texts",
            ),
        })
    }
}

/// The shards of a split. The cached index is used for unchanged shards; the others are read.
fn indexed(files: &Files, split: Split, places: &Places) -> Result<Vec<Shard>, Error> {
    let (paths, name) = match split {
        Split::Train => (&files.train, "train.tars.json"),
        Split::Test => (&files.test, "test.tars.json"),
    };
    let before: Vec<Shard> = places.find(name, cache::read_json).unwrap_or_default();
    let mut known: BTreeMap<String, Shard> =
        before.into_iter().map(|shard| (shard.name.clone(), shard)).collect();
    let mut is_new = known.len() != paths.len();
    let mut shards = Vec::new();
    for path in paths {
        let name = path.file_name().map(walk::shown).unwrap_or_default();
        let stamp = Stamp::of(&path.metadata().map_err(|e| error::io(path, e))?);
        match known.remove(&name).filter(|shard| shard.stamp == stamp) {
            Some(shard) => shards.push(shard),
            None => {
                is_new = true;
                shards.push(index(path, name, stamp)?);
            }
        }
    }
    if is_new && let Ok(place) = places.writable() {
        // Without a cache, the shards are indexed again next time.
        let _ = cache::write_json(&place.join(name), &shards);
    }
    Ok(shards)
}

/// The members of one key, in the order of its first member.
#[derive(Default)]
struct Group {
    picture: Option<(String, u64, u32)>,
    label: Option<String>,
}

/// Indexes one tar file by its headers.
fn index(path: &Path, name: String, stamp: Stamp) -> Result<Shard, Error> {
    let damaged = |what: String| error::file(path, what);
    let file = File::open(path).map_err(|e| error::io(path, e))?;
    let size = file.metadata().map_err(|e| error::io(path, e))?.len();
    check_end(&file, path, size)?;
    let mut groups: Vec<(String, Group)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek().map_err(|e| damaged(e.to_string()))? {
        let mut entry = entry.map_err(|e| damaged(format!("is no whole tar file: {e}")))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let offset = entry.raw_file_position();
        let length = entry.size();
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(damaged("is cut off".into()));
        }
        let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((key, ending)) = split_name(&member) else { continue };
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Group::default()));
            groups.len() - 1
        });
        let group = &mut groups[place].1;
        let last = ending.rsplit('.').next().unwrap_or_default();
        if walk::ENDINGS.contains(&last) {
            let length = u32::try_from(length)
                .map_err(|_| damaged(format!("{member} is larger than 4 GiB")))?;
            // Of several pictures, the one with the shortest ending is used: `seg.png` beside `png`
            // is another picture, such as a mask.
            if group.picture.as_ref().is_none_or(|(other, ..)| other.len() > ending.len()) {
                group.picture = Some((ending, offset, length));
            }
        } else if ["cls", "json"].contains(&last) {
            const MOST_BYTES: u64 = 1 << 20;
            let mut text = Vec::new();
            entry
                .by_ref()
                .take(MOST_BYTES)
                .read_to_end(&mut text)
                .map_err(|e| damaged(e.to_string()))?;
            let label = label(&text, last == "json");
            // A label file takes precedence over a label in JSON.
            if last == "cls" || group.label.is_none() {
                group.label = label.or(group.label.take());
            }
        }
    }
    let mut shard = Shard { name, stamp, samples: vec![], unlabeled: Tally::default() };
    for (key, group) in groups {
        match group {
            Group { picture: Some((ending, offset, length)), label: Some(label) } => {
                shard.samples.push(Sample {
                    key: format!("{key}.{ending}"),
                    offset,
                    length,
                    label,
                });
            }
            Group { picture: Some((ending, ..)), label: None } => {
                shard.unlabeled.add(format!("{key}.{ending}"))
            }
            Group { picture: None, .. } => {}
        }
    }
    Ok(shard)
}

/// Checks that the tar file ends with a block of zeros. A file truncated between two members shows
/// no other sign of damage.
fn check_end(file: &File, path: &Path, size: u64) -> Result<(), Error> {
    const BLOCK: usize = 512;
    let mut end = [1; BLOCK];
    let read = size.checked_sub(BLOCK as u64).map(|at| file.read_exact_at(&mut end, at).is_ok());
    if read == Some(true) && end.iter().all(|&b| b == 0) {
        return Ok(());
    }
    let what = match crate::sniff::of_file(path) {
        Some(crate::sniff::Content::Unknown) | None => "is cut off, or is no tar file".into(),
        Some(crate::sniff::Content::Other(what))
            if what.starts_with("a text") || what.starts_with("nothing") =>
        {
            "is cut off, or is no tar file".into()
        }
        Some(content) => content.said(),
    };
    Err(error::file(path, what))
}

/// Splits `a/b.c/0001.seg.png` into (`a/b.c/0001`, `seg.png`); `None` for files of operating
/// systems.
fn split_name(member: &str) -> Option<(String, String)> {
    let member = member.trim_start_matches("./");
    if member.split('/').any(|part| walk::is_of_system(OsStr::new(part))) {
        return None;
    }
    let start = member.rfind('/').map_or(0, |at| at + 1);
    let (_, ending) = member[start..].split_once('.')?;
    let key = &member[..member.len() - ending.len() - 1];
    Some((key.to_owned(), ending.to_ascii_lowercase()))
}

/// A label, a number or a text: the whole content of a file, or a field of JSON.
fn label(bytes: &[u8], is_json: bool) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !is_json {
        return Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let fields = ["label", "cls", "class", "target", "class_id", "y"];
    fields.iter().find_map(|field| match &json[field] {
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    })
}
