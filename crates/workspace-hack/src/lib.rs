//! No code: the dependencies of this crate switch features on that only tests need otherwise.
//! Cargo builds a dependency once per set of features, and with equal sets a build with tests and
//! one without share every compiled dependency, Polars among them (six minutes on two cores).
//! `cargo hakari` maintains such crates in larger workspaces.
//!
//! This crate must never know anything; remove a line when `cargo tree -e features` shows that no
//! test needs the feature any more.
