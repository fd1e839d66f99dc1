//! `res2lab report`: the page and the tables of a sweep, rebuilt from its files; or one page of
//! several sweeps.

use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::{named, print, watch};
use res2lab_report::{Study, Summary, changes};
use res2lab_store::{Plan, SweepDir, SweepRows, atomic, history, rows, tables};
use res2lab_train::environment::now_s;
use std::path::PathBuf;

/// Rebuilds and prints the arms.
pub(crate) fn run(args: &ReportArgs) -> Result<u8, Failure> {
    let reports = &args.folders.reports;
    let dirs: Vec<SweepDir> =
        args.names.iter().map(|name| named::sweep(reports, name)).collect::<Result<_, _>>()?;
    for dir in &dirs {
        Plan::read(dir).map_err(|e| Failure::input(e.cause, e.help))?;
    }
    if args.watch {
        return watch::serve(&dirs, args);
    }
    let (summary, page) = match &dirs[..] {
        [dir] if args.output.is_none() => (write(dir, &read(&dirs, args)?)?, dir.page()),
        _ => several(&dirs, args)?,
    };
    if args.json {
        print::json(&summary);
    } else {
        show(&summary);
        print::line(&format!("report: {}", page.display()));
    }
    Ok(0)
}

/// Writes the tables and the page from what is on the disk. Tables first: a page that cannot be
/// drawn must not cost them.
pub(crate) fn rebuild(dir: &SweepDir, all: bool) -> Result<Summary, Failure> {
    write(dir, &rows::read(dir, all)?)
}

/// The same at a command's end: what it has found is noted, so that a later one can say what has
/// changed.
pub(crate) fn conclude(dir: &SweepDir) -> Result<Summary, Failure> {
    let rows = rows::read(dir, false)?;
    let summary = write(dir, &rows)?;
    history::append(dir, &changes::found(&Study::of(&rows), now_s()))?;
    Ok(summary)
}

fn write(dir: &SweepDir, rows: &SweepRows) -> Result<Summary, Failure> {
    tables::write(dir, rows)?;
    atomic::write(&dir.page(), res2lab_report::render(rows)?.as_bytes())?;
    Ok(res2lab_report::summarize(rows))
}

/// The rows of one sweep, or of several under one plan, with what the command asks.
pub(crate) fn read(dirs: &[SweepDir], args: &ReportArgs) -> Result<SweepRows, Failure> {
    let mut rows = together(dirs, args.all)?;
    // Rows have their trials beside the plan.
    rows.plan.trials = rows.trials.iter().map(|t| t.planned.clone()).collect();
    args.ask.put_into(&mut rows.plan)?;
    rows.plan.trials.clear();
    Ok(rows)
}

fn together(dirs: &[SweepDir], all: bool) -> Result<SweepRows, Failure> {
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

fn several(dirs: &[SweepDir], args: &ReportArgs) -> Result<(Summary, PathBuf), Failure> {
    let rows = read(dirs, args)?;
    let mut name = dirs.iter().map(folder).collect::<Vec<_>>().join("+");
    // File systems take 255 bytes.
    if name.len() > 200 {
        name = format!("{}+{}-more", folder(&dirs[0]), dirs.len() - 1);
    }
    name += ".html";
    let page = args.output.clone().unwrap_or_else(|| args.folders.reports.join(name));
    atomic::write(&page, res2lab_report::render(&rows)?.as_bytes())?;
    Ok((res2lab_report::summarize(&rows), page))
}

fn folder(dir: &SweepDir) -> String {
    dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One line per arm, then what may be said.
pub(crate) fn show(summary: &Summary) {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
    };
    let rows = summary.arms.iter().map(|arm| {
        vec![
            print::shortened(&arm.label),
            number(arm.mean, 2),
            number(arm.std, 2),
            arm.n.to_string(),
            print::short(arm.parameters),
            print::short(arm.macs),
            arm.rf_max_px.to_string(),
        ]
    });
    let headers =
        ["arm", "accuracy %", "std", "n", "parameters", "multiply-adds", "receptive field"];
    print::table(&headers, 1, rows.collect());
    // What is wrong with the sweep comes before what it shows.
    summary.banner.iter().for_each(|sentence| print::line(&format!("! {sentence}")));
    summary.verdict.iter().chain(&summary.cautions).for_each(|sentence| print::line(sentence));
}
