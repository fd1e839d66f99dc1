//! Trains one trial, from its spec to result.json: training loop, evaluation, checkpoints, exact
//! resume.
//!
//! This crate must never know: other trials, schedulers, terminals, how a report looks. It prints
//! nothing and never exits the process; it writes into its run folder and reports its progress to a
//! callback.
//!
//! Reading order:
//! - `trial`: the whole of a trial, from setup to result
//! - `training`: the training loop
//! - [`images`]: from a spec to a source of batches
//! - `mix`: mixup and CutMix; `erase`: random erasing
//! - `schedule`: learning rate and momentum of a step
//! - `speed`: the speed of an attempt
//! - `evaluate`: loss and accuracies on the test images
//! - [`assess`]: predictions of a trained network for a whole split
//! - [`fit`]: whether a step fits into memory
//! - [`timing`]: the time of a few steps; `recipe_step`: such a step
//! - [`gpu_record`]: what a check of the GPUs has found
//! - `identity`: whether data and weights are those of the plan
//! - `checkpoint`: checkpoints, and how a run resumes
//! - `recorder`: metrics, log, event file, progress; `shown`, `confusion`: pictures and histograms for
//!   TensorBoard
//! - `reduce`: sums over processes; `trace`: the times of these sums
//! - [`environment`]: the machine

pub mod assess;
mod checkpoint;
mod confusion;
pub mod environment;
mod erase;
mod evaluate;
pub mod fit;
pub mod gpu_record;
mod identity;
pub mod images;
mod mix;
mod recipe_step;
mod recorder;
mod reduce;
mod schedule;
mod shown;
mod speed;
pub mod timing;
mod trace;
mod training;
mod trial;

pub use recipe_step::RecipeStep;
pub use trial::{Ended, TrialOptions, arithmetic, conditions, run, use_gpu};
