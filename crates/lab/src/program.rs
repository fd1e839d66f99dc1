//! The res2lab binary and the version of its code.

use res2lab_error::Error;
use std::path::PathBuf;

/// The version and the commit of this code, for the record of a trial.
pub fn code() -> res2lab_store::Code {
    res2lab_store::Code {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("RES2LAB_COMMIT").into(),
    }
}

/// The res2lab binary, which trains and times trials in processes of their own: this program if it
/// is res2lab, else the one in the folder of this program or above it, where cargo builds it.
///
/// # Errors
/// There is no such file.
pub fn find() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(|e| {
        Error::machine(format!("cannot find this program's own file: {e}"), "call it by its path")
    })?;
    if own.file_stem().is_some_and(|name| name == "res2lab") {
        return Ok(own);
    }
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("res2lab"));
    beside.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::input(
            format!("there is no res2lab in the folder of {}", own.display()),
            "build it: cargo build --release --workspace",
        )
    })
}
