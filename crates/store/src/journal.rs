//! journal.jsonl: what the runner did, one line per event, never rewritten.

use crate::{StoreError, checksum};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A command planned `trials` trials, `done` of which were finished before.
    Planned { at_s: f64, command: String, trials: usize, done: usize },
    /// A trial was started.
    Started { at_s: f64, id: String, slot: String, process: u32 },
    /// A trial was found running, left behind by a runner that died.
    Adopted { at_s: f64, id: String, process: u32 },
    /// A trial's process ended: `done`, `diverged`, `preempted`, or `failed` with a reason.
    Ended {
        at_s: f64,
        id: String,
        outcome: String,
        #[serde(default)]
        reason: String,
        /// Another try would end alike.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_refused: bool,
    },
    /// A job of a cluster was told to end: `time limit`, or `preempted`.
    #[serde(alias = "signalled")]
    Signaled { at_s: f64, why: String },
    /// A slot failed trial after trial and gets no more.
    SetAside { at_s: f64, slot: String, reason: String },
    /// The runner stopped: `finished`, or `interrupted` by a signal.
    Stopped { at_s: f64, why: String },
}

/// The open file.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens for appending. A half-written last line of a crashed runner is closed first.
    pub fn open(path: &Path) -> Result<Journal, StoreError> {
        let io = |e: std::io::Error| StoreError::io("open", path, &e);
        let broken =
            std::fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|&b| b != b'\n'));
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
        if broken {
            file.write_all(b"\n").map_err(io)?;
        }
        Ok(Journal { file, path: path.to_owned() })
    }

    /// Appends an event, in one write.
    pub fn append(&mut self, event: &Event) -> Result<(), StoreError> {
        let line = serde_json::to_string(event).map_err(|e| StoreError::damaged(&self.path, e))?;
        let line = checksum::seal_line(&line) + "\n";
        self.file
            .write_all(line.as_bytes())
            .map_err(|e| StoreError::io("append to", &self.path, &e))
    }
}

/// All events that can be read; lines that are damaged, or broken by a crash, are skipped.
pub fn read(path: &Path) -> Vec<Event> {
    read_counted(path).0
}

/// The same, with the number of lines that were skipped.
pub fn read_counted(path: &Path) -> (Vec<Event>, usize) {
    checksum::read_lines(path)
}
