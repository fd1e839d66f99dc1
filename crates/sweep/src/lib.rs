//! From an experiment to finished trials: the plan, the scheduler, executors, the runner.
//!
//! This crate must never know: tensors, how a trial trains, terminals. It starts processes and
//! reads what they leave.
//!
//! Reading order:
//! - [`plan`]: arms and seeds to trials, with what each costs
//! - [`budget`]: fields that are found so that arms cost the same
//! - [`scheduler`]: which trial runs next and where; pure
//! - [`executor`]: what starts trials, behind a trait; [`local`] on this machine, [`mock`] with a
//!   virtual clock
//! - [`slurm`]: trials as jobs of a cluster; [`kubernetes`]: the manifest of such a job
//! - [`asha`]: which trials end early
//! - [`progress`]: what a trial tells while it runs
//! - `pace`: how long trials take, from those that have run
//! - [`runner`]: the loop that ties them together, and its journal

pub mod asha;
pub mod budget;
pub mod error;
pub mod executor;
pub mod kubernetes;
pub mod local;
pub mod mock;
mod pace;
pub mod plan;
pub mod progress;
pub mod runner;
pub mod scheduler;
pub mod slurm;

pub use error::SweepError;
pub use executor::{End, Executor};
pub use local::{Demand, Local, Slot};
pub use plan::{DatasetInfo, World, plan};
pub use progress::TrialProgress;
pub use runner::{Finish, Options, Snapshot, hold, run};
pub use scheduler::RetryPolicy;
pub use slurm::Slurm;
