//! The arithmetic of a convolutional network on planes in memory, one thread at a time, for few
//! channels as for many.
//!
//! A convolution copies a few rows of its input into a padded panel, where every tap reads at a
//! fixed distance, and multiplies there with one register tile; what precedes it (a sum, a ReLU's
//! mask, a batch norm's gradient) happens as the panel is packed, and what follows it (sums for a
//! norm, a bias, a residual, a ReLU) as the tile's results leave.
//!
//! Functions work on a range of images and allocate nothing: scratch memory comes from the caller,
//! who may ask [`memory`] for it. Calls on disjoint ranges may run at the same time. How images are
//! cut into ranges changes results only through the order in which sums over images (a weight's
//! gradient, a norm's sums) are added.
//!
//! This crate must never know: libtorch, graphs, threads.
//!
//! Reading order:
//! - [`view`]: one tensor of a batch, as planes
//! - [`real`]: `f32` and `f64`, and vectors of them
//! - `avx2`, `avx512`: those vectors in registers
//! - `dispatch`: the innermost functions, compiled for each type and instruction set
//! - [`instruction_set`]: the instruction sets, and which one runs
//! - [`memory`]: huge pages
//! - [`conv`]: convolutions, forward and backward
//! - [`matrix`]: products of matrices
//! - [`norm`]: batch norm
//! - [`pool`]: average, maximum and global pools
//! - [`pointwise`]: sums, ReLU, sigmoid, gates
//! - [`sgd`]: the optimizer's step
#![allow(unsafe_code)] // Vector registers and views into an arena that threads share have no safe form.
#![allow(clippy::missing_safety_doc)] // One promise holds for all of them; it is written at `view::View`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod conv;
mod dispatch;
pub mod instruction_set;
pub mod matrix;
pub mod memory;
pub mod norm;
pub mod pointwise;
pub mod pool;
pub mod real;
pub mod sgd;
mod vector_loop;
pub mod view;

pub use conv::{
    ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, MaskedSums, NormBackward, Share,
};
pub use real::Real;
pub use view::View;
