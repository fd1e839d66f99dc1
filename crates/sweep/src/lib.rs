//! From an experiment to finished trials: the plan, the scheduler, executors, the runner.
//!
//! This crate must never know: tensors, how a trial trains, terminals. It starts processes and
//! reads the files that they write.
//!
//! Reading order:
//! - [`mod@plan`]: arms and seeds to trials, each with its cost; `fits`: what is checked of each
//! - [`budget`]: values of open fields that give arms equal cost
//! - [`scheduler`]: which trial runs next and in which slot; a pure state machine
//! - [`slots`]: the resources of this machine, divided among trials; [`mps`]: what lets trials share
//!   a GPU
//! - [`executor`]: the trait that starts trials; [`local`] on this machine, [`mock`] with a virtual
//!   clock
//! - [`slurm`]: trials as jobs of a cluster; [`kubernetes`]: the manifest of such a job
//! - `launched`: what launchers of parallel programs leave in the environment
//! - [`asha`]: early stopping
//! - [`shell`]: words as a shell reads them
//! - `pace`: training speed, estimated from trials that have run
//! - [`runner`]: the main loop, and the journal; `snapshot`: what it shows while it runs

pub mod asha;
pub mod budget;
pub mod executor;
mod fits;
pub mod gpus;
pub mod kubernetes;
mod launched;
pub mod local;
pub mod mock;
pub mod mps;
pub mod numa;
mod pace;
pub mod plan;
pub mod runner;
pub mod scheduler;
pub mod shell;
pub mod slots;
pub mod slurm;
mod snapshot;

pub use executor::{End, Executor};
pub use local::Local;
pub use mps::Mps;
pub use plan::{World, plan};
pub use runner::{RunnerOptions, hold, run};
pub use scheduler::RetryPolicy;
pub use slots::{Demand, Slot};
pub use slurm::Slurm;
pub use snapshot::{Ended, Finish, RunningTrial, Snapshot};
