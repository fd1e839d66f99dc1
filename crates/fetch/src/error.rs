//! What can go wrong on the way.

use std::fmt;
use std::path::Path;

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct FetchError {
    /// What went wrong, naming the address or the file.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl FetchError {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> FetchError {
        FetchError { cause: cause.into(), help: help.into() }
    }

    /// A file that cannot be written or read.
    pub fn io(path: &Path, e: &std::io::Error) -> FetchError {
        FetchError::new(
            format!("{}: {e}", path.display()),
            "free space, or make the folder writable",
        )
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}
