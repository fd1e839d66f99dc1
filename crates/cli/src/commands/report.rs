//! `res2lab report`: the page and the tables of a sweep, rebuilt from its files.

use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::print;
use report::Summary;
use store::{Plan, SweepDir, atomic, rows, tables};

/// Rebuilds and prints the arms.
pub fn run(args: &ReportArgs) -> Result<u8, Failure> {
    let dir = SweepDir::new(args.folders.reports.join(&args.name));
    Plan::read(&dir).map_err(|e| Failure::input(e.cause, e.help))?;
    let summary = rebuild(&dir, args.all)?;
    if args.json {
        print::json(&summary);
    } else {
        show(&summary);
        print::line(&format!("report: {}", dir.page().display()));
    }
    Ok(0)
}

/// Writes the tables and the page from what is on the disk. Tables first: a page that cannot be drawn must not cost them.
pub fn rebuild(dir: &SweepDir, all: bool) -> Result<Summary, Failure> {
    let rows = rows::read(dir, all)?;
    tables::write(dir, &rows)?;
    atomic::write(&dir.page(), report::render(&rows)?.as_bytes())?;
    Ok(report::summarise(&rows))
}

/// One line per arm, then what may be said.
pub fn show(summary: &Summary) {
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"));
    let rows = summary.arms.iter().map(|arm| {
        vec![
            arm.label.clone(),
            number(arm.mean, 2),
            number(arm.std, 2),
            arm.n.to_string(),
            print::short(arm.parameters),
            print::short(arm.macs),
            arm.rf_max_px.to_string(),
        ]
    });
    let headers = ["arm", "accuracy %", "std", "n", "parameters", "multiply-adds", "receptive field"];
    print::table(&headers, 1, rows.collect());
    summary.verdict.iter().chain(&summary.cautions).for_each(|sentence| print::line(sentence));
}
