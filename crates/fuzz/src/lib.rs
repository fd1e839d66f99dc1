//! Fuzz targets for the readers of user files and command words, as functions of bytes. They are
//! used by a coverage-guided fuzzer, and by a test of the inputs that the fuzzer kept (`corpus/`).
//!
//! This crate must never know: how a reader works inside. It calls what the program calls, and
//! checks the program's guarantees: no panic, an error with a cause and a remedy, and the same
//! result for the same input.
//!
//! - [`words`]: experiment files and the words of a command
//! - [`weights`]: pickles, PyTorch's files and safetensors
//! - [`datasets`]: pictures, IDX, CIFAR, Parquet, tar
//! - [`folders`]: the kind of data set in a folder, and the descriptions beside it

use res2lab_error::Error;
pub mod datasets;
pub mod folders;
pub mod weights;
pub mod words;

/// A fuzz target: its name, which is also the name of its folder in `corpus/`, and its function.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All fuzz targets.
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

/// Finds the target with this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Checks that an error has a cause and a remedy. The program prints each on a line of its own.
fn check_error(cause: &str, help: &str) {
    assert!(!cause.trim().is_empty() && !help.trim().is_empty(), "{cause:?} and {help:?}");
}

/// The value that was read, or none. An error must say what is wrong and what to do.
fn expected<T>(result: Result<T, Error>) -> Option<T> {
    result.map_err(|e| check_error(&e.cause, &e.help)).ok()
}
