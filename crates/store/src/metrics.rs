//! metrics.jsonl: one line per logged step, appended as it comes. It holds no times, so that a
//! resumed trial's file is the same to the byte as an uninterrupted one's.

use crate::{StoreError, atomic, checksum};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The values of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Optimizer steps made.
    pub step: u64,
    /// Epochs made; fractional within an epoch.
    pub epoch: f64,
    /// Values by slash path. NaN and infinity, which JSON has no word for, are null.
    #[serde(flatten)]
    pub values: Values,
}

/// A few values by name. A large sweep has millions of points, so it is a short list and not a map,
/// and the points of one file share the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(Arc<str>, f64)>);

impl Values {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, value)| *value)
    }

    /// Names and values in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// Takes names from those that are known already.
    fn share(&mut self, known: &mut HashSet<Arc<str>>) {
        for (name, _) in &mut self.0 {
            match known.get(name) {
                Some(shared) => *name = Arc::clone(shared),
                None => drop(known.insert(Arc::clone(name))),
            }
        }
        self.0.shrink_to_fit();
    }
}

impl From<BTreeMap<String, f64>> for Values {
    fn from(map: BTreeMap<String, f64>) -> Values {
        Values(map.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl Serialize for Values {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        nullable(deserializer).map(Values::from)
    }
}

/// Values whose nulls mean NaN.
pub(crate) fn nullable<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let map = BTreeMap::<String, Option<f64>>::deserialize(d)?;
    Ok(map.into_iter().map(|(k, v)| (k, v.unwrap_or(f64::NAN))).collect())
}

/// The open file.
pub struct Metrics {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Metrics {
    /// Opens the file for appending after its first `length` bytes; what a crashed attempt wrote
    /// beyond is cut off.
    pub fn open(path: &Path, length: u64) -> Result<Metrics, StoreError> {
        let io = |e: std::io::Error| StoreError::io("open", path, &e);
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() < length {
            return Err(StoreError::damaged(
                path,
                format!("it is shorter than the {length} bytes of the checkpoint"),
            ));
        }
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io)?;
        Ok(Metrics { file, path: path.to_owned(), length })
    }

    /// Appends a line.
    pub fn append(&mut self, point: &Point) -> Result<(), StoreError> {
        let line = serde_json::to_string(point).map_err(|e| StoreError::damaged(&self.path, e))?;
        let line = checksum::seal_line(&line) + "\n";
        self.file
            .write_all(line.as_bytes())
            .map_err(|e| StoreError::io("append to", &self.path, &e))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Flushes to the disk and returns the length so far: what a checkpoint remembers.
    pub fn sync(&mut self) -> Result<u64, StoreError> {
        self.file.sync_data().map_err(|e| StoreError::io("flush", &self.path, &e))?;
        Ok(self.length)
    }
}

/// Reads all whole lines; a half-written last one is left out.
pub fn read(path: &Path) -> Result<Vec<Point>, StoreError> {
    Ok(read_with_end(path)?.0)
}

/// The same, and whether a half-written line was left out: the file of a trial that is over has
/// none.
pub fn read_with_end(path: &Path) -> Result<(Vec<Point>, bool), StoreError> {
    let Some(text) = atomic::read_text(path)? else { return Ok((vec![], false)) };
    let is_cut = !text.is_empty() && !text.ends_with('\n');
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut names = HashSet::new();
    let parse = |(number, line): (usize, Result<String, &str>)| {
        let damaged = |why: &dyn std::fmt::Display| {
            StoreError::damaged(path, format!("line {}: {why}", number + 1))
        };
        let line = line.map_err(|why| damaged(&why))?;
        let mut point: Point = serde_json::from_str(&line).map_err(|e| damaged(&e))?;
        point.values.share(&mut names);
        Ok(point)
    };
    let points = checksum::open_lines(whole).enumerate().map(parse).collect::<Result<_, _>>()?;
    Ok((points, is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopening_cuts_back_and_reading_skips_a_half_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let point = |step, loss| Point {
            step,
            epoch: 0.5,
            values: BTreeMap::from([("train/loss".to_owned(), loss)]).into(),
        };
        let mut metrics = Metrics::open(&path, 0).unwrap();
        metrics.append(&point(1, 0.25)).unwrap();
        let length = metrics.sync().unwrap();
        metrics.append(&point(2, f64::NAN)).unwrap();
        assert!(read(&path).unwrap()[1].values.get("train/loss").unwrap().is_nan());
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"step\":3,".to_vec()].concat())
            .unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        Metrics::open(&path, length).unwrap().append(&point(9, 0.5)).unwrap();
        assert_eq!(read(&path).unwrap(), [point(1, 0.25), point(9, 0.5)]);
        assert!(Metrics::open(&path, 10_000).is_err());
    }
}
