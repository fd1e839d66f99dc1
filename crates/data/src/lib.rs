//! Data sets behind one trait, [`Source`], which gives batches to a training loop.
//!
//! This crate must never know: networks, recipes, sweep folders. It writes only its cache.
//!
//! Reading order:
//! - [`catalog`]: the data sets by name or folder, and their descriptions; [`opening`]: opens each
//!   kind
//! - [`recognize`]: the kind of data set in a folder; [`sniff`]: the kind of a file by its first
//!   bytes
//! - [`idx`] and [`cifar`] (with [`pickled`]): small images, all in memory; [`generated`] and
//!   [`shapes`]: made on the spot
//! - [`folder`] and [`walk`]: pictures in folders; [`left_out`]: files that were left out
//! - [`splits`]: files by the words in their names; [`shards`]: Parquet, with `pages`, `described`
//!   and `thrift`; [`tars`]: WebDataset; [`names`]: names of classes
//! - [`images`] and [`pictures`]: a split, decoded or not; [`kept`]: decoded images that all trials
//!   share; [`pack`]: many pictures in one memory-mapped file
//! - [`order`]: the images of each step, a function of (seed, epoch)
//! - [`source`]: the trait
//! - [`resident`]: all images as one tensor on the device, changed there ([`augment`],
//!   [`normalize`])
//! - [`stream`]: pictures decoded in advance of the training; `worker`: makes a batch, with
//!   [`decode`], [`crop`] and [`jitter`]; [`ahead`]: read-ahead for tar files
//! - [`shaped`]: a user's pictures in the shape of a data set's images
//! - [`cache`]: cache files; [`digest`]: the identity of a data set, in 64 bits

pub mod ahead;
pub mod augment;
pub mod cache;
pub mod catalog;
pub mod cifar;
pub mod crop;
pub mod decode;
mod described;
pub mod digest;
pub mod error;
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
pub use catalog::{
    DataSet, DatasetInfo, DatasetRequest, Description, describe, factors, published,
};
pub use crop::CropRange;
pub use error::DataError;
pub use images::{Images, Split};
pub use opening::open;
pub use order::Shard;
pub use pictures::Pictures;
pub use resident::Resident;
pub use source::{Batch, EpochPlan, Source};
pub use stream::Stream;
