//! The operations: a module for each, with its instructions, how they are planned from the graph,
//! what they read and write, and how a thread runs them.

pub mod add;
pub mod concat;
pub mod conv;
pub mod conv_back;
pub mod gate;
pub mod global_pool;
pub mod group_norm;
pub mod linear;
pub mod masked_sums;
pub mod noise;
pub mod norm;
pub mod norm_back;
pub mod pool;
pub mod relu;
pub mod resize;
pub mod sigmoid;
pub mod synchronize;
pub mod zero;
