//! The one error of this crate: a wish that cannot be built, and what would be right instead.

use std::fmt;

/// A cause and a remedy, one line each, in a user's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// What is wrong, naming the field and its value.
    pub cause: String,
    /// What would be right.
    pub help: String,
}

impl Invalid {
    /// Joins a cause and a remedy.
    pub fn new(cause: impl Into<String>, help: impl Into<String>) -> Invalid {
        Invalid { cause: cause.into(), help: help.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}
