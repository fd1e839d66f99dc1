//! One file per command. Each takes its arguments and returns the exit status.

pub mod data;
pub mod env;
pub mod model;
pub mod plan;
pub mod report;
pub mod sweep;
pub mod trial;
pub mod weights;
