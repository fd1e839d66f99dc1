//! Many pictures in one file, read through a memory map: encoded ones unpacked from Parquet, or decoded ones.
//!
//! Layout: the pictures one after the other, then a JSON index, then the index's length (8 bytes, little-endian) and
//! eight letters.

#![allow(unsafe_code, reason = "memory maps, each with its reason below")]

use crate::DataError;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"R2LPACK1";

/// Where one picture is. Decoded ones have a size in pixels (RGB, row by row).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Entry {
    pub offset: u64,
    pub length: u64,
    pub width: u32,
    pub height: u32,
    pub label: u32,
}

#[derive(Serialize, Deserialize)]
struct Index {
    classes: Vec<String>,
    entries: Vec<(u64, u32, u32, u32, u32)>,
}

/// An open pack.
#[derive(Debug)]
pub struct Pack {
    map: Mmap,
    /// Class names; empty where the source had none.
    pub classes: Vec<String>,
    entries: Vec<Entry>,
}

/// Adds pictures to a pack that is being built.
pub struct Packer<'a> {
    out: BufWriter<&'a mut File>,
    offset: u64,
    entries: Vec<(u64, u32, u32, u32, u32)>,
}

impl Packer<'_> {
    /// Appends one picture; `size` is (0, 0) for an encoded one.
    pub fn add(&mut self, bytes: &[u8], size: (u32, u32), label: u32) -> std::io::Result<()> {
        self.out.write_all(bytes)?;
        self.entries.push((self.offset, bytes.len() as u32, size.0, size.1, label));
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Builds the pack at `path`; `fill` adds its pictures and returns the class names.
pub fn build(path: &Path, fill: impl FnOnce(&mut Packer) -> Result<Vec<String>, DataError>) -> Result<(), DataError> {
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
        let index = serde_json::to_vec(&Index { classes, entries: packer.entries }).map_err(std::io::Error::other)?;
        packer.out.write_all(&index)?;
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
        // SAFETY: packs are written under another name and renamed, and nothing here changes one afterwards; a user who
        // overwrites the file in place is warned by nothing, as with every memory-mapped data set.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| DataError::io(path, &e))?;
        let damaged =
            || DataError::new(format!("{} is damaged", path.display()), "remove it; it is built again when needed");
        let body = map.strip_suffix(MAGIC.as_slice()).ok_or_else(damaged)?;
        let (body, length) = body.split_last_chunk::<8>().ok_or_else(damaged)?;
        let start = body.len().checked_sub(u64::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let index: Index = serde_json::from_slice(&body[start..]).map_err(|_| damaged())?;
        let entry = |&(offset, length, width, height, label): &(u64, u32, u32, u32, u32)| {
            let entry = Entry { offset, length: u64::from(length), width, height, label };
            (offset + u64::from(length) <= start as u64).then_some(entry)
        };
        let entries = index.entries.iter().map(entry).collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        Ok(Pack { map, classes: index.classes, entries })
    }

    /// All pictures, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes of one.
    pub fn bytes(&self, entry: &Entry) -> &[u8] {
        &self.map[entry.offset as usize..(entry.offset + entry.length) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        build(&path, |packer| {
            packer.add(b"jpeg", (0, 0), 3).unwrap();
            packer.add(&[7; 12], (2, 2), 1).unwrap();
            Ok(vec!["a".into()])
        })
        .unwrap();
        let pack = Pack::open(&path).unwrap();
        assert_eq!((pack.classes.len(), pack.entries()[0].label), (1, 3));
        assert_eq!(pack.bytes(&pack.entries()[0]), b"jpeg");
        assert_eq!((pack.bytes(&pack.entries()[1]), pack.entries()[1].width), ([7; 12].as_slice(), 2));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert!(Pack::open(&path).unwrap_err().cause.contains("damaged"));
    }

    #[test]
    fn a_pack_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pack");
        let e = build(&path, |_| Err(DataError::new("why", "how"))).unwrap_err();
        assert_eq!(e.cause, "why");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
