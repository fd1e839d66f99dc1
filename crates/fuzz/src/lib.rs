//! What reads the files and words that people bring, as functions of bytes, for a fuzzer that knows
//! which code an input reached, and for a test of the inputs that it kept (`corpus/`).
//!
//! This crate must never know: how a reader works inside. It calls what the program calls, and
//! holds what the program promises: no panic, an error with a cause and a remedy, the same answer
//! when asked twice.
//!
//! - [`words`]: experiment files and the words of a command
//! - [`weights`]: pickles, PyTorch's files and safetensors
//! - [`datasets`]: pictures, IDX, CIFAR, Parquet, tar
//! - [`folders`]: what kind of data set a folder holds, and the descriptions beside it

use res2lab_error::Error;
pub mod datasets;
pub mod folders;
pub mod weights;
pub mod words;

/// What is fuzzed: its name, which is also that of its folder in `corpus/`, and what is done with
/// an input.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 12] = [
    Target { name: "axes", run: words::axes },
    Target { name: "yaml", run: words::yaml },
    Target { name: "pickle", run: weights::pickle },
    Target { name: "pth", run: weights::file },
    Target { name: "zip", run: weights::zipped },
    Target { name: "safetensors", run: weights::file },
    Target { name: "picture", run: datasets::picture },
    Target { name: "idx", run: datasets::idx },
    Target { name: "cifar", run: datasets::cifar },
    Target { name: "parquet", run: datasets::parquet },
    Target { name: "tar", run: datasets::tar },
    Target { name: "folder", run: folders::folder },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Holds an error to what users are promised: a cause and a remedy. The program prints each on a
/// line of its own.
fn check_error(cause: &str, help: &str) {
    assert!(!cause.trim().is_empty() && !help.trim().is_empty(), "{cause:?} and {help:?}");
}

/// The value that was read, or none. An error must say what is wrong and what to do.
fn expected<T>(result: Result<T, Error>) -> Option<T> {
    result.map_err(|e| check_error(&e.cause, &e.help)).ok()
}
