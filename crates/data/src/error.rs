//! Files that are missing, truncated or not what their names say.

use std::fmt;
use std::path::Path;

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct DataError {
    /// What is wrong, naming the path and the expected and found sizes.
    pub cause: String,
    /// What would be right.
    pub help: String,
}

impl DataError {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> DataError {
        DataError { cause: cause.into(), help: help.into() }
    }

    /// A file whose content is not what it should be.
    pub fn file(path: &Path, what: impl fmt::Display) -> DataError {
        DataError::new(
            format!("{}: {what}", path.display()),
            "get the file again; it was cut off or is another file",
        )
    }

    /// A file that cannot be read.
    pub fn io(path: &Path, e: &std::io::Error) -> DataError {
        DataError::new(format!("{}: {e}", path.display()), "check the path and its permissions")
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}
