//! One file per command. Each takes its arguments and returns the exit status.

pub mod data;
pub mod env;
pub mod eval;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod predict;
pub mod report;
pub mod rf;
pub mod speed;
pub mod sweep;
pub mod table;
pub mod time;
pub mod trial;
pub mod weights;
pub mod worker;
