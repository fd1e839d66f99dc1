//! Statistics of few numbers: pure functions of slices, held to SciPy's results by their tests.
//!
//! Reading order:
//! - [`estimate`]: a number with its error: its interval, its tests, the seeds that it needs
//! - [`sample`]: mean, standard deviation, interval of the mean
//! - [`paired`]: differences over shared seeds
//! - [`bootstrap`]: an interval that assumes no distribution
//! - [`correlation`]: how much two quantities go together
//! - [`bartlett`]: whether groups scatter alike
//! - [`blocks`]: least squares of cells and seeds
//! - [`factors`]: contrasts of the cells of a grid
//! - [`holm`]: several comparisons at once
//! - [`stein`]: how many seeds an interval needs, and what it then is
//! - [`power`]: how many seeds a difference needs
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

/// The level of every interval and the family-wise error of every claim.
pub const ALPHA: f64 = 0.05;
