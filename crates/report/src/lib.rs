//! Analysis of a sweep: from rows to statistics, sentences, figures and one self-contained HTML
//! page.
//!
//! This crate must never know: libtorch, polars, file names in a sweep's folder (store does),
//! terminals. The page is a function of the rows. It can be rebuilt at any time, also while the
//! sweep runs.
//!
//! Reading order:
//! - [`stats`]: means, intervals, paired differences
//! - [`metric`], [`axis`], [`recipe`]: the compared metric, the varied axes, the configuration of a
//!   trial
//! - [`study`]: the rows grouped into arms
//! - [`lines`], [`design`] and [`effects`]: arms along an axis or in a grid, and the effect of each
//!   axis
//! - [`encoding`], [`legend`]: what colors and shapes stand for
//! - [`question`]: the kind of question that the sweep poses
//! - [`findings`]: the answers as records, each with its number, its test and its verdict
//! - [`mod@together`] and [`changes`]: several sweeps as one, and changes since an earlier run
//! - [`answer`]: the findings as sentences, and the defects of the sweep
//! - [`sizes`]: accuracy by the size of the object
//! - [`seeds`]: the number of seeds that a seed rule requires
//! - [`summary`]: one record per arm
//! - [`svg`], [`scale`], [`mod@marks`], [`key`], [`chart`], [`forest`]: the drawing backend under
//!   plotters, and charts as plain data
//! - [`look`]: the style sheet of figures outside of pages
//! - [`saved`]: figures as files of their own
//! - [`diagram`]: blocks of a graph as boxes and arrows
//! - [`figures`]: one file per figure, each a function of a study
//! - [`network`]: networks whose receptive fields are analyzed
//! - [`notes`]: the author's own text
//! - [`page`]: the HTML page of a sweep
//! - [`fields`]: the page of receptive fields of networks, trained or not
//! - [`assessment`]: the page of one network's evaluation
//! - [`mod@format`], [`text_table`] and [`paper`]: number formatting, Markdown and LaTeX tables, and
//!   the table of arms for a paper

pub mod answer;
pub mod assessment;
pub mod axis;
pub mod changes;
pub mod chart;
pub mod design;
pub mod diagram;
pub mod effects;
pub mod encoding;
pub mod fields;
pub mod figures;
pub mod findings;
pub mod forest;
pub mod format;
pub mod key;
pub mod legend;
pub mod lines;
pub mod look;
pub mod marks;
pub mod metric;
pub mod network;
pub mod notes;
pub mod page;
pub mod paper;
pub mod question;
pub mod recipe;
pub mod saved;
pub mod scale;
pub mod seeds;
pub mod sizes;
pub mod stats;
pub mod study;
pub mod summary;
pub mod svg;
pub mod text_table;
pub mod together;

pub use page::{render, render_live};
pub use study::Study;
pub use summary::{ArmSummary, Summary, summarize};
pub use together::together;

use res2lab_error::Error;
use res2lab_store::{SweepDir, atomic, rows};

/// Reads the sweep in `dir`, writes its HTML page, and returns the records of its arms. With `all`,
/// the trials of earlier commands are included.
///
/// Fails if the sweep cannot be read or the page cannot be written.
pub fn write(dir: &SweepDir, all: bool) -> Result<Summary, Error> {
    let rows = rows::read(dir, all)?;
    atomic::write(&dir.page(), render(&rows)?.as_bytes())?;
    Ok(summarize(&rows))
}
