//! Data sets behind one trait, [`Source`]: what a training loop asks for batches.
//!
//! This crate must never know: networks, recipes, sweep folders. It writes nothing but its cache.
//!
//! Reading order:
//! - [`catalogue`]: the data sets by name or folder, and what is known of one without reading its images
//! - [`idx`] and [`cifar`]: small images, all in memory; [`generated`] and [`shapes`]: made on the spot
//! - [`folder`] and [`shards`]: pictures in folders and in Parquet; [`pack`]: many pictures in one memory-mapped file
//! - [`images`] and [`pictures`]: a split, decoded or not; [`kept`]: decoded images that all trials share
//! - [`order`]: which images a step sees, from (seed, epoch) alone
//! - [`source`]: the trait
//! - [`resident`]: all images as one tensor on the device, changed there ([`augment`], [`normalise`])
//! - [`stream`]: pictures decoded ahead of the training by [`decode`], [`crop`] and [`jitter`]
//! - [`cache`]: files that spare work the next time

pub mod augment;
pub mod cache;
pub mod catalogue;
pub mod cifar;
pub mod crop;
pub mod decode;
pub mod error;
pub mod folder;
pub mod generated;
pub mod idx;
pub mod images;
pub mod jitter;
pub mod kept;
pub mod normalise;
pub mod order;
pub mod pack;
pub mod pictures;
pub mod resident;
pub mod shapes;
pub mod shards;
pub mod source;
pub mod stream;

pub use augment::Augment;
pub use catalogue::{DataSet, Facts, Wanted, describe, factors, open, published};
pub use crop::CropRange;
pub use error::DataError;
pub use images::{Images, Split};
pub use order::Shard;
pub use pictures::Pictures;
pub use resident::Resident;
pub use source::{Batch, Pass, Source};
pub use stream::Stream;
