//! Average, maximum and global pools.
//!
//! Reading order:
//! - [`PoolShape`]: the shape of a pool, as in PyTorch
//! - [`average`]: average pools
//! - [`maximum`]: max pools
//! - [`global`]: the mean of a plane
//! - `rows`: the innermost loops

pub mod average;
pub mod global;
pub mod maximum;
pub(crate) mod rows;
mod shape;

pub use average::AveragePool;
pub use maximum::MaxPool;
pub use shape::PoolShape;
