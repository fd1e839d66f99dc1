//! Kernels of a convolutional network on planes in memory, each on one thread, efficient for few
//! channels and for many.
//!
//! A convolution packs a few rows of its input into a padded panel, where every tap reads at a
//! fixed offset, and multiplies them by register tiles. The operation before a convolution (a sum,
//! a ReLU's mask, a batch norm's gradient) is fused into the packing. The operation after it (sums
//! for a norm, a bias, a residual, a ReLU) is fused into the epilogue of the tiles.
//!
//! Functions work on a range of images and allocate no memory: the caller passes scratch memory,
//! for example from [`memory`]. Calls on disjoint ranges may run at the same time. The division of
//! a batch into ranges changes results only through the order in which sums over images (a weight's
//! gradient, a norm's sums) are added.
//!
//! This crate must never know: libtorch, graphs, threads.
//!
//! Reading order:
//! - [`view`]: a tensor of a batch as planes
//! - [`element`]: `f32` and `f64`, and vectors of them
//! - `avx2`, `avx512`: vectors in registers
//! - [`stored`]: how elements of planes are stored, as `f32`, `f64` or bfloat16
//! - `bfloat16`: vectors that are stored as bfloat16
//! - `vector_loop`: the loop over the elements of a plane
//! - `source`: tensors that are combined as they are read
//! - [`instruction_set`]: the instruction sets, and the one in use
//! - `dispatch`: the loops, compiled for each type and instruction set
//! - `fastest`: the instruction set that is the fastest on this processor
//! - [`peak`]: the greatest rate of multiply-adds of this processor
//! - [`memory`]: buffers on huge pages
//! - [`conv`]: convolutions, forward and backward
//! - [`matrix`]: products of matrices
//! - [`norm`]: batch norm and group norm
//! - [`pool`]: average, maximum and global pools
//! - [`resize`]: maps in another size
//! - [`pointwise`]: elementwise operations
//! - [`sgd`], [`moments`]: the steps of optimizers
// Vector registers and views into memory that threads share have no safe form.
#![allow(unsafe_code)]
// All unsafe functions share the contract that is written at `view::View`.
#![allow(clippy::missing_safety_doc)]

pub mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bfloat16;
pub mod conv;
mod dispatch;
pub mod element;
mod fastest;
pub mod instruction_set;
pub mod matrix;
pub mod memory;
pub mod moments;
pub mod norm;
pub mod peak;
pub mod pointwise;
pub mod pool;
pub mod resize;
pub mod sgd;
mod share;
mod source;
pub mod stored;
mod vector_loop;
pub mod view;

pub use conv::{
    ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, MaskedSums, NormBackward,
};
pub use dispatch::{Real, Stored};
pub use fastest::fastest;
pub use half::bf16 as Bf16;
pub use share::Share;
pub use stored::Storage;
pub use view::View;
