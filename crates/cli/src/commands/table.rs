//! `res2lab table`: chosen rows and columns of a sweep's tables, for people and for other programs.

use crate::args::{Format, TableArgs};
use crate::failure::Failure;
use crate::select::{Rows, text};
use crate::{named, print};
use res2lab_report::text_table;
use res2lab_store::tables::{Plain, csv_text};
use res2lab_store::{Plan, SweepRows, rows, tables};
use serde_json::{Map, Value};

/// What is shown of the trials if nothing else is asked for; final metrics follow.
const OF_TRIALS: [&str; 7] =
    ["label", "seed", "status", "parameters", "macs", "rf_max_px", "wall_s"];
const OF_ARMS: [&str; 12] = [
    "label",
    "mean",
    "std",
    "n",
    "difference",
    "difference_low",
    "difference_high",
    "p_holm",
    "verdict",
    "parameters",
    "macs",
    "rf_max_px",
];

/// Prints them.
pub(crate) fn run(args: &TableArgs) -> Result<u8, Failure> {
    let dir = named::sweep(&args.folders.reports, &args.name)?;
    Plan::read(&dir).map_err(|e| Failure::input(e.cause, e.help))?;
    let sweep = rows::read(&dir, args.all)?;
    let (plain, shown) = source(args, &sweep);
    if args.describe {
        describe(&plain);
        return Ok(0);
    }
    let mut table = Rows {
        columns: plain.columns.into_iter().map(|(name, _)| name).collect(),
        rows: plain.rows,
    };
    let remark = table.keep(&args.conditions)?;
    if let Some(column) = &args.sort {
        table.sort(column)?;
    }
    match args.columns.as_deref() {
        Some("all") => {}
        Some(names) => table.choose(&names.split(',').map(str::trim).collect::<Vec<_>>())?,
        None => table.choose(&shown.iter().map(String::as_str).collect::<Vec<_>>())?,
    }
    print(&table, args.format)?;
    match remark {
        Some(remark) if args.format == Format::Text => print::line(&remark),
        // Other programs read what is on standard output.
        Some(remark) => print::told(&format!("note: {remark}")),
        None => {}
    }
    Ok(0)
}

/// The table that is asked for, and the columns shown of it.
fn source(args: &TableArgs, sweep: &SweepRows) -> (Plain, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    if args.arms {
        return (arms(sweep), owned(&OF_ARMS));
    }
    if args.curves {
        let plain = tables::plain_metrics(sweep);
        let all = plain.columns.iter().map(|(name, _)| name.clone()).collect();
        return (plain, all);
    }
    let plain = tables::plain_trials(sweep);
    let known: Vec<&str> = tables::TRIAL_COLUMNS.iter().map(|(name, ..)| *name).collect();
    let metrics = plain
        .columns
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| !known.contains(&name.as_str()));
    let shown =
        owned(&OF_TRIALS[..3]).into_iter().chain(metrics).chain(owned(&OF_TRIALS[3..])).collect();
    (plain, shown)
}

/// The arms as the report's summary has them.
fn arms(sweep: &SweepRows) -> Plain {
    let objects: Vec<Map<String, Value>> = res2lab_report::summarize(sweep)
        .arms
        .iter()
        .filter_map(|arm| serde_json::to_value(arm).ok()?.as_object().cloned())
        .collect();
    let names: Vec<String> =
        objects.first().map(|arm| arm.keys().cloned().collect()).unwrap_or_default();
    let rows =
        objects.iter().map(|arm| names.iter().map(|name| arm[name].clone()).collect()).collect();
    let names = if names.is_empty() { OF_ARMS.map(str::to_owned).to_vec() } else { names };
    Plain { columns: names.into_iter().map(|name| (name, String::new())).collect(), rows }
}

fn describe(table: &Plain) {
    let rows = table.columns.iter().map(|(name, meaning)| vec![name.clone(), meaning.clone()]);
    print::table(&["column", "meaning"], 2, rows.collect());
}

fn print(table: &Rows, format: Format) -> Result<(), Failure> {
    let exact = || table.rows.iter().map(|row| row.iter().map(text).collect::<Vec<String>>());
    let rounded = || {
        table.rows.iter().map(|row| row.iter().map(short).collect()).collect::<Vec<Vec<String>>>()
    };
    let is_text = |i: usize| table.rows.iter().any(|row| row[i].is_string() && row[i] != "NaN");
    let left = (0..table.columns.len()).take_while(|&i| is_text(i)).count().max(1);
    match format {
        Format::Text => {
            let headers: Vec<&str> = table.columns.iter().map(String::as_str).collect();
            let cells = rounded()
                .into_iter()
                .map(|row| row.iter().map(|cell| print::shortened(cell)).collect());
            print::table(&headers, left, cells.collect());
        }
        Format::Md => {
            print::line(text_table::markdown(&table.columns, &rounded(), left).trim_end())
        }
        Format::Latex => {
            print::line(text_table::latex(&table.columns, &rounded(), left).trim_end())
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let written = writer.write_record(&table.columns);
            let plain = |row: Vec<String>| {
                row.into_iter().map(|cell| csv_text(&cell).into_owned()).collect::<Vec<_>>()
            };
            let written =
                written.and_then(|()| exact().try_for_each(|row| writer.write_record(plain(row))));
            written
                .map_err(|e| Failure::machine(format!("cannot write CSV: {e}"), "report this"))?;
            let bytes = writer.into_inner().unwrap_or_default();
            print::line(String::from_utf8_lossy(&bytes).trim_end());
        }
        Format::Json => {
            let object = |row: &Vec<Value>| -> Map<String, Value> {
                table.columns.iter().cloned().zip(row.iter().cloned()).collect()
            };
            print::json(&table.rows.iter().map(object).collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// A value for reading: at most four decimals, small numbers with two digits.
fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if value.is_f64() && x != 0.0 && x.abs() < 1e-3 => format!("{x:.1e}"),
        Some(x) if value.is_f64() => {
            format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text(value),
    }
}
