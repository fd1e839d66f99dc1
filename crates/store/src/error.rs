//! Errors of the file system, with the path and a remedy.

use res2lab_error::Error;
use std::fmt;
use std::path::Path;

/// An I/O error of `doing` something to `path`.
pub fn io(doing: &str, path: &Path, e: std::io::Error) -> Error {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let help = match e.kind() {
        StorageFull => "free some space; what was finished is safe, and the same command goes on",
        PermissionDenied | ReadOnlyFilesystem => {
            "make the folder writable, or run in another checkout"
        }
        NotFound => "check the path",
        _ => "check the disk; what was finished is safe, and the same command goes on",
    };
    Error::machine(format!("cannot {doing} {}: {e}", path.display()), help).caused_by(e)
}

/// A file whose content is not what was written there.
pub fn damaged(path: &Path, why: impl fmt::Display) -> Error {
    let help = format!("remove {} and run the same command again", path.display());
    Error::machine(format!("{} is damaged: {why}", path.display()), help)
}
