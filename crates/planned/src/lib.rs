//! The training step and the evaluation of a graph, planned in advance. A graph is static, so
//! everything is known before the first image: the contents of each buffer, which buffers may share
//! memory, and which write to a gradient accumulates. A step uses no autograd engine and allocates
//! no memory.
//!
//! This crate must never know: libtorch, files, losses, optimizers. It works on slices.
//!
//! Reading order:
//! - [`fusion`]: nodes that are computed together
//! - [`allocation`]: buffers and slices of results, so that splits and concatenations cost no copy
//! - [`instructions`], [`program`] and `backward`: the step as two lists of instructions
//! - `aliasing`: copies that are elided
//! - `liveness` and [`memory`]: buffers that share memory
//! - [`threads`]: a team of threads with a barrier
//! - [`step`]: the execution plan; `interpreter`: runs it on one thread; `norms`: batch statistics;
//!   `linear`: the fully connected layer
//! - [`inference`]: an evaluation, with `segments`: micro-batches
//! - [`flat`]: the optimizer on flat buffers

// Threads write to disjoint ranges of shared memory, which safe slices cannot express.
#![allow(unsafe_code)]

mod aliasing;
pub mod allocation;
mod backward;
pub mod flat;
pub mod fusion;
pub mod inference;
pub mod instructions;
mod interpreter;
mod linear;
mod liveness;
pub mod memory;
mod norms;
pub mod program;
pub mod segments;
pub mod step;
pub mod threads;

pub use inference::Inference;
pub use program::Program;
pub use res2lab_kernels::Real;
pub use res2lab_kernels::sgd::SgdStep;
pub use step::{ExecutionPlan, State};
