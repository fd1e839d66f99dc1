//! `res2lab report`: the page and the tables of a sweep, rebuilt from its files; or one page of
//! several sweeps.

use crate::args::ReportArgs;
use crate::{print, watch};
use res2lab_error::{Error, Kind};
use res2lab_lab::{named, report};
use res2lab_report::Summary;
use res2lab_store::{Plan, SweepDir};

/// Rebuilds and prints the arms.
pub(crate) fn run(args: &ReportArgs) -> Result<u8, Error> {
    let options = args.options();
    let reports = &args.folders.reports;
    let dirs: Vec<SweepDir> =
        args.names.iter().map(|name| named::sweep(reports, name)).collect::<Result<_, _>>()?;
    for dir in &dirs {
        Plan::read(dir).map_err(|e| e.of_kind(Kind::Input))?;
    }
    if args.watch {
        return watch::serve(&dirs, &options, args.port);
    }
    let (summary, page) = match &dirs[..] {
        [dir] if args.output.is_none() => {
            (report::write(dir, &report::read(&dirs, &options)?)?, dir.page())
        }
        _ => report::several(&dirs, &options)?,
    };
    if args.json {
        print::json(&summary);
    } else {
        show(&summary);
        print::line(&format!("report: {}", page.display()));
    }
    Ok(0)
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
