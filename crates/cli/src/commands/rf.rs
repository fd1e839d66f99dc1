//! `res2lab rf`: exact receptive fields of a network, of several along axes, or of the arms of a
//! sweep.

use crate::args::{Format, RfArgs};
use crate::{print, records};
use res2lab_error::{Error, Kind};
use res2lab_lab::rf::analysis::{Analysis, HEADERS, Seen, SplitRow, analyze, cells, sentences};
use res2lab_lab::{erf, named, report, rf};
use res2lab_store::Plan;
use res2lab_store::effective::Effective;
use serde::Serialize;

/// Prints them.
pub(crate) fn run(args: &RfArgs) -> Result<u8, Error> {
    if args.measure {
        return measure(args);
    }
    if args.distribution && args.output.format() != Format::Json {
        return Err(Error::input("--distribution is part of the JSON", "add --json"));
    }
    let options = args.options();
    let asked = rf::networks::networks(&options)?;
    let analyses: Vec<Analysis> =
        asked.iter().map(|asked| analyze(&options, asked)).collect::<Result<_, _>>()?;
    let format = args.output.format();
    match &analyses[..] {
        [one] if format == Format::Text => show(one, args),
        all if format == Format::Text => compare(all, args),
        [one] => records::print(format, one, &one.stages)?,
        all => records::print(format, &all, &all.iter().map(NamedSeen::of).collect::<Vec<_>>())?,
    }
    if format != Format::Text && args.page.is_none() {
        return Ok(0);
    }
    match rf::page::write(&options, &asked, &analyses) {
        Ok(path) if args.output.is_text() => print::line(&format!("page: {}", path.display())),
        Ok(_) => {}
        // Nobody asked for a page; what was asked for is printed.
        Err(e) if args.page.is_none() => {
            print::line(&format!("note: there is no page: {}", e.cause))
        }
        Err(e) => return Err(e),
    }
    Ok(0)
}

/// A network's name with what its last stage sees: a row for other programs.
#[derive(Serialize)]
struct NamedSeen<'a> {
    network: &'a str,
    #[serde(flatten)]
    seen: &'a Seen,
}

impl NamedSeen<'_> {
    fn of(analysis: &Analysis) -> NamedSeen<'_> {
        NamedSeen { network: &analysis.name, seen: &analysis.seen }
    }
}

/// Measures a sweep's trained networks, and rebuilds its report with what was found.
fn measure(args: &RfArgs) -> Result<u8, Error> {
    let [name] = &args.words[..] else {
        return Err(Error::input(
            "--measure wants the name of one sweep",
            "e.g. just rf quickstart --measure",
        ));
    };
    if args.how.images == 0 || args.how.images > 100_000 {
        return Err(Error::input(
            format!("--images {} is impossible", args.how.images),
            "give at least 1",
        ));
    }
    let dir = named::sweep(&args.folders.reports, name)?;
    let plan = Plan::read(&dir).map_err(|e| e.of_kind(Kind::Input))?;
    tch::set_num_threads(res2lab_sweep::slots::available_cores().len() as i32);
    let found = erf::measure(&dir, &plan, &args.how.options()?, &args.folders.data)?;
    res2lab_store::effective::write(&dir, &found)?;
    report::rebuild(&dir, false)?;
    if !args.output.is_text() {
        records::print(args.output.format(), &found, &found.arms)?;
        return Ok(0);
    }
    show_measured(&found);
    print::line(&format!("report: {}", dir.page().display()));
    Ok(0)
}

/// A line for each stage of each arm.
fn show_measured(found: &Effective) {
    let headers = [
        "arm",
        "node",
        "exact max px",
        "sigma init px",
        "sigma trained px",
        "2 sigma size px",
        "50 % area",
        "cut off",
    ];
    let mut rows = Vec::new();
    for arm in &found.arms {
        let [init, trained] = &arm.states[..] else { continue };
        for (before, after) in init.nodes.iter().zip(&trained.nodes) {
            rows.push(vec![
                arm.label.clone(),
                after.node.clone(),
                after.rf_max_px.to_string(),
                format!("{:.1}", before.sigma_px()),
                format!("{:.1}", after.sigma_px()),
                format!("{:.1}", after.size_px),
                format!("{:.1} %", 100.0 * after.area_ratios[2]),
                if after.is_saturated { "yes".into() } else { String::new() },
            ]);
        }
    }
    print::table(&headers, 2, rows);
}

fn show(analysis: &Analysis, args: &RfArgs) {
    print::line(&format!("{}, images of {1} x {1} px", analysis.name, analysis.image_px));
    let headers: Vec<&str> = std::iter::once("stage").chain(HEADERS).collect();
    let row = |seen: &Seen| std::iter::once(seen.node.clone()).chain(cells(seen)).collect();
    let asked = args.at.is_some().then_some(&analysis.seen);
    fields(&headers, analysis.stages.iter().chain(asked).map(row).collect());
    if args.splits {
        let row = |s: &SplitRow| {
            vec![
                s.block.clone(),
                s.split.to_string(),
                s.rf_min_px.to_string(),
                s.rf_max_px.to_string(),
            ]
        };
        print::table(
            &["block", "split", "min px", "max px"],
            1,
            analysis.splits.iter().map(row).collect(),
        );
    }
    notes(std::slice::from_ref(analysis), args);
}

fn compare(all: &[Analysis], args: &RfArgs) {
    let headers: Vec<&str> = std::iter::once("network").chain(HEADERS).collect();
    let row = |a: &Analysis| std::iter::once(a.name.clone()).chain(cells(&a.seen)).collect();
    fields(&headers, all.iter().map(row).collect());
    notes(all, args);
}

/// A table of receptive fields; numbers of paths are the first to go.
fn fields(headers: &[&str], rows: Vec<Vec<String>>) {
    let spare = &["paths", "sizes", "5–95 %", "ERF sigma"];
    print::table_of(&print::Table { headers, left: 1, rows, spare, best: None });
}

fn notes(all: &[Analysis], args: &RfArgs) {
    sentences(all, &args.options()).iter().for_each(|sentence| print::line(sentence));
}
