//! One file per command. Each takes its arguments and returns the exit status.

pub(crate) mod arm_columns;
pub(crate) mod clean;
pub(crate) mod data;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod figure;
pub(crate) mod manual;
pub(crate) mod model;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod reference;
pub(crate) mod report;
pub(crate) mod rf;
pub(crate) mod speed;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod trial;
pub(crate) mod weights;
pub(crate) mod worker;
