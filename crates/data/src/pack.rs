//! Packs: many pictures in one memory-mapped file, either encoded ones from Parquet, or decoded
//! ones. A pack has the digest of its sources, and a checksum of each picture.
//!
//! Layout: the pictures one after the other, then a JSON index, its checksum and its length (8
//! bytes each, little-endian) and eight letters.

#![allow(unsafe_code, reason = "memory maps, each with its reason below")]

use crate::DataError;
use crate::digest::{Digest, checksum};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"R2LPACK2";

/// Packs up to this size are checked as a whole when they are opened, larger ones picture by
/// picture as they are read.
const CHECKED_WHOLE: usize = 1 << 30;

/// The location of a picture. Decoded pictures have a size in pixels (RGB, row by row).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub offset: u64,
    pub length: u32,
    pub width: u32,
    pub height: u32,
    pub label: u32,
    sum: u64,
}

#[derive(Serialize, Deserialize)]
struct Index {
    source: u64,
    identity: u64,
    classes: Vec<String>,
    entries: Vec<Entry>,
}

/// An open pack.
#[derive(Debug)]
pub struct Pack {
    map: Mmap,
    path: PathBuf,
    is_checked: bool,
    /// Class names; empty where the source had none.
    pub classes: Vec<String>,
    /// The digest of what it was made of.
    pub source: u64,
    /// The digest of all pictures and labels.
    pub identity: u64,
    entries: Vec<Entry>,
}

/// Adds pictures to a pack that is being built.
pub struct Packer<'a> {
    out: BufWriter<&'a mut File>,
    offset: u64,
    entries: Vec<Entry>,
}

impl Packer<'_> {
    /// Appends one picture; `size` is (0, 0) for an encoded one.
    pub fn add(&mut self, bytes: &[u8], size: (u32, u32), label: u32) -> std::io::Result<()> {
        let length = u32::try_from(bytes.len())
            .map_err(|_| std::io::Error::other("more than 4 GiB in one entry"))?;
        self.out.write_all(bytes)?;
        let (width, height) = size;
        self.entries.push(Entry {
            offset: self.offset,
            length,
            width,
            height,
            label,
            sum: checksum(bytes),
        });
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Gives each label that was added the number that `of` says.
    pub fn relabel(&mut self, of: impl Fn(u32) -> u32) {
        self.entries.iter_mut().for_each(|entry| entry.label = of(entry.label));
    }
}

fn identity<'a>(entries: impl ExactSizeIterator<Item = &'a Entry>) -> u64 {
    let mut digest = Digest::new("pictures");
    digest.number(entries.len() as u64);
    for e in entries {
        digest.numbers([e.sum, e.length.into(), e.width.into(), e.height.into(), e.label.into()]);
    }
    digest.finish()
}

/// The identity of a pack with these entries: bytes, size, label.
pub fn identity_of(entries: &[(&[u8], (u32, u32), u32)]) -> u64 {
    let entry = |&(bytes, (width, height), label): &(&[u8], (u32, u32), u32)| Entry {
        offset: 0,
        length: bytes.len() as u32,
        width,
        height,
        label,
        sum: checksum(bytes),
    };
    identity(entries.iter().map(entry).collect::<Vec<_>>().iter())
}

/// Builds the pack at `path` of what has the digest `source`; `fill` adds its pictures and returns
/// the class names.
pub fn build(
    path: &Path,
    source: u64,
    fill: impl FnOnce(&mut Packer) -> Result<Vec<String>, DataError>,
) -> Result<(), DataError> {
    let mut failed = None;
    let written = crate::cache::build(path, |file| {
        let mut packer = Packer { out: BufWriter::new(file), offset: 0, entries: vec![] };
        let classes = match fill(&mut packer) {
            Ok(classes) => classes,
            Err(e) => {
                failed = Some(e);
                return Err(std::io::Error::other("not built"));
            }
        };
        let identity = identity(packer.entries.iter());
        let index = Index { source, identity, classes, entries: packer.entries };
        let index = serde_json::to_vec(&index).map_err(std::io::Error::other)?;
        packer.out.write_all(&index)?;
        packer.out.write_all(&checksum(&index).to_le_bytes())?;
        packer.out.write_all(&(index.len() as u64).to_le_bytes())?;
        packer.out.write_all(MAGIC)?;
        packer.out.flush()
    });
    failed.map_or(written, Err)
}

