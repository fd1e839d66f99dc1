//! Sweep and run folders: what is written where, how it survives a crash, and how it is read back
//! as rows and tables. The only crate that knows file names there, and the only one with polars.
//!
//! This crate must never know: tensors, devices, how a trial is trained or scheduled, how a report
//! looks.
//!
//! Reading order:
//! - [`layout`]: the folders and their file names
//! - [`atomic`] and [`lock`]: whole files or none; one writer at a time
//! - [`plan`], [`result`], [`metrics`], [`journal`]: the files' contents
//! - [`history`]: what earlier commands found; [`effective`]: what trained networks look at
//! - [`rows`]: a sweep read back, as plain rows
//! - [`tables`]: the rows as Parquet and CSV
//! - [`price`]: what a trial will cost, from a few timed steps
//! - [`tensorboard`]: event files
//! - [`submission`]: what went to a cluster's queue
//! - [`assessment`]: a network's predictions on a set of images, and what they add up to

pub mod assessment;
pub mod atomic;
pub mod checksum;
pub mod effective;
pub mod error;
pub mod history;
pub mod journal;
pub mod layout;
pub mod lock;
pub mod metrics;
pub mod plan;
pub mod price;
pub mod result;
pub mod rows;
pub mod submission;
pub mod tables;
pub mod tensorboard;

pub use error::StoreError;
pub use journal::{Event, Journal};
pub use layout::{RunDir, SweepDir};
pub use lock::Lock;
pub use metrics::{Metrics, Point, Values};
pub use plan::{Code, MatchedBudget, Plan, PlanAxis, PlannedTrial};
pub use price::{Price, Timing, Work};
pub use result::{Environment, Halved, Outcome, TrialResult};
pub use rows::{Status, SweepRows, TrialRow};
pub use submission::Submission;
