//! What ends a command that failed: its exit status, which follows from the kind of error.

use res2lab_error::{Error, Kind};

/// Wrong input: nothing was written.
pub(crate) const WRONG_INPUT: u8 = 2;
/// Trials failed, or the machine did.
pub(crate) const FAILED: u8 = 1;
/// A trial's loss diverged.
pub(crate) const DIVERGED: u8 = 3;
/// A trial ran out of memory.
pub(crate) const OUT_OF_MEMORY: u8 = 4;
/// Trials are left: they were stopped with a checkpoint, or another process trains them.
pub(crate) const LEFT: u8 = 75;

/// Every exit status with its meaning.
pub(crate) const STATUSES: [(u8, &str); 6] = [
    (
        0,
        "The command did what it was to do; trials that the experiment's rule stopped early count \
         as done.",
    ),
    (
        FAILED,
        "Trials failed, diverged or are unfinished; or the machine failed (a full disk, no \
         network); or `data check` found images that cannot be read.",
    ),
    (WRONG_INPUT, "The input is wrong; nothing was written."),
    (DIVERGED, "`res2lab trial`: the loss diverged."),
    (OUT_OF_MEMORY, "A device or the host has too little memory."),
    (
        LEFT,
        "`res2lab trial` and `res2lab worker`: stopped with a checkpoint, or another process \
         trains the trial; the same command goes on.",
    ),
];

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
