//! Data sets behind one trait, [`Source`]: what a training loop asks for batches.
//!
//! This crate must never know: networks, recipes, sweep folders. It reads the files it is pointed to and writes none.
//!
//! Reading order:
//! - [`catalogue`]: the data sets by name, and what is known of one without reading its images
//! - [`idx`] and [`cifar`]: file formats
//! - [`images`]: decoded images in memory
//! - [`order`]: which images a step sees, from (seed, epoch) alone
//! - [`source`]: the trait
//! - [`resident`]: all images as one tensor on the device
//! - [`augment`]: random changes, on whole batches

pub mod augment;
pub mod catalogue;
pub mod cifar;
pub mod error;
pub mod idx;
pub mod images;
pub mod order;
pub mod resident;
pub mod source;

pub use augment::Augment;
pub use catalogue::{Facts, describe, load};
pub use error::DataError;
pub use images::{Images, Split};
pub use order::Shard;
pub use resident::Resident;
pub use source::{Batch, Pass, Source};
