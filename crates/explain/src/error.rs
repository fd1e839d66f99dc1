//! Why there is nothing to show.

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ExplainError {
    /// What failed.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl ExplainError {
    pub(crate) fn new(cause: impl Into<String>, help: impl Into<String>) -> ExplainError {
        ExplainError { cause: cause.into(), help: help.into() }
    }
}
