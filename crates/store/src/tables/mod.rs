//! The rows of a sweep as tables: trials.parquet and trials.csv, a line per trial; metrics.parquet, a line per logged
//! value. Written from the per-trial files at any time, whole or not at all.
//!
//! To add a column to the trials, give it a line in [`columns`].

mod columns;
mod frame;

pub use columns::TRIAL_COLUMNS;

use crate::{StoreError, SweepDir, SweepRows, TrialRow, atomic};
use columns::Cell;
use frame::Table;
use std::collections::BTreeSet;

/// Writes the three files.
pub fn write(dir: &SweepDir, rows: &SweepRows) -> Result<(), StoreError> {
    let trials = trials(&rows.trials);
    frame::write_parquet(&dir.trials_parquet(), &trials, &documentation(&trials))?;
    atomic::write(&dir.trials_csv(), &frame::to_csv(&trials).map_err(|e| StoreError::damaged(&dir.trials_csv(), e))?)?;
    frame::write_parquet(&dir.metrics_parquet(), &metrics(&rows.trials), METRIC_COLUMNS)
}

/// A line per trial: the fixed columns, and one per final metric.
fn trials(rows: &[TrialRow]) -> Table {
    let mut table = Table::default();
    for (name, _, cell) in TRIAL_COLUMNS {
        table.push(name, rows.iter().map(cell).collect());
    }
    let names: BTreeSet<&String> =
        rows.iter().filter_map(|r| r.result.as_ref()).flat_map(|r| r.metrics.keys()).collect();
    for name in names {
        let value = |row: &TrialRow| match row.result.as_ref().and_then(|r| r.metrics.get(name)) {
            Some(&value) => Cell::Number(value),
            None => Cell::Missing,
        };
        table.push(&snake_case(name), rows.iter().map(value).collect());
    }
    table
}

const METRIC_COLUMNS: &[(&str, &str)] = &[
    ("id", "trial"),
    ("arm", "shared by the seeds of one arm"),
    ("seed", "seed of the trial"),
    ("step", "optimizer steps made"),
    ("epoch", "passes over the training images, fractional within one"),
    ("metric", "slash path, e.g. val/acc1"),
    ("value", "accuracies in percent"),
];

/// A line per logged value.
fn metrics(rows: &[TrialRow]) -> Table {
    let values = || {
        rows.iter().flat_map(|row| {
            row.curve
                .iter()
                .flat_map(move |point| point.values.iter().map(move |(name, value)| (row, point, name, *value)))
        })
    };
    let mut table = Table::default();
    table.push("id", values().map(|(row, ..)| Cell::Text(row.planned.id.clone())).collect());
    table.push("arm", values().map(|(row, ..)| Cell::Text(row.planned.arm.clone())).collect());
    table.push("seed", values().map(|(row, ..)| Cell::Count(row.planned.spec.seed)).collect());
    table.push("step", values().map(|(_, point, ..)| Cell::Count(point.step)).collect());
    table.push("epoch", values().map(|(_, point, ..)| Cell::Number(point.epoch)).collect());
    table.push("metric", values().map(|(.., name, _)| Cell::Text(name.clone())).collect());
    table.push("value", values().map(|(.., value)| Cell::Number(value)).collect());
    table
}

/// What each column of the trials means; final metrics are those of the last evaluation.
fn documentation(table: &Table) -> Vec<(&str, &str)> {
    let known = |name: &str| TRIAL_COLUMNS.iter().find(|(n, ..)| *n == name).map(|(_, doc, _)| *doc);
    table
        .names()
        .map(|name| (name, known(name).unwrap_or("final value of the metric; accuracies in percent")))
        .collect()
}

/// `val/acc1` as a column's name.
fn snake_case(path: &str) -> String {
    path.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::row;
    use crate::{Outcome, Plan, Point, TrialResult};
    use polars::prelude::{ParquetReader, SerReader};
    use std::fs::File;

    fn rows() -> SweepRows {
        let mut done = row("done", 0);
        done.planned.label = "größer, \"zitiert\"\n".into();
        let metrics = [("val/acc1".to_owned(), 97.5), ("val/loss".to_owned(), f64::NAN)];
        done.result = Some(TrialResult { status: Outcome::Done, metrics: metrics.into(), ..TrialResult::default() });
        done.curve = vec![Point { step: 25, epoch: 0.2, values: [("train/loss".to_owned(), 2.0)].into() }];
        let plan = Plan { trials: vec![], ..Plan::default() };
        SweepRows { plan, trials: vec![done, row("pending", 1)], events: vec![] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        write(&dir, &rows()).unwrap();
        let read = |path| ParquetReader::new(File::open(path).unwrap()).finish().unwrap();

        let trials = read(dir.trials_parquet());
        assert_eq!(trials.height(), 2);
        let text = |name: &str, i: usize| trials.column(name).unwrap().get(i).unwrap().to_string();
        assert!(text("label", 0).contains("größer"));
        assert_eq!((text("val_acc1", 0), text("val_acc1", 1)), ("97.5".into(), "null".into()));
        assert_eq!((text("val_loss", 0), text("seed", 1)), ("NaN".into(), "1".into()));

        let metrics = read(dir.metrics_parquet());
        assert_eq!((metrics.height(), metrics.width()), (1, METRIC_COLUMNS.len()));

        let mut csv = csv::Reader::from_path(dir.trials_csv()).unwrap();
        let headers = csv.headers().unwrap().clone();
        let records: Vec<_> = csv.records().collect::<Result<_, _>>().unwrap();
        let cell = |row: usize, name: &str| {
            records[row].get(headers.iter().position(|h| h == name).unwrap()).unwrap().to_owned()
        };
        assert_eq!((cell(0, "label"), cell(1, "val_acc1")), ("größer, \"zitiert\"\n".into(), String::new()));
        assert_eq!(headers.len(), trials.width());
    }

    #[test]
    fn a_sweep_without_trials_has_empty_tables() {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        write(&dir, &SweepRows { plan: Plan::default(), trials: vec![], events: vec![] }).unwrap();
        assert!(dir.trials_parquet().exists());
    }
}
