//! State in and out of files, by published names and in published shapes, whatever the layout in memory.
//!
//! Reading order:
//! - [`checkpoint`]: our own files, with momentum and the trainer's state
//! - [`state_dict`]: named tensors as any file has them, and which format a file is in
//! - [`pickle`]: Python's pickles, read without running anything
//! - [`pth`]: PyTorch's two formats around such pickles
//! - [`load`]: named tensors into a network

pub mod checkpoint;
pub mod load;
pub mod pickle;
pub mod pth;
pub mod state_dict;

pub use checkpoint::{AVERAGE, MOMENTUM, check, from_bytes, header, to_bytes};
pub use load::{Head, Loaded, load};
pub use state_dict::{StateDict, StoredTensor};
