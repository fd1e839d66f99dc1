//! Files that spare work the next time: written whole or not at all, by one process at a time.

use crate::DataError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where what is kept of the data set in `dir` goes: a folder beside the data sets, named after the whole path.
pub fn folder(root: &Path, dir: &Path) -> PathBuf {
    let whole = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = whole.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned());
    root.join(".cache").join(format!("{name}-{:016x}", random::fnv1a64(&whole.to_string_lossy())))
}

/// Writes a file by way of a temporary one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    build(path, |file| file.write_all(bytes))
}

/// Lets `fill` write a file that appears under its name only when it is whole and on the disk.
pub fn build(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), DataError> {
    let failed = |e: std::io::Error| {
        DataError::new(
            format!("{}: {e}", path.display()),
            "free space, or make the folder of data sets writable (--data DIR)",
        )
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let filled = File::create(&temporary).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    filled.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

/// Whether a file is at least as new as what it was made of.
pub fn is_newer(path: &Path, sources: &[PathBuf]) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    sources.iter().all(|source| changed(source) <= changed(path))
}

/// Holds the right to build `path` until dropped; other processes wait here. The lock goes with the process.
pub fn lock(path: &Path) -> Result<File, DataError> {
    let failed = |e: std::io::Error| {
        DataError::new(format!("{}: {e}", path.display()), "make the folder of data sets writable (--data DIR)")
    };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let file = File::create(path.with_extension("lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}
