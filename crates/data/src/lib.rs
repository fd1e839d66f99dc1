//! Data sets behind one trait, [`Source`], from which a training loop gets its batches.
//!
//! This crate must never know: networks, recipes, sweep folders. It writes only its cache.
//!
//! Reading order:
//! - [`catalog`]: the data sets by name or folder, with their properties; [`opening`]: how each is
//!   read
//! - [`recognize`]: the kind of data set in a folder; [`sniff`]: the kind of a file by its first
//!   bytes
//! - [`idx`] and [`cifar`] (with [`pickled`]): small images, all in memory; [`generated`] and
//!   [`shapes`]: synthetic images
//! - [`folder`] and [`walk`]: pictures in folders; [`left_out`]: counts of files left out
//! - [`splits`]: files by the split in their names; [`shards`]: Parquet, with `pages`, `described`
//!   and `thrift`; [`tars`]: WebDataset; [`names`]: names of classes
//! - [`images`] and [`pictures`]: a split, decoded or not; [`kept`]: decoded images that all trials
//!   share; [`pack`]: many pictures in one memory-mapped file
//! - [`order`]: the images of each step, from (seed, epoch) alone
//! - [`source`]: the trait
//! - [`resident`]: all images as one tensor on the device, augmented there ([`augment`],
//!   [`normalize`])
//! - [`auto`]: RandAugment and its kin on one picture
//! - [`stream`]: pictures decoded ahead of the training; `worker`: decoding of a batch, with
//!   [`decode`], [`crop`] and [`jitter`]; [`ahead`]: read-ahead of pictures in tar files
//! - [`shaped`]: pictures in the shape of a data set's images, and a check that they can be read
//! - [`cache`]: cache files; [`digest`]: 64-bit identities of data sets

pub mod ahead;
pub mod augment;
pub mod auto;
pub mod cache;
pub mod catalog;
pub mod cifar;
pub mod crop;
pub mod decode;
mod described;
pub mod digest;
mod error;
pub mod folder;
pub mod generated;
pub mod idx;
pub mod images;
pub mod jitter;
pub mod kept;
pub mod left_out;
pub mod names;
pub mod normalize;
pub mod opening;
pub mod order;
pub mod pack;
mod pages;
pub mod pickled;
pub mod pictures;
pub mod recognize;
pub mod resident;
pub mod shaped;
pub mod shapes;
pub mod shards;
pub mod sniff;
pub mod source;
pub mod splits;
pub mod stream;
pub mod tars;
mod thrift;
pub mod walk;
mod worker;

pub use augment::Augment;
pub use catalog::{DataSet, DatasetRequest, Description, describe, factors, published};
pub use crop::CropRange;

pub use images::{Images, Split};
pub use opening::open;
pub use order::Shard;
pub use pictures::Pictures;
pub use resident::Resident;
pub use source::{Batch, EpochPlan, Source};
pub use stream::Stream;
