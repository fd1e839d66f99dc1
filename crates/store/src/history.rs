//! history.jsonl: what each command on a sweep found, so that a later one can say what has changed
//! since.

use crate::{Code, StoreError, SweepDir, checksum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

/// What one command found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// When, seconds since 1970.
    pub at_s: f64,
    /// The command as typed.
    pub command: String,
    /// The program that reported.
    pub code: Code,
    /// Slash path of the metric.
    pub metric: String,
    /// Every arm that had a value.
    pub arms: Vec<FoundArm>,
}

/// An arm's values of the metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundArm {
    pub arm: String,
    pub label: String,
    /// By seed.
    pub values: BTreeMap<u64, f64>,
}

/// Commands that the page may look back to; the file keeps all.
const MOST: usize = 20;

/// Appends a line, unless it says what the last one says.
pub fn append(dir: &SweepDir, found: &Found) -> Result<(), StoreError> {
    let path = dir.history();
    let is_new = read(dir)
        .last()
        .is_none_or(|last| (&last.arms, &last.metric) != (&found.arms, &found.metric));
    if !is_new || found.arms.is_empty() {
        return Ok(());
    }
    let line = serde_json::to_string(found).map_err(|e| StoreError::damaged(&path, e))?;
    let line = checksum::seal_line(&line) + "\n";
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let written =
        opened.and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|e| StoreError::io("append to", &path, &e))
}

/// The last commands' findings, the latest at the end; lines that are damaged, or broken by a
/// crash, are skipped.
pub fn read(dir: &SweepDir) -> Vec<Found> {
    read_counted(dir).0
}

/// The same, with the number of lines of the whole file that were skipped.
pub fn read_counted(dir: &SweepDir) -> (Vec<Found>, usize) {
    let (mut found, damaged) = checksum::read_lines(&dir.history());
    found.drain(..found.len().saturating_sub(MOST));
    (found, damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        let arm = |value: f64| FoundArm {
            arm: "a".into(),
            label: "scale=4".into(),
            values: [(0, value)].into(),
        };
        let found = |at_s: f64, value: f64| Found {
            at_s,
            command: "just sweep".into(),
            code: Code::default(),
            metric: "val/acc1".into(),
            arms: vec![arm(value)],
        };
        assert!(read(&dir).is_empty());
        for (at_s, value) in [(1.0, 97.0), (2.0, 97.0), (3.0, 97.5)] {
            append(&dir, &found(at_s, value)).unwrap();
        }
        append(&dir, &Found { arms: vec![], ..found(4.0, 0.0) }).unwrap();
        assert_eq!(read(&dir), [found(1.0, 97.0), found(3.0, 97.5)]);
    }
}
