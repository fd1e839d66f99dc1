//! The report of a sweep: its tables and its page, from the files in its folder; or one page of
//! several sweeps.

use crate::options::{Folders, Question};
use res2lab_error::Error;
use res2lab_report::{Study, Summary, axis, changes};
use res2lab_store::{SweepDir, SweepRows, atomic, history, rows, tables};
use res2lab_train::environment::now_s;
use std::path::PathBuf;

/// What a page of results shows.
#[derive(Clone, Debug, Default)]
pub struct ReportOptions {
    /// Where a page of several sweeps goes; under the folder of reports if none.
    pub output: Option<PathBuf>,
    /// Whether trials of earlier commands on the sweep are shown too.
    pub all: bool,
    pub question: Question,
    pub folders: Folders,
}

/// Writes the tables and the page from what is on the disk. Tables first: a page that cannot be
/// drawn must not cost them.
pub fn rebuild(dir: &SweepDir, all: bool) -> Result<Summary, Error> {
    write(dir, &rows::read(dir, all)?)
}

/// The same at a command's end: what it has found is noted, so that a later one can say what has
/// changed.
pub fn conclude(dir: &SweepDir) -> Result<Summary, Error> {
    let rows = rows::read(dir, false)?;
    let summary = write(dir, &rows)?;
    history::append(dir, &changes::found(&Study::of(&rows), now_s()))?;
    Ok(summary)
}

pub fn write(dir: &SweepDir, rows: &SweepRows) -> Result<Summary, Error> {
    tables::write(dir, rows, &axis::columns(rows))?;
    atomic::write(&dir.page(), res2lab_report::render(rows)?.as_bytes())?;
    Ok(res2lab_report::summarize(rows))
}

/// The rows of one sweep, or of several under one plan, with what the command asks.
pub fn read(dirs: &[SweepDir], options: &ReportOptions) -> Result<SweepRows, Error> {
    let mut rows = together(dirs, options.all)?;
    // Rows have their trials beside the plan.
    rows.plan.trials = rows.trials.iter().map(|t| t.planned.clone()).collect();
    options.question.put_into(&mut rows.plan)?;
    rows.plan.trials.clear();
    Ok(rows)
}

fn together(dirs: &[SweepDir], all: bool) -> Result<SweepRows, Error> {
    let mut sweeps = dirs.iter().map(|dir| rows::read(dir, all)).collect::<Result<Vec<_>, _>>()?;
    if sweeps.len() == 1 {
        return Ok(sweeps.remove(0));
    }
    // Two folders may hold sweeps of one name; the folder's is what the user typed.
    for (rows, dir) in sweeps.iter_mut().zip(dirs) {
        rows.plan.name = folder(dir);
    }
    Ok(res2lab_report::together(sweeps))
}

/// One page of several sweeps, with its path.
pub fn several(dirs: &[SweepDir], options: &ReportOptions) -> Result<(Summary, PathBuf), Error> {
    let rows = read(dirs, options)?;
    let mut name = dirs.iter().map(folder).collect::<Vec<_>>().join("+");
    // File systems take 255 bytes.
    if name.len() > 200 {
        name = format!("{}+{}-more", folder(&dirs[0]), dirs.len() - 1);
    }
    name += ".html";
    let page = options.output.clone().unwrap_or_else(|| options.folders.reports.join(name));
    atomic::write(&page, res2lab_report::render(&rows)?.as_bytes())?;
    Ok((res2lab_report::summarize(&rows), page))
}

fn folder(dir: &SweepDir) -> String {
    dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}
