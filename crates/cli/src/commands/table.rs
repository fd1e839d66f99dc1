//! `res2lab table`: chosen rows and columns of a sweep's tables, for people and for other programs.

use crate::args::{Format, TableArgs};
use crate::commands::arm_columns;
use crate::select::{Rows, text};
use crate::{print, records};
use res2lab_error::{Error, Kind};
use res2lab_lab::named;
use res2lab_report::axis;
use res2lab_store::tables::{AxisColumn, Plain};
use res2lab_store::{Plan, SweepRows, rows, tables};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What is shown of the trials if nothing else is asked for; final metrics follow.
const OF_TRIALS: [&str; 6] = ["seed", "status", "parameters", "macs", "rf_max_px", "wall_s"];
const OF_ARMS: [&str; 11] = [
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

/// With more axes than this, a terminal has more room for the arms' names.
const MOST_AXES: usize = 4;

/// Prints them.
pub(crate) fn run(args: &TableArgs) -> Result<u8, Error> {
    let dir = named::sweep(&args.folders.reports, &args.name)?;
    Plan::read(&dir).map_err(|e| e.of_kind(Kind::Input))?;
    let sweep = rows::read(&dir, args.all)?;
    let (plain, shown) = source(args, &sweep);
    if args.describe {
        describe(&plain, args)?;
        return Ok(0);
    }
    let mut table = Rows {
        columns: plain.columns.into_iter().map(|(name, _)| name).collect(),
        rows: plain.rows,
    };
    let remark = table.keep(&args.conditions)?;
    if args.arms && args.columns.is_none() && args.output.format() == Format::Latex {
        print::raw(paper(&sweep, &table).trim_end());
        return Ok(0);
    }
    if let Some(column) = &args.sort {
        table.sort(column)?;
    }
    match args.columns.as_deref() {
        Some("all") => {}
        Some(names) => table.choose(&names.split(',').map(str::trim).collect::<Vec<_>>())?,
        None => table.choose(&shown.iter().map(String::as_str).collect::<Vec<_>>())?,
    }
    records::rows(&table, args.output.format())?;
    match remark {
        Some(remark) if args.output.is_text() => print::line(&remark),
        // Other programs read what is on standard output.
        Some(remark) => print::told(&format!("note: {remark}")),
        None => {}
    }
    Ok(0)
}

/// The arms that are left as a table for a paper.
fn paper(sweep: &SweepRows, table: &Rows) -> String {
    let at = table.columns.iter().position(|name| name == "arm");
    let kept: Vec<&str> =
        table.rows.iter().filter_map(|row| row[at.unwrap_or_default()].as_str()).collect();
    let study = res2lab_report::Study::of(sweep);
    res2lab_report::paper::latex(&study, |arm| kept.contains(&arm.id))
}

/// The table that is asked for, and the columns shown of it.
fn source(args: &TableArgs, sweep: &SweepRows) -> (Plain, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let axes = axis::columns(sweep);
    if args.arms {
        let shown = [shown_names(args, &axes), owned(&OF_ARMS)].concat();
        return (arms(sweep, &axes), shown);
    }
    if args.curves {
        let plain = tables::plain_metrics(sweep, &axes);
        let all = plain.columns.iter().map(|(name, _)| name.clone()).collect();
        return (plain, all);
    }
    let plain = tables::plain_trials(sweep, &axes);
    let is_axis = |name: &String| axes.iter().any(|axis| axis.name == *name);
    let known: Vec<&str> = tables::TRIAL_COLUMNS.iter().map(|(name, ..)| *name).collect();
    let metrics = plain
        .columns
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| !known.contains(&name.as_str()) && !is_axis(name));
    let shown = shown_names(args, &axes).into_iter().chain(owned(&OF_TRIALS[..2]));
    let shown = shown.chain(metrics).chain(owned(&OF_TRIALS[2..])).collect();
    (plain, shown)
}

/// The columns that name an arm: its values on the axes. Without axes, and in files for other
/// programs, also its label.
fn shown_names(args: &TableArgs, axes: &[AxisColumn]) -> Vec<String> {
    let is_file = matches!(args.output.format(), Format::Csv | Format::Json);
    let is_told_by_axes = |row: usize| axes.iter().all(|axis| axis.values[row].is_some());
    let trials = axes.first().map_or(0, |axis| axis.values.len());
    let is_enough = trials > 0 && (0..trials).all(is_told_by_axes) && axes.len() <= MOST_AXES;
    let label = (is_file || !is_enough).then(|| "label".to_owned());
    let names = axes.iter().map(|axis| axis.name.clone()).filter(|_| is_file || is_enough);
    label.into_iter().chain(names).collect()
}

/// The arms as the report's summary has them.
fn arms(sweep: &SweepRows, axes: &[AxisColumn]) -> Plain {
    let objects: Vec<Map<String, Value>> = res2lab_report::summarize(sweep)
        .arms
        .iter()
        .filter_map(|arm| serde_json::to_value(arm).ok()?.as_object().cloned())
        .collect();
    let names: Vec<String> =
        objects.first().map(|arm| arm.keys().cloned().collect()).unwrap_or_default();
    let rows =
        objects.iter().map(|arm| names.iter().map(|name| arm[name].clone()).collect()).collect();
    let without = || ["label"].into_iter().chain(OF_ARMS).map(str::to_owned).collect();
    let names = if names.is_empty() { without() } else { names };
    let with_meaning = |name: String| {
        let meaning = arm_columns::meaning(&name).to_owned();
        (name, meaning)
    };
    let mut plain = Plain { columns: names.into_iter().map(with_meaning).collect(), rows };
    add_axes(&mut plain, sweep, axes);
    plain
}

/// Adds the axes to the table of arms.
fn add_axes(plain: &mut Plain, sweep: &SweepRows, axes: &[AxisColumn]) {
    let at = plain.columns.iter().position(|(name, _)| name == "arm").unwrap_or_default();
    let arms = sweep.trials.iter().map(|trial| trial.planned.arm.as_str());
    let first: HashMap<&str, usize> =
        arms.enumerate().map(|(i, arm)| (arm, i)).collect::<Vec<_>>().into_iter().rev().collect();
    for axis in axes {
        let values = axis.json();
        for row in &mut plain.rows {
            let trial = row[at].as_str().and_then(|arm| first.get(arm));
            row.push(trial.map_or(Value::Null, |&i| values[i].clone()));
        }
        plain.columns.push((axis.name.clone(), AxisColumn::MEANING.to_owned()));
    }
}

fn describe(table: &Plain, args: &TableArgs) -> Result<(), Error> {
    let rows = table
        .columns
        .iter()
        .map(|(name, meaning)| vec![Value::from(name.clone()), Value::from(meaning.clone())]);
    let columns = ["column", "meaning"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<Value>> = rows.collect();
    if !args.output.is_text() {
        return records::rows(&Rows { columns, rows }, args.output.format());
    }
    let entries: Vec<[String; 2]> = rows.iter().map(|row| [text(&row[0]), text(&row[1])]).collect();
    print::entries(["column", "meaning"], &entries);
    Ok(())
}
