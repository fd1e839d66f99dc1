//! Why a sweep cannot be planned or run.

use std::fmt;

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct SweepError {
    /// Whether what was asked for is wrong, and not the machine.
    pub is_input: bool,
    /// What is wrong.
    pub cause: String,
    /// What would be right.
    pub help: String,
}

impl SweepError {
    /// What was asked for is wrong.
    pub fn input(cause: impl Into<String>, help: impl Into<String>) -> SweepError {
        SweepError { is_input: true, cause: cause.into(), help: help.into() }
    }

    /// The machine cannot do it.
    pub fn machine(cause: impl Into<String>, help: impl Into<String>) -> SweepError {
        SweepError { is_input: false, cause: cause.into(), help: help.into() }
    }
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl From<res2lab_arch::Invalid> for SweepError {
    fn from(e: res2lab_arch::Invalid) -> SweepError {
        SweepError::input(e.cause, e.help)
    }
}

impl From<res2lab_store::StoreError> for SweepError {
    fn from(e: res2lab_store::StoreError) -> SweepError {
        SweepError::machine(e.cause, e.help)
    }
}
