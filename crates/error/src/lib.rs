//! The error type of every crate: a cause and a remedy in a user's words, one line each, and the
//! kind of failure, which decides the exit status of a program.
//!
//! This crate must never know what failed: it has no dependencies, and no crate adds a type of its
//! own to it.

use std::fmt;
use std::sync::Arc;

/// Who can mend a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong: words, files, data. The same input fails again.
    Input,
    /// A disk, a network connection, a driver or a bug. A retry may succeed.
    Machine,
    /// A device or the host has too little memory. A smaller batch may succeed.
    OutOfMemory,
}

/// A failure with its cause and its remedy. It prints as its cause.
#[derive(Clone)]
pub struct Error {
    /// The kind of failure.
    pub kind: Kind,
    /// What is wrong, with the name of the thing and the place.
    pub cause: String,
    /// What to do about it.
    pub help: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of wrong input.
    pub fn input(cause: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Kind::Input, cause, help)
    }

    /// An error of the machine.
    pub fn machine(cause: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Kind::Machine, cause, help)
    }

    /// An error of `kind`.
    pub fn new(kind: Kind, cause: impl Into<String>, help: impl Into<String>) -> Error {
        Error { kind, cause: cause.into(), help: help.into(), source: None }
    }

    /// The same error, with `place` in front of its cause.
    pub fn at(mut self, place: impl fmt::Display) -> Error {
        self.cause = format!("{place}: {}", self.cause);
        self
    }

    /// The same error as one of `kind`, for a caller who knows better whose fault it is.
    pub fn of_kind(self, kind: Kind) -> Error {
        Error { kind, ..self }
    }

    /// The same error, caused by `source`.
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error { source: Some(Arc::new(source)), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// Both lines, as a failed test shows them.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {:?}, help: {:?}", self.kind, self.cause, self.help)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// Equal to a user: the source is not compared.
impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        (self.kind, &self.cause, &self.help) == (other.kind, &other.cause, &other.help)
    }
}

impl Eq for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_keeps_its_kind_its_place_and_its_source() {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let full = Error::machine("cannot write x", "free some space").caused_by(source);
        let placed = full.clone().at("trial 3");
        assert_eq!(placed.to_string(), "trial 3: cannot write x");
        assert_eq!(placed.kind, Kind::Machine);
        assert!(placed.source().is_some_and(|e| e.to_string().contains("storage")));
        assert_eq!(full.clone().of_kind(Kind::Input).kind, Kind::Input);
        assert_ne!(full.clone().of_kind(Kind::Input), full);
    }
}
