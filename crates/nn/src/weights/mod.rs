//! Saves and loads state, with published names and shapes, independent of the memory layout.
//!
//! Reading order:
//! - [`checkpoint`]: res2lab's own files, with momentum and the trainer's state
//! - [`mod@file`]: descriptions of a file's tensors; [`format`](mod@format): recognizes formats
//! - [`pickle`]: Python's pickles, read without running anything
//! - [`pth`]: PyTorch's two formats around such pickles; [`rebuilt`]: the tensors in them;
//!   [`shards`]: several files
//! - [`names`]: finds the network's tensors in a file; [`leftover`]: the other tensors
//! - [`load`](mod@load): loads tensors into a network; [`adapt`]: for images with other channels;
//!   [`family`]: recognizes other networks

mod adapt;
pub mod checkpoint;
mod family;
pub mod file;
mod format;
mod leftover;
pub mod load;
mod names;
pub mod pickle;
mod pth;
mod rebuilt;
mod shards;

pub use checkpoint::{AVERAGE, MOMENTUM, from_bytes, header, to_bytes, verify};
pub use file::{StoredTensor, WeightsFile, file_of};
pub use load::{Fit, Loaded, check, ends, load};

/// The remedy for a file that would run code.
const HOSTILE: &str = "do not open it with other programs, which would run it; give weights of a source that you trust";
