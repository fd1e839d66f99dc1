//! What ends a command that failed: its exit status, which follows from the kind of error.

use res2lab_error::{Error, Kind};

/// Wrong input: nothing was written.
pub(crate) const WRONG_INPUT: u8 = 2;
/// Trials failed, or the machine did.
pub(crate) const FAILED: u8 = 1;
/// A trial ran out of memory.
pub(crate) const OUT_OF_MEMORY: u8 = 4;

/// The exit status of an error.
pub(crate) fn status(e: &Error) -> u8 {
    match e.kind {
        Kind::Input => WRONG_INPUT,
        Kind::Machine => FAILED,
        Kind::OutOfMemory => OUT_OF_MEMORY,
    }
}

/// Signals cannot be listened to.
pub(crate) fn no_signals(e: std::io::Error) -> Error {
    Error::machine(format!("cannot listen to signals: {e}"), "report this").caused_by(e)
}
