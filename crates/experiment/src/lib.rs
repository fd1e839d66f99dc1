//! Experiment files and command-line axes, and the trials that they mean: names, seeds, ids.
//!
//! This crate must never know: tensors, devices, what is on disk beside the experiment file, the
//! time, randomness. The same text always gives the same trials.
//!
//! Reading order:
//! - [`trial`]: everything that determines a trial; its parts are [`data`], [`train`] and
//!   [`schedule`]
//! - [`experiment`]: the YAML file as written
//! - [`seeds`]: a list, or a rule that adds seeds
//! - [`yaml`]: its text as editors write it
//! - [`words`]: how a word is cut, with quotes and brackets
//! - [`axes`]: the grammar of `scale=2,4` and `depth=20..56:9`; `range`: the latter
//! - [`known`]: every field and what it takes
//! - [`fields`]: short names of fields, and how an override changes the file
//! - [`budget`]: `width=match:params@resnet50`, fields that the plan fills in
//! - [`expand`]: file and axes to arms and trials
//! - [`contrasts`]: which of the arms a report compares
//! - [`id`]: readable names and hashes
//! - [`early_stop`]: when trials that fall behind end
//! - [`executor`]: who runs the trials
//! - [`smoke`]: any experiment, shrunk

pub mod axes;
pub mod budget;
pub mod contrasts;
pub mod data;
pub mod early_stop;
pub mod error;
pub mod executor;
pub mod expand;
pub mod experiment;
pub mod fields;
pub mod id;
pub mod known;
mod moves;
mod range;
pub mod schedule;
pub mod seeds;
pub mod smoke;
pub mod train;
pub mod trial;
pub mod words;
pub mod yaml;

pub use axes::Axis;
pub use budget::{Budget, Open, Quantity};
pub use contrasts::Contrasts;
pub use data::{Augment, DataSpec, Normalize};
pub use early_stop::{Asha, EarlyStop};
pub use error::SpecError;
pub use executor::{ExecutorSpec, SlurmSpec};
pub use expand::{Arm, Expansion, expand};
pub use experiment::{Experiment, Reference};
pub use schedule::Schedule;
pub use seeds::{SeedRule, Seeds};
pub use smoke::smoke;
pub use train::{DecayOn, Optimizer, Precision, TrainSpec};
pub use trial::{InitSpec, TrialSpec};

/// A scalar, list or map as YAML has it; axis values are kept this way.
pub type Value = serde_yaml::Value;
