//! Mistakes in an experiment file or on the command line.

use std::fmt;

/// A cause and a remedy, one line each, in a user's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SpecError {
    /// What is wrong, naming the field, the value, and the line where there is one.
    pub cause: String,
    /// What would be right.
    pub help: String,
}

impl SpecError {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> SpecError {
        SpecError { cause: cause.into(), help: help.into() }
    }

    /// The same error, found in `place`.
    pub fn at(self, place: &str) -> SpecError {
        SpecError { cause: format!("{place}: {}", self.cause), ..self }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl From<res2lab_arch::Invalid> for SpecError {
    fn from(e: res2lab_arch::Invalid) -> SpecError {
        SpecError::new(e.cause, e.help)
    }
}
