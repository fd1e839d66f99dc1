//! `res2lab table`: chosen rows and columns of a sweep's tables, for people and for other programs.

use crate::args::{Format, TableArgs};
use crate::commands::arm_columns;
use crate::select::{Rows, text};
use crate::{print, records};
use res2lab_error::{Error, Kind};
use res2lab_lab::named;
use res2lab_report::axis::{self, Axis};
use res2lab_store::tables::Plain;
use res2lab_store::{Plan, SweepRows, TrialRow, rows, tables};
use serde_json::{Map, Value};
use std::collections::HashMap;

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
    if args.arms {
        return (arms(sweep), owned(&OF_ARMS));
    }
    if args.curves {
        let plain = tables::plain_metrics(sweep);
        let all = plain.columns.iter().map(|(name, _)| name.clone()).collect();
        return (plain, all);
    }
    let mut plain = tables::plain_trials(sweep);
    with_axes(&mut plain, sweep, "id", |trial| &trial.planned.id);
    let axes = Axis::all(sweep);
    let is_axis = |name: &String| axes.iter().any(|axis| axis.label == *name);
    let known: Vec<&str> = tables::TRIAL_COLUMNS.iter().map(|(name, ..)| *name).collect();
    let metrics = plain
        .columns
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| !known.contains(&name.as_str()) && !is_axis(name));
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
    let with_meaning = |name: String| {
        let meaning = arm_columns::meaning(&name).to_owned();
        (name, meaning)
    };
    let mut plain = Plain { columns: names.into_iter().map(with_meaning).collect(), rows };
    with_axes(&mut plain, sweep, "arm", |trial| &trial.planned.arm);
    plain
}

/// Adds a column for each axis of the sweep that the table lacks. The column `key` says which trial
/// a row is of.
fn with_axes(plain: &mut Plain, sweep: &SweepRows, key: &str, of: fn(&TrialRow) -> &String) {
    let at = plain.columns.iter().position(|(name, _)| name == key).unwrap_or_default();
    let trials: HashMap<&str, &TrialRow> =
        sweep.trials.iter().map(|trial| (of(trial).as_str(), trial)).collect();
    for axis in Axis::all(sweep) {
        if plain.columns.iter().any(|(name, _)| *name == axis.label) {
            continue;
        }
        for row in &mut plain.rows {
            let trial = row[at].as_str().and_then(|key| trials.get(key));
            let places = trial.map(|t| axis::places(&t.planned, std::slice::from_ref(&axis)));
            let value = places.and_then(|places| places.first()?.first()?.clone());
            row.push(value.map_or(Value::Null, typed));
        }
        plain.columns.push((axis.label.clone(), "an axis of the sweep".to_owned()));
    }
}

/// A number where the text is one.
fn typed(text: String) -> Value {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            text.parse::<i64>().map_or_else(|_| Value::from(number), Value::from)
        }
        _ => Value::from(text),
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
