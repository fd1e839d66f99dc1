//! Inner loops of a training step on the CPU: convolutions, batch norm with what follows it, pools, element by element; in
//! f32 and f64, by AVX2 where the processor has it.
//!
//! This crate must never know: libtorch, graphs, threads, who owns memory. A caller gives views of its memory and a range of
//! images, and may run ranges side by side. Nothing is allocated that grows with the batch.
//!
//! What is summed in one order for one range of images is summed in another for two; otherwise results do not depend on how
//! a batch is shared out.
//!
//! Reading order:
//! - [`real`]: f32, f64, and vectors of them; [`view`]: tensors as kernels see them
//! - [`matmul`]: the two inner loops of all convolutions
//! - [`conv`]: convolutions and their gradients
//! - [`norm`]: batch norm; [`pool`]: pools; [`pointwise`]: the rest

// Views of a caller's memory, shared out over threads by images, are pointers: slices of them would overlap.
#![allow(unsafe_code)]

pub mod conv;
pub mod matmul;
pub mod norm;
pub mod pointwise;
pub mod pool;
pub mod real;
pub mod view;

pub use conv::{ConvPlan, ConvShape, Epilogue, Gradient, NormBackward};
pub use norm::Residual;
pub use pool::PoolShape;
pub use real::Real;
pub use view::View;
