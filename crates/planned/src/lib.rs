//! The training step of a graph, planned: the graph is static, so which buffer holds what, what may
//! share memory, which gradient is written and which is added is known before the first image
//! comes. No autograd engine, no allocation.
//!
//! This crate must never know: libtorch, files, losses, optimizers. It works on slices and its
//! caller's threads.
//!
//! Reading order:
//! - [`fusion`]: which nodes are computed together
//! - [`allocation`]: where results lie, so that splits and concatenations cost no copy
//! - [`program`] and `backward`: the step as two lists of instructions
//! - `aliasing`: copies that are elided
//! - `liveness` and [`memory`]: buffers that share memory
//! - [`threads`]: a team of threads with a barrier
//! - [`step`]: the execution plan; `interpreter`: runs it on one thread; `norms`: batch statistics;
//!   `linear`: the fully connected layer
//! - [`inference`]: an evaluation, with `segments`: how many images at a time
//! - [`flat`]: the optimizer

// Threads share one arena, each writing its own images' part of it, which Rust's slices cannot say.
#![allow(unsafe_code)]

mod aliasing;
pub mod allocation;
mod backward;
pub mod flat;
pub mod fusion;
pub mod inference;
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
pub use res2lab_kernels::sgd::Sgd;
pub use step::{ExecutionPlan, State};
