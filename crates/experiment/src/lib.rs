//! Experiment files and command-line axes, and their expansion to trials with names, seeds and ids.
//!
//! This crate must never know: tensors, devices, what is on disk beside the experiment file, the
//! time, randomness. The same text always gives the same trials.
//!
//! Reading order:
//! - [`trial`]: everything that determines a trial; its parts are [`data`], [`train`],
//!   [`optimizer`], [`schedule`], [`loss`] and [`auto`]
//! - [`experiment`]: the YAML file as written
//! - [`seeds`]: a list, or a rule that adds seeds
//! - [`yaml`]: reading the text of the file
//! - [`words`]: splitting of words with quotes and brackets
//! - [`axes`]: the grammar of `scale=2,4` and `depth=20..56:9`; `range`: the latter; [`forms`]: its
//!   notations by example
//! - [`known`]: every configuration field with its type; [`meanings`]: a sentence for each;
//!   [`defaults`]: its value where a file does not give it
//! - [`fields`]: short names of configuration fields, and how an override changes the file
//! - [`budget`]: `width=match:params@resnet50`, values that the plan finds
//! - [`mod@expand`]: file and axes to arms and trials
//! - [`contrasts`]: the comparisons of a report
//! - [`id`]: readable names and hashes
//! - [`early_stop`]: the early-stopping rule
//! - [`executor`]: local processes or SLURM jobs
//! - [`mod@smoke`]: smoke tests of any experiment

pub mod auto;
pub mod axes;
pub mod budget;
pub mod contrasts;
pub mod data;
pub mod dataset;
pub mod defaults;
pub mod early_stop;
pub mod executor;
pub mod expand;
pub mod experiment;
pub mod fields;
pub mod forms;
pub mod id;
mod keep;
pub mod known;
pub mod loss;
pub mod meanings;
mod moves;
pub mod optimizer;
mod range;
pub mod schedule;
pub mod seeds;
pub mod smoke;
mod switch;
pub mod train;
pub mod trial;
pub mod words;
pub mod yaml;

pub use auto::Auto;
pub use axes::Axis;
pub use budget::{Budget, Open, Quantity};
pub use contrasts::Contrasts;
pub use data::{Augment, DataSpec, EraseMode, Interpolation, Normalize};
pub use dataset::DatasetInfo;
pub use early_stop::{Asha, EarlyStop};

pub use executor::{ExecutorSpec, SlurmSpec};
pub use expand::{Arm, Expansion, expand};
pub use experiment::{Experiment, Reference};
pub use keep::Keep;
pub use loss::{Bce, Loss};
pub use moves::product;
pub use optimizer::{DecayOn, Optimizer};
pub use schedule::{Decay, Schedule};
pub use seeds::{SeedRule, Seeds};
pub use smoke::smoke;
pub use switch::Switch;
pub use train::{EmaWarmup, MemoryLayout, MixMode, Precision, TrainSpec};
pub use trial::{InitSpec, TrialSpec};

/// A scalar, list or map in YAML; the type of axis values.
pub type Value = serde_yaml::Value;
