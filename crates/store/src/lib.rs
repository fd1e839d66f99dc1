//! Sweep and run folders: file formats, crash safety, and reading back as rows and Parquet tables.
//! This crate alone knows the file names in these folders, and it alone depends on polars.
//!
//! This crate must never know: tensors, devices, how a trial is trained or scheduled, how a report
//! looks.
//!
//! Reading order:
//! - [`layout`]: the folders and their file names
//! - [`atomic`] and [`lock`]: atomic file replacement, and one writer at a time
//! - [`plan`], [`result`], [`metrics`], [`journal`]: the files' contents
//! - [`history`]: results of earlier commands; [`effective`]: measured effective receptive fields
//! - [`rows`]: a sweep read back, as plain rows
//! - [`tables`]: the rows as Parquet and CSV
//! - [`cost_estimate`]: the predicted cost of a trial, from a few timed steps
//! - [`disk`]: the space that checkpoints take, and those that are not needed
//! - [`tensorboard`]: event files
//! - [`submission`]: submissions to a cluster's queue
//! - [`assessment`]: a network's predictions on a set of images, and their metrics

pub mod assessment;
pub mod atomic;
pub mod checksum;
pub mod cost_estimate;
pub mod disk;
pub mod effective;
pub mod error;
pub mod history;
pub mod journal;
pub mod layout;
pub mod lock;
pub mod metrics;
pub mod plan;
pub mod progress;
pub mod result;
pub mod rows;
pub mod submission;
pub mod tables;
pub mod tensorboard;

pub use cost_estimate::{CostEstimate, Timing, Work};
pub use journal::{Event, Journal};
pub use layout::{RunDir, SweepDir};
pub use lock::Lock;
pub use metrics::{Metrics, Point, Values};
pub use plan::{Code, MatchedBudget, Plan, PlanAxis, PlannedTrial};
pub use progress::Progress;
pub use result::{Environment, Halved, Outcome, TrialResult};
pub use rows::{Status, SweepRows, TrialRow};
pub use submission::Submission;
