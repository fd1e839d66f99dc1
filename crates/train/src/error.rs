//! Why a trial could not run to its end.

use std::fmt;

/// Which kind of failure; the process's exit status follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The spec or the data are wrong; another try would fail alike.
    Input,
    /// A disk, a checkpoint, libtorch.
    Machine,
}

/// A cause and a remedy, one line each.
#[derive(Debug, thiserror::Error)]
pub struct TrainError {
    /// Input or machine.
    pub kind: Kind,
    /// What failed.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl TrainError {
    /// A failure of spec or data.
    pub fn input(cause: impl Into<String>, help: impl Into<String>) -> TrainError {
        TrainError { kind: Kind::Input, cause: cause.into(), help: help.into() }
    }

    /// A failure of the machine.
    pub fn machine(cause: impl Into<String>, help: impl Into<String>) -> TrainError {
        TrainError { kind: Kind::Machine, cause: cause.into(), help: help.into() }
    }
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl From<res2lab_arch::Invalid> for TrainError {
    fn from(e: res2lab_arch::Invalid) -> TrainError {
        TrainError::input(e.cause, e.help)
    }
}

impl From<res2lab_data::DataError> for TrainError {
    fn from(e: res2lab_data::DataError) -> TrainError {
        TrainError::input(e.cause, e.help)
    }
}

impl From<res2lab_nn::NnError> for TrainError {
    fn from(e: res2lab_nn::NnError) -> TrainError {
        TrainError::machine(e.cause, e.help)
    }
}

impl From<res2lab_store::StoreError> for TrainError {
    fn from(e: res2lab_store::StoreError) -> TrainError {
        TrainError::machine(e.cause, e.help)
    }
}
