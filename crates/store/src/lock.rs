//! Exclusive locks (flock on a file). The kernel releases a lock when its holder ends for any
//! reason.

use crate::error;
use res2lab_error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// An exclusive lock, held until it is dropped.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file unlocks it too, unless a child process is just being started.
        let _ = self.0.unlock();
    }
}

/// The result of [`try_lock`].
pub enum Attempt {
    /// The lock was acquired.
    Held(Lock),
    /// Another process holds the lock: its process id, or 0 if unknown.
    HeldBy(u32),
}

/// Tries to acquire the lock at `path` without waiting.
pub fn try_lock(path: &Path) -> Result<Attempt, Error> {
    let io = |e: std::io::Error| error::io("lock", path, e);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
            Ok(Attempt::Held(Lock(file)))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
            Ok(Attempt::HeldBy(text.trim().parse().unwrap_or(0)))
        }
        Err(TryLockError::Error(e)) => Err(io(e)),
    }
}

/// Whether a process currently holds the lock at `path`.
pub fn is_held(path: &Path) -> bool {
    path.exists() && matches!(try_lock(path), Ok(Attempt::HeldBy(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let Attempt::Held(held) = try_lock(&path).unwrap() else { panic!("nobody else is here") };
        let Attempt::HeldBy(pid) = try_lock(&path).unwrap() else { panic!("it is held") };
        assert_eq!(pid, std::process::id());
        drop(held);
        assert!(!is_held(&path));
    }
}
