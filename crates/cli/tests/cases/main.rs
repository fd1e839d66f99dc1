//! What people really bring and what really happens to them, a test for each reported case, driving the binary.

#[path = "../common/mod.rs"]
mod common;

mod accidents;
mod data;
mod weights;
mod words;
