//! The training step and the evaluation of a graph, planned in advance. A graph is static, so
//! everything is known before the first image: the contents of each buffer, which buffers may share
//! memory, and which write to a gradient accumulates. A step uses no autograd engine and allocates
//! no memory.
//!
//! This crate must never know: libtorch, files, losses, optimizers. It works on slices.
//!
//! [`walkthrough`] follows one small network through its program, line by line.
//!
//! Reading order:
//! - [`fusion`]: nodes that are computed together
//! - [`allocation`]: buffers and slices of results, so that splits and concatenations cost no copy
//! - [`tables`]: constants of a program that instructions refer to by index
//! - [`access`]: what an instruction reads and writes
//! - [`ops`]: a module for each operation: how it is planned, what it accesses, how it runs
//! - [`instructions`]: the instructions of the two passes
//! - [`program`] and `backward`: the step as two lists of instructions
//! - `text`: the text of a program
//! - `aliasing`: copies that are elided
//! - [`schedule`]: packing, barriers and the addition of partial gradients
//! - [`check`]: what every scheduled program must satisfy
//! - `liveness` and [`memory`]: buffers that share memory
//! - [`segments`]: micro-batches of an inference
//! - `layout`, [`plan`], [`workspace`]: a program with its memory
//! - [`threads`]: a team of threads with a barrier
//! - `interpreter`: runs a program on one thread; `norms`: batch statistics
//! - [`profile`]: what a thread's time goes to
//! - [`step`]: the two passes; [`inference`]: an evaluation
//! - [`flat`]: the optimizer on flat buffers

// Threads write to disjoint ranges of shared memory, which safe slices cannot express.
#![allow(unsafe_code)]

pub mod access;
mod aliasing;
pub mod allocation;
mod backward;
pub mod check;
pub mod flat;
pub mod fusion;
pub mod inference;
mod instruction;
pub mod instructions;
mod interpreter;
mod layout;
mod liveness;
pub mod memory;
mod norms;
pub mod ops;
pub mod plan;
mod planning;
pub mod profile;
pub mod program;
pub mod schedule;
pub mod segments;
pub mod step;
pub mod tables;
mod text;
pub mod threads;
#[doc = include_str!("walkthrough.md")]
pub mod walkthrough {}
pub mod workspace;

pub use inference::Inference;
pub use plan::Plan;
pub use profile::Profile;
pub use program::Program;
pub use res2lab_kernels::element::Element;
pub use res2lab_kernels::{Bf16, Real, Stored};
pub use res2lab_kernels::{moments, sgd::SgdStep};
pub use step::State;
pub use workspace::Workspace;
