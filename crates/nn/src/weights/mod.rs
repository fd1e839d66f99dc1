//! State in and out of files, by published names and in published shapes, whatever the layout in
//! memory.
//!
//! Reading order:
//! - [`checkpoint`]: our own files, with momentum and the trainer's state
//! - [`file`]: a file's tensors by description; [`format`](mod@format): which format it is in, or
//!   what it is instead
//! - [`pickle`]: Python's pickles, read without running anything
//! - [`pth`]: PyTorch's two formats around such pickles; [`rebuilt`]: the tensors in them;
//!   [`shards`]: several files
//! - [`names`]: which of a file's tensors are the network's; [`leftover`]: the rest
//! - [`load`](mod@load): tensors into a network; [`adapt`]: for images of other channels;
//!   [`family`]: what else they are of

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

/// What to do about a file that would run code.
const HOSTILE: &str = "do not open it with other programs, which would run it; give weights of a source that you trust";
