//! Errors of files that cannot be written or read.

use res2lab_error::Error;
use std::path::Path;

/// A file that cannot be written or read.
pub(crate) fn io(path: &Path, e: std::io::Error) -> Error {
    Error::machine(format!("{}: {e}", path.display()), "free space, or make the folder writable")
        .caused_by(e)
}
