//! Failures of the file system, told with the path and a remedy.

use std::fmt;
use std::path::Path;

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct StoreError {
    /// What failed, and where.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl StoreError {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> StoreError {
        StoreError { cause: cause.into(), help: help.into() }
    }

    /// An I/O error of `doing` something to `path`.
    pub fn io(doing: &str, path: &Path, e: &std::io::Error) -> StoreError {
        use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let help = match e.kind() {
            StorageFull => {
                "free some space; what was finished is safe, and the same command goes on"
            }
            PermissionDenied | ReadOnlyFilesystem => {
                "make the folder writable, or run in another checkout"
            }
            NotFound => "check the path",
            _ => "check the disk; what was finished is safe, and the same command goes on",
        };
        StoreError::new(format!("cannot {doing} {}: {e}", path.display()), help)
    }

    /// A file whose content is not what was written there.
    pub fn damaged(path: &Path, why: impl fmt::Display) -> StoreError {
        let help = format!("remove {} and run the same command again", path.display());
        StoreError::new(format!("{} is damaged: {why}", path.display()), help)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}
