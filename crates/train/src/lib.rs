//! One trial, from its spec to result.json: the loop, evaluation, checkpoints, exact resume.
//!
//! This crate must never know: other trials, schedulers, terminals, how a report looks. It prints
//! nothing and exits nowhere; it writes into its run folder and tells its progress to a callback.
//!
//! Reading order:
//! - `trial`: the whole of a trial, top to bottom
//! - `training`: the loop
//! - [`images`]: from a spec to a source of batches
//! - `mix`: mixup and CutMix
//! - `schedule`: learning rate and momentum of a step
//! - `speed`: clocks of an attempt
//! - `evaluate`: loss and accuracies on the test images
//! - [`assess`]: a trained network on a whole split, class by class
//! - [`fit`]: whether a step fits into memory
//! - [`timing`]: a few steps, timed
//! - `identity`: whether data and weights are those that were planned
//! - `checkpoint`: what is saved, and how a run goes on from it
//! - `recorder`: metrics, log, event file, progress; `shown`: what TensorBoard shows beside numbers
//! - `reduce`: sums over processes; `trace`: when they happened
//! - [`environment`]: where it runs

pub mod assess;
mod checkpoint;
pub mod environment;
pub mod error;
mod evaluate;
pub mod fit;
mod identity;
pub mod images;
mod mix;
mod recorder;
mod reduce;
mod schedule;
mod shown;
mod speed;
pub mod timing;
mod trace;
mod training;
mod trial;

pub use error::TrainError;
pub use recorder::Progress;
pub use trial::{Ended, TrialOptions, run};
