//! Drives the binary as a user would, in a folder of its own.

#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the checkout is there")
}

/// A folder for reports.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn reports(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn sweep(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `res2lab` in the checkout, with reports in this folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_res2lab"));
        command
            .args(line.split_whitespace())
            .current_dir(root())
            .env("RES2LAB_REPORTS", self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the binary runs")
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON on standard output")
    }

    /// Starts a command and leaves it running.
    pub(crate) fn spawn(&self, line: &str) -> Child {
        self.command(line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts")
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until `ready` gives something.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The folders of a sweep's runs, by name.
pub(crate) fn runs(sweep: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<_> = std::fs::read_dir(sweep.join("runs"))
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    runs.sort();
    runs
}

/// Lines of the journal of one kind.
pub(crate) fn events(sweep: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(sweep.join("journal.jsonl")).unwrap_or_default();
    let values = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.filter(|v| v["event"] == kind).collect()
}
