//! A .tar.gz into a folder.

use crate::FetchError;
use flate2::read::GzDecoder;
use std::fs::File;
use std::path::Path;

/// Unpacks `archive` into `folder`. Entries that point outside are left out, as the tar crate does.
pub fn unpack(archive: &Path, folder: &Path) -> Result<(), FetchError> {
    let file = File::open(archive).map_err(|e| FetchError::io(archive, &e))?;
    tar::Archive::new(GzDecoder::new(file)).unpack(folder).map_err(|e| {
        FetchError::new(
            format!("{}: {e}", archive.display()),
            "remove the archive and repeat the command",
        )
    })
}
