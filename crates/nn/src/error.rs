//! What can go wrong with weights.

use std::fmt;

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct NnError {
    /// What is wrong, naming file and tensor.
    pub cause: String,
    /// What would be right.
    pub help: String,
}

impl NnError {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> NnError {
        NnError { cause: cause.into(), help: help.into() }
    }
}

impl fmt::Display for NnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl From<res2lab_libtorch::LibtorchError> for NnError {
    fn from(e: res2lab_libtorch::LibtorchError) -> NnError {
        NnError::new(e.to_string(), "report this with the log of the attempt")
    }
}
