//! A .tar.gz into a folder.
use crate::error;
use flate2::read::GzDecoder;
use res2lab_error::Error;
use std::fs::File;
use std::path::Path;

/// Unpacks `archive` into `folder`. Entries that point outside are left out, as the tar crate does.
pub fn unpack(archive: &Path, folder: &Path) -> Result<(), Error> {
    let file = File::open(archive).map_err(|e| error::io(archive, e))?;
    tar::Archive::new(GzDecoder::new(file)).unpack(folder).map_err(|e| {
        Error::machine(
            format!("{}: {e}", archive.display()),
            "remove the archive and repeat the command",
        )
    })
}
