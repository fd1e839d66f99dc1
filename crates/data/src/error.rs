//! Errors of files that are missing, truncated or not what their names say.

use res2lab_error::Error;
use std::fmt;
use std::path::Path;

/// A file whose content is not what it should be.
pub(crate) fn file(path: &Path, what: impl fmt::Display) -> Error {
    Error::input(
        format!("{}: {what}", path.display()),
        "get the file again; it was cut off or is another file",
    )
}

/// A file that cannot be read.
pub(crate) fn io(path: &Path, e: std::io::Error) -> Error {
    Error::input(format!("{}: {e}", path.display()), "check the path and its permissions")
        .caused_by(e)
}
