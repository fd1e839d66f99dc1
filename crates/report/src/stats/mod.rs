//! Statistics of small samples: pure functions of slices, tested against SciPy.
//!
//! Reading order:
//! - [`estimate`]: an estimate with its standard error: interval, tests, required seeds
//! - [`sample`]: mean, standard deviation, interval of the mean
//! - [`paired`]: differences over shared seeds
//! - [`bootstrap`]: an interval without a distribution assumption
//! - [`correlation`]: Pearson correlation
//! - [`bartlett`]: test of equal variances
//! - [`blocks`]: least squares of cells and seeds
//! - [`factors`]: contrasts of the cells of a grid
//! - [`holm`]: correction for several comparisons
//! - [`stein`]: two-stage procedure: required seeds and the resulting interval
//! - [`power`]: seeds required to detect a difference
//! - [`student`]: the t distribution, central and noncentral

mod bartlett;
mod blocks;
mod bootstrap;
mod correlation;
mod estimate;
pub mod factors;
mod holm;
mod paired;
mod power;
mod sample;
mod stein;
mod student;

pub use bartlett::bartlett;
pub use blocks::{Blocks, FTest};
pub use bootstrap::bootstrap;
pub use correlation::pearson;
pub use estimate::Estimate;
pub use holm::holm;
pub use paired::{Paired, paired};
pub use power::{pairs_needed, power_of_paired_t};
pub use sample::{Sample, test_of_mean};
pub use stein::{pairs_wanted, two_stage};
pub use student::power;

/// The level of every confidence interval, and the family-wise error rate of every family.
pub const ALPHA: f64 = 0.05;
