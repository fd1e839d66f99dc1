//! Downloads that the user asked for by name: resumed where they were cut, checked before they get
//! their name.
//!
//! This crate must never know: what is in the files, and which there are; it is told an address and
//! a hash.
//!
//! Reading order:
//! - [`download`]: one file
//! - [`check`]: what is known of it
//! - [`archive`]: a .tar.gz into a folder

pub mod archive;
pub mod check;
pub mod download;
pub mod error;

pub use archive::unpack;
pub use check::Check;
pub use download::download;
pub use error::FetchError;
