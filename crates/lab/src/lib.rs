//! The workbench as a library: everything that the binary does but arguments, printing and exit
//! statuses. It plans and runs sweeps, builds networks from words, loads trained ones, and analyzes
//! receptive fields. `examples/` shows each.
//!
//! This crate must never know: terminals, command-line flags, exit statuses. It does not print.
//!
//! Reading order:
//! - [`options`]: what a caller decides
//! - [`request`]: words and options to a plan, with [`mod@line`]: the words, [`given`]: the weights to
//!   start from, [`inputs`]: whether finished trials saw the same data
//! - [`sweep`]: a plan to trained trials, with [`cost_estimate`]: how long they will take, [`cluster`]: jobs
//!   of a cluster, `asked_gpus`: the GPUs that they ask for, [`smoke`]: what a smoke test needs
//! - [`report`]: tables and pages of finished trials
//! - [`network`]: words to a network; [`trained`]: a network with its weights, and how it prepares
//!   images; [`predict`]: classes of pictures; [`published`]: weights and data sets that can be downloaded
//! - [`rf`]: exact receptive fields; [`erf`]: effective ones, as measured
//! - [`named`]: the sweep or the run that a bare word names; [`classes`]: names of classes
//! - [`program`]: the binary that trains trials; [`slots`]: where they run
//! - [`vectors`]: the instruction set that the kernels use here; [`trial`]: a process that trains a
//!   trial, with `place`: its device, as a launcher tells it

mod asked_gpus;
pub mod classes;
pub mod cluster;
pub mod cost_estimate;
pub mod erf;
pub mod given;
pub mod gpus;
pub mod inputs;
pub mod line;
pub mod named;
pub mod network;
pub mod options;
pub mod peak;
mod place;
pub mod predict;
pub mod program;
pub mod published;
pub mod report;
pub mod request;
pub mod rf;
pub mod slots;
pub mod smoke;
pub mod sweep;
pub mod text;
pub mod trained;
pub mod trial;
pub mod vectors;

pub use options::{Folders, Question, SweepOptions};
