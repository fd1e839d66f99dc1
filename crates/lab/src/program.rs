//! The res2lab binary and the version of its code.

use res2lab_error::Error;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The version and the commit of this code, for the record of a trial.
pub fn code() -> res2lab_store::Code {
    res2lab_store::Code {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("RES2LAB_COMMIT").into(),
    }
}

/// The path of this program where this program is the res2lab binary.
static OWN: OnceLock<PathBuf> = OnceLock::new();

/// Declares that this program is the res2lab binary, whatever its file is called.
///
/// # Errors
/// The operating system does not tell the path of the program.
pub fn is_this() -> Result<(), Error> {
    let own = own()?;
    OWN.get_or_init(|| own);
    Ok(())
}

/// The res2lab binary, which trains and times trials in processes of their own: this program after
/// [`is_this`], else the one in the folder of this program or above it, where cargo builds it.
///
/// # Errors
/// There is no such file.
pub fn find() -> Result<PathBuf, Error> {
    if let Some(own) = OWN.get() {
        return Ok(own.clone());
    }
    let own = own()?;
    let mut beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("res2lab"));
    beside.find(|path| path.is_file()).ok_or_else(|| {
        Error::input(
            format!("there is no res2lab in the folder of {}", own.display()),
            "build it: cargo build --release --workspace",
        )
    })
}

fn own() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|e| {
        Error::machine(format!("cannot find this program's own file: {e}"), "call it by its path")
    })
}
