//! What a sweep found: rows to statistics, sentences, figures, and one self-contained HTML page.
//!
//! This crate must never know: libtorch, polars, file names in a sweep's folder (store does),
//! terminals. The page is a function of the rows; it can be rebuilt at any time, also while the
//! sweep runs.
//!
//! Reading order:
//! - [`stats`]: means, intervals, paired differences
//! - [`metric`], [`axis`], [`recipe`]: what is compared, what was varied, what a trial is made of
//! - [`study`]: the rows put in order
//! - [`lines`], [`design`] and [`effects`]: arms along an axis or in a grid, and what each axis
//!   does
//! - [`question`]: what the sweep asks, by its kind
//! - [`findings`]: the answers as records, each with its number, its test and its verdict
//! - [`together`] and [`changes`]: several sweeps as one, and what has changed since an earlier run
//! - [`answer`]: the same in plain words, and what is wrong with the sweep
//! - [`sizes`]: accuracy by the size of the object
//! - [`seeds`]: how many seeds a rule asks for
//! - [`summary`]: one record per arm
//! - [`svg`], [`scale`], [`chart`]: the drawing backend under plotters, and charts as plain data
//! - [`diagram`]: blocks of a graph as boxes and arrows
//! - [`figures`]: one file each, a study to a figure
//! - [`network`]: networks whose units are asked what they see
//! - [`page`]: everything on one page
//! - [`fields`]: the page of receptive fields of networks, trained or not
//! - [`assessment`]: the page of one network's evaluation
//! - [`format`] and [`text_table`]: numbers as people read them, tables to paste

pub mod answer;
pub mod assessment;
pub mod axis;
pub mod changes;
pub mod chart;
pub mod design;
pub mod diagram;
pub mod effects;
pub mod error;
pub mod fields;
pub mod figures;
pub mod findings;
pub mod format;
pub mod lines;
pub mod metric;
pub mod network;
pub mod page;
pub mod question;
pub mod recipe;
pub mod scale;
pub mod seeds;
pub mod sizes;
pub mod stats;
pub mod study;
pub mod summary;
pub mod svg;
pub mod text_table;
pub mod together;

pub use error::ReportError;
pub use page::{render, render_live};
pub use study::Study;
pub use summary::{ArmSummary, Summary, summarize};
pub use together::together;

use res2lab_store::{SweepDir, atomic, rows};

/// Reads the sweep in `dir`, writes its page, and returns the arms. With `all`, what earlier
/// commands asked for is shown too.
pub fn write(dir: &SweepDir, all: bool) -> Result<Summary, ReportError> {
    let rows = rows::read(dir, all)?;
    atomic::write(&dir.page(), render(&rows)?.as_bytes())?;
    Ok(summarize(&rows))
}
