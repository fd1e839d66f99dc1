//! `res2lab report`: the page and the tables of a sweep, rebuilt from its files; or one page of
//! several sweeps.

use crate::args::{ReportArgs, RowArgs};
use crate::screen::{self, Stream};
use crate::{print, records, watch};
use res2lab_error::{Error, Kind};
use res2lab_lab::{named, report};
use res2lab_report::{ArmSummary, Summary};
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
        [dir] if args.page.is_none() => {
            (report::write(dir, &report::read(&dirs, &options)?)?, dir.page())
        }
        _ => report::several(&dirs, &options)?,
    };
    if !args.output.is_text() {
        records::print(args.output.format(), &summary, &summary.arms)?;
    } else {
        show(&summary, args.rows);
        print::line(&format!("report: {}", page.display()));
    }
    Ok(0)
}

/// One line per arm, then what may be said.
pub(crate) fn show(summary: &Summary, rows: RowArgs) {
    let most = rows.most(summary.arms.len(), screen::width(Stream::Out).is_some());
    let ranking = ranking(summary);
    let chosen = match most {
        Some(most) => top(summary, &ranking, most),
        None => (0..summary.arms.len()).collect(),
    };
    let best = ranking.first().filter(|_| summary.arms.len() > 1);
    let headers =
        ["arm", "accuracy %", "std", "n", "parameters", "multiply-adds", "receptive field"];
    print::table_of(&print::Table {
        headers: &headers,
        left: 1,
        rows: chosen.iter().map(|&i| cells(&summary.arms[i])).collect(),
        spare: &[],
        best: chosen.iter().position(|i| Some(i) == best),
    });
    if let Some(most) = most {
        let all = summary.arms.len();
        let baseline = if chosen.len() > most { " and the baseline" } else { "" };
        print::line(&format!(
            "the best {most} of {all} arms{baseline}; --rows all prints every arm"
        ));
    }
    // What is wrong with the sweep comes before what it shows.
    summary.banner.iter().for_each(|sentence| print::line(&format!("! {sentence}")));
    summary.verdict.iter().chain(&summary.cautions).for_each(|sentence| print::line(sentence));
}

fn cells(arm: &ArmSummary) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
    vec![
        print::shortened(&arm.label),
        number(arm.mean),
        number(arm.std),
        arm.n.to_string(),
        print::short(arm.parameters),
        print::short(arm.macs),
        arm.rf_max_px.to_string(),
    ]
}

/// Places of the arms that have a mean, from the best.
fn ranking(summary: &Summary) -> Vec<usize> {
    let sign = if summary.higher_is_better { -1.0 } else { 1.0 };
    let mut places: Vec<(usize, f64)> = summary
        .arms
        .iter()
        .enumerate()
        .filter_map(|(i, arm)| Some((i, sign * arm.mean.filter(|mean| mean.is_finite())?)))
        .collect();
    places.sort_by(|a, b| a.1.total_cmp(&b.1));
    places.into_iter().map(|(i, _)| i).collect()
}

/// The best arms, and the baseline below them where it is not one of them. Arms without a result
/// come last.
fn top(summary: &Summary, ranking: &[usize], most: usize) -> Vec<usize> {
    let others = (0..summary.arms.len()).filter(|i| !ranking.contains(i));
    let mut chosen: Vec<usize> = ranking.iter().copied().chain(others).take(most).collect();
    let is_baseline = |arm: &ArmSummary| Some(&arm.label) == summary.baseline.as_ref();
    chosen.extend(summary.arms.iter().position(is_baseline).filter(|i| !chosen.contains(i)));
    chosen
}
