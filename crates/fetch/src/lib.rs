//! Downloads that the user requested by name: resumed after interruptions, and verified before they
//! get their final name.
//!
//! This crate must never know: what is in the files, and which there are; its callers pass an
//! address and a hash.
//!
//! Reading order:
//! - [`mod@download`]: download of one file
//! - [`check`]: the expected hash
//! - [`archive`]: extraction of .tar.gz archives

pub mod archive;
pub mod check;
pub mod download;
mod error;

pub use archive::unpack;
pub use check::Check;
pub use download::download;