impl Pack {
    /// Maps a pack into memory.
    pub fn open(path: &Path) -> Result<Pack, DataError> {
        let file = File::open(path).map_err(|e| DataError::io(path, &e))?;
        // SAFETY: packs are written under another name and renamed, and this program never changes
        // them afterwards. A user who overwrites the file in place causes undefined contents, as
        // with every memory-mapped data set.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| DataError::io(path, &e))?;
        let damaged = || {
            DataError::new(
                format!("{} is damaged", path.display()),
                "remove it; it is built again when needed",
            )
        };
        let (start, index) = read_index(&map).ok_or_else(damaged)?;
        let fits = |e: &Entry| {
            e.offset.checked_add(e.length.into()).is_some_and(|end| end <= start as u64)
        };
        if !index.entries.iter().all(fits) {
            return Err(damaged());
        }
        let Index { source, identity, classes, entries } = index;
        let mut pack = Pack {
            map,
            path: path.to_owned(),
            is_checked: false,
            classes,
            source,
            identity,
            entries,
        };
        if start <= CHECKED_WHOLE {
            if !pack.entries.iter().all(|entry| pack.bytes(entry).is_some()) {
                return Err(damaged());
            }
            pack.is_checked = true;
        }
        Ok(pack)
    }

    /// The pack at `path` if it was made of what has the digest `source` and is whole.
    pub fn of(path: &Path, source: u64) -> Option<Pack> {
        Pack::open(path).ok().filter(|pack| pack.source == source)
    }

    /// All pictures, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Gives each picture another label.
    pub fn relabel(&mut self, of: impl Fn(u32) -> u32) {
        self.entries.iter_mut().for_each(|entry| entry.label = of(entry.label));
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of one; None if they are not those that were written.
    pub fn bytes(&self, entry: &Entry) -> Option<&[u8]> {
        let bytes = self.bytes_as_they_are(entry);
        (self.is_checked || checksum(bytes) == entry.sum).then_some(bytes)
    }

    /// The bytes of one that was checked before.
    pub fn bytes_as_they_are(&self, entry: &Entry) -> &[u8] {
        &self.map[entry.offset as usize..entry.offset as usize + entry.length as usize]
    }
}

/// Where the pictures end, and the index behind them.
fn read_index(map: &[u8]) -> Option<(usize, Index)> {
    let body = map.strip_suffix(MAGIC.as_slice())?;
    let (body, length) = body.split_last_chunk::<8>()?;
    let (body, sum) = body.split_last_chunk::<8>()?;
    let start = body.len().checked_sub(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let index = &body[start..];
    if checksum(index) != u64::from_le_bytes(*sum) {
        return None;
    }
    Some((start, serde_json::from_slice(index).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path) -> Vec<u8> {
        build(path, 5, |packer| {
            packer.add(b"jpeg", (0, 0), 3).unwrap();
            packer.add(&[7; 12], (2, 2), 1).unwrap();
            Ok(vec!["a".into()])
        })
        .unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn what_is_packed_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        written(&path);
        let pack = Pack::open(&path).unwrap();
        assert_eq!((pack.classes.len(), pack.entries()[0].label, pack.source), (1, 3, 5));
        assert_eq!(pack.bytes(&pack.entries()[0]), Some(b"jpeg".as_slice()));
        assert_eq!(
            (pack.bytes(&pack.entries()[1]).unwrap(), pack.entries()[1].width),
            ([7; 12].as_slice(), 2)
        );
        assert_eq!(pack.identity, identity_of(&[(b"jpeg", (0, 0), 3), (&[7; 12], (2, 2), 1)]));
        assert!(Pack::of(&path, 5).is_some() && Pack::of(&path, 6).is_none());
    }

    #[test]
    fn a_byte_that_changed_anywhere_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        let whole = written(&path);
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
            assert!(Pack::open(&path).is_err(), "byte {i}");
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Pack::open(&path).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_pack_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        let e = build(&path, 0, |_| Err(DataError::new("why", "how"))).unwrap_err();
        assert_eq!(e.cause, "why");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
