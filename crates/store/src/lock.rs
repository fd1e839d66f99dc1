//! One writer at a time: flock on a file. The kernel releases it when the holder dies, however it
//! dies.

use crate::StoreError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held until dropped.
pub struct Lock(#[allow(dead_code, reason = "dropping it unlocks")] Flock<File>);

/// What asking for a lock gave.
pub enum Attempt {
    /// It is ours.
    Held(Lock),
    /// The process with this id has it (0 if it did not say).
    HeldBy(u32),
}

/// Asks for the lock at `path` without waiting.
pub fn try_lock(path: &Path) -> Result<Attempt, StoreError> {
    let io = |e: &std::io::Error| StoreError::io("lock", path, e);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| io(&e))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            held.set_len(0)
                .and_then(|()| write!(held, "{}", std::process::id()))
                .map_err(|e| io(&e))?;
            Ok(Attempt::Held(Lock(held)))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
            Ok(Attempt::HeldBy(text.trim().parse().unwrap_or(0)))
        }
        Err((_, e)) => Err(io(&e.into())),
    }
}

/// Whether someone holds the lock at `path` now.
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
