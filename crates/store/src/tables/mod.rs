//! The rows of a sweep as files: trials.parquet and trials.csv with one row per trial, and
//! metrics.parquet with one row per logged value. They can be written at any time, each atomically.
//!
//! A new column of the trials needs one entry in [`columns`].

mod axis_column;
mod columns;
pub(crate) mod frame;

pub use axis_column::AxisColumn;
pub use columns::TRIAL_COLUMNS;
pub use frame::csv_text;

use crate::error;
use crate::{SweepDir, SweepRows, TrialRow, atomic};
use columns::Read;
use frame::{Table, Values};
use res2lab_error::Error;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Writes trials.parquet, trials.csv and metrics.parquet.
pub fn write(dir: &SweepDir, rows: &SweepRows, axes: &[AxisColumn]) -> Result<(), Error> {
    let trials = trials(&rows.trials, axes);
    atomic::write(
        &dir.trials_csv(),
        &frame::to_csv(&trials).map_err(|e| error::damaged(&dir.trials_csv(), e))?,
    )?;
    let meanings = documentation(&trials, axes);
    frame::write_parquet(&dir.trials_parquet(), [trials].into_iter(), &meanings)?;
    let meanings = documentation(&metrics(&[], 0, axes), axes);
    // A sweep has millions of values, so trials are converted to columns in chunks.
    let none = rows.trials.is_empty().then(|| metrics(&[], 0, axes));
    let chunks = rows.trials.chunks(TRIALS_AT_A_TIME).enumerate();
    let parts = chunks.map(|(i, chunk)| metrics(chunk, i * TRIALS_AT_A_TIME, axes)).chain(none);
    frame::write_parquet(&dir.metrics_parquet(), parts, &meanings)
}

/// A table as JSON values, for output without Parquet.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// Name and meaning.
    pub columns: Vec<(String, String)>,
    /// Each row has as many values as there are columns; a missing value is null.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// The content of trials.parquet.
pub fn plain_trials(rows: &SweepRows, axes: &[AxisColumn]) -> Plain {
    plain(&trials(&rows.trials, axes), axes)
}

/// The content of metrics.parquet.
pub fn plain_metrics(rows: &SweepRows, axes: &[AxisColumn]) -> Plain {
    plain(&metrics(&rows.trials, 0, axes), axes)
}

fn plain(table: &Table, axes: &[AxisColumn]) -> Plain {
    let columns =
        documentation(table, axes).into_iter().map(|(name, meaning)| (name, meaning.to_owned()));
    Plain { columns: columns.collect(), rows: frame::to_json(table) }
}

/// One row per trial: the fixed columns, one column per axis that is none of them, and one column
/// per final metric.
fn trials<'a>(rows: &'a [TrialRow], axes: &'a [AxisColumn]) -> Table<'a> {
    let mut table = Table::default();
    for (name, _, read) in TRIAL_COLUMNS {
        let values = match read {
            Read::Text(get) => {
                Values::Text(rows.iter().map(|row| get(row).map(Cow::Owned)).collect())
            }
            Read::Count(get) => Values::Count(rows.iter().map(get).collect()),
            Read::Real(get) => Values::Real(rows.iter().map(get).collect()),
            Read::Flag(get) => Values::Flag(rows.iter().map(get).collect()),
        };
        table.push(name, values);
    }
    let is_fixed = |name: &str| TRIAL_COLUMNS.iter().any(|(known, ..)| *known == name);
    for axis in axes.iter().filter(|axis| !is_fixed(&axis.name)) {
        table.push(&axis.name, axis.values_of(0..rows.len()));
    }
    let names: BTreeSet<&String> =
        rows.iter().filter_map(|r| r.result.as_ref()).flat_map(|r| r.metrics.keys()).collect();
    for name in names {
        let value = |row: &TrialRow| {
            row.result.as_ref().and_then(|result| result.metrics.get(name).copied())
        };
        table.push(&snake_case(name), Values::Real(rows.iter().map(value).collect()));
    }
    table
}

/// Name and meaning of the fixed columns of metrics.parquet. One column per axis follows them.
pub const METRIC_COLUMNS: &[(&str, &str)] = &[
    ("id", "trial"),
    ("arm", "shared by the seeds of one arm"),
    ("seed", "seed of the trial"),
    ("step", "optimizer steps made"),
    ("epoch", "passes over the training images, fractional within one"),
    ("metric", "slash path, e.g. val/acc1"),
    ("value", "accuracies in percent"),
];

/// Number of trials whose curves are converted to columns at a time.
const TRIALS_AT_A_TIME: usize = 500;

/// One row per logged value of `rows`, whose first one is the sweep's trial number `first`. Text is
/// borrowed until it is encoded as Parquet.
fn metrics<'a>(rows: &'a [TrialRow], first: usize, axes: &'a [AxisColumn]) -> Table<'a> {
    let mut trial = vec![];
    let mut id = vec![];
    let mut arm = vec![];
    let mut seed = vec![];
    let mut step = vec![];
    let mut epoch = vec![];
    let mut metric = vec![];
    let mut value = vec![];
    for (i, row) in rows.iter().enumerate() {
        for point in &row.curve {
            for (name, x) in point.values.iter() {
                trial.push(first + i);
                id.push(Some(Cow::from(&row.planned.id)));
                arm.push(Some(Cow::from(&row.planned.arm)));
                seed.push(Some(row.planned.spec.seed));
                step.push(Some(point.step));
                epoch.push(Some(point.epoch));
                metric.push(Some(Cow::from(name)));
                value.push(Some(x));
            }
        }
    }
    let mut table = Table::default();
    table.push("id", Values::Text(id));
    table.push("arm", Values::Text(arm));
    table.push("seed", Values::Count(seed));
    table.push("step", Values::Count(step));
    table.push("epoch", Values::Real(epoch));
    table.push("metric", Values::Text(metric));
    table.push("value", Values::Real(value));
    for axis in axes {
        table.push(&axis.name, axis.values_of(trial.iter().copied()));
    }
    table
}

/// The meaning of each column. Final metrics are those of the last evaluation.
fn documentation(table: &Table, axes: &[AxisColumn]) -> Vec<(String, &'static str)> {
    let of_trials = || TRIAL_COLUMNS.iter().map(|&(name, meaning, _)| (name, meaning));
    let is_of_metrics = table.names().any(|name| name == "metric");
    let fixed = || METRIC_COLUMNS.iter().copied().filter(|_| is_of_metrics).chain(of_trials());
    let known = |name: &str| fixed().find(|(n, _)| *n == name).map(|(_, meaning)| meaning);
    // An underscore is appended to the name of an axis that is taken.
    let is_axis = |name: &str| axes.iter().any(|axis| axis.name == name.trim_end_matches('_'));
    let meaning = |name: &str| match known(name) {
        Some(meaning) => meaning,
        None if is_axis(name) => AxisColumn::MEANING,
        None => "final value of the metric; accuracies in percent",
    };
    table.names().map(|name| (name.to_owned(), meaning(name))).collect()
}

/// A metric path as a column name: `val/acc1` becomes `val_acc1`.
fn snake_case(path: &str) -> String {
    path.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::row;
    use crate::{Outcome, Plan, Point, TrialResult};
    use polars::frame::DataFrame;
    use polars::prelude::{ParquetReader, SerReader};
    use std::fs::File;
    use std::path::Path;

    fn rows() -> SweepRows {
        let mut done = row("done", 0);
        done.planned.label = "größer, \"zitiert\"\n".into();
        let metrics = [
            ("val/acc1".to_owned(), 97.5),
            ("val/loss".to_owned(), f64::NAN),
            ("steps".to_owned(), 0.5),
        ];
        done.result = Some(TrialResult {
            status: Outcome::Done,
            metrics: metrics.into(),
            ..TrialResult::default()
        });
        let values = [("train/loss".to_owned(), f64::INFINITY), ("val/ä".to_owned(), f64::NAN)];
        done.curve = vec![Point {
            step: 25,
            epoch: 0.2,
            values: std::collections::BTreeMap::from(values).into(),
        }];
        SweepRows {
            plan: Plan::default(),
            trials: vec![done, row("pending", u64::MAX)],
            events: vec![],
            history: vec![],
            effective: None,
            damaged: vec![],
            author_notes: String::new(),
        }
    }

    /// An axis of numbers, one of text, and one that is a fixed column of the trials. Without trials
    /// there are no values, and so no axes.
    fn axes(rows: &SweepRows) -> Vec<AxisColumn> {
        if rows.trials.is_empty() {
            return vec![];
        }
        let column = |name: &str, values: [Option<&str>; 2]| AxisColumn {
            name: name.into(),
            values: values[..rows.trials.len()].iter().map(|v| v.map(str::to_owned)).collect(),
        };
        vec![
            column("batch", [Some("32"), None]),
            column("train.loss", [Some("bce"), Some("focal")]),
            column("scale", [Some("2"), Some("4")]),
        ]
    }

    fn written(rows: &SweepRows) -> (tempfile::TempDir, SweepDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        write(&dir, rows, &axes(rows)).unwrap();
        (folder, dir)
    }

    fn read(path: &Path) -> DataFrame {
        ParquetReader::new(File::open(path).unwrap()).finish().unwrap()
    }

    fn text(frame: &DataFrame, name: &str, row: usize) -> String {
        let value = frame.column(name).unwrap().get(row).unwrap();
        value.get_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn trials_are_read_back_from_parquet_and_csv_alike() {
        let (_folder, dir) = written(&rows());
        let trials = read(&dir.trials_parquet());
        let mut csv = csv::Reader::from_path(dir.trials_csv()).unwrap();
        let headers: Vec<_> = csv.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(
            headers,
            trials.get_column_names().iter().map(|n| n.to_string()).collect::<Vec<_>>()
        );
        let records: Vec<csv::StringRecord> = csv.records().collect::<Result<_, _>>().unwrap();
        assert_eq!((records.len(), trials.height()), (2, 2));
        for (row, record) in records.iter().enumerate() {
            for (name, field) in headers.iter().zip(record) {
                let in_parquet = text(&trials, name, row);
                let same = match (in_parquet.parse::<f64>(), field.parse::<f64>()) {
                    (Ok(a), Ok(b)) => a == b || (a.is_nan() && b.is_nan()),
                    _ => {
                        in_parquet == if field.is_empty() { "null" } else { field }
                            || in_parquet == field
                    }
                };
                assert!(same, "{name} of row {row}: {in_parquet} and {field}");
            }
        }
        assert_eq!(text(&trials, "label", 0), "größer, \"zitiert\"\n");
        assert_eq!(
            (text(&trials, "val_acc1", 0), text(&trials, "val_acc1", 1)),
            ("97.5".into(), "null".into())
        );
        assert_eq!(
            (text(&trials, "val_loss", 0), text(&trials, "seed", 1)),
            ("NaN".into(), u64::MAX.to_string())
        );
        assert_eq!(
            (text(&trials, "batch", 0), text(&trials, "train.loss", 1)),
            ("32".into(), "focal".into())
        );
        assert!(headers.iter().filter(|name| name.starts_with("scale")).count() == 1);
        // A metric cannot replace a fixed column.
        assert_eq!(
            (text(&trials, "steps", 0), text(&trials, "steps_", 0)),
            ("0".into(), "0.5".into())
        );
    }

    #[test]
    fn no_cell_of_a_csv_file_is_a_formula() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("-a", "'-a"),
            ("-0.5", "-0.5"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(csv_text(text), cell);
        }
        let mut rows = rows();
        rows.trials[0].planned.label = "=HYPERLINK(1)".into();
        let (_folder, dir) = written(&rows);
        let file = std::fs::read_to_string(dir.trials_csv()).unwrap();
        assert!(file.contains(",'=HYPERLINK(1),"), "{file}");
        assert_eq!(text(&read(&dir.trials_parquet()), "label", 0), "=HYPERLINK(1)");
    }

    #[test]
    fn plain_tables_hold_what_the_files_hold() {
        let rows = rows();
        let (_folder, dir) = written(&rows);
        for (plain, file) in [
            (plain_trials(&rows, &axes(&rows)), dir.trials_parquet()),
            (plain_metrics(&rows, &axes(&rows)), dir.metrics_parquet()),
        ] {
            let file = read(&file);
            let names: Vec<_> = plain.columns.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(file.get_column_names(), names);
            assert_eq!(file.height(), plain.rows.len());
            for (i, name) in names.iter().enumerate() {
                for (j, row) in plain.rows.iter().enumerate() {
                    let shown = row[i].as_str().map_or_else(|| row[i].to_string(), str::to_owned);
                    let in_file = text(&file, name, j);
                    let is_same = shown == in_file
                        || shown.parse::<f64>().ok() == in_file.parse::<f64>().ok();
                    assert!(is_same, "{name}: {shown} and {in_file}");
                }
            }
        }
    }

    #[test]
    fn every_logged_value_is_a_line_of_the_metrics() {
        let (_folder, dir) = written(&rows());
        let metrics = read(&dir.metrics_parquet());
        let fixed = METRIC_COLUMNS.iter().map(|(name, _)| *name);
        let names: Vec<_> = fixed.chain(["batch", "train.loss", "scale"]).collect();
        assert_eq!(metrics.get_column_names(), names);
        let line = |row| names.iter().map(|name| text(&metrics, name, row)).collect::<Vec<_>>();
        assert_eq!(metrics.height(), 2);
        assert_eq!(line(0)[..7], ["done", "arm", "0", "25", "0.2", "train/loss", "inf"]);
        assert_eq!(line(1)[5..], ["val/ä", "NaN", "32", "bce", "2"]);
    }

    #[test]
    fn columns_keep_their_type_where_there_are_no_values() {
        let empty = SweepRows {
            plan: Plan::default(),
            trials: vec![],
            events: vec![],
            history: vec![],
            effective: None,
            damaged: vec![],
            author_notes: String::new(),
        };
        let (_empty, without) = written(&empty);
        let (_full, with) = written(&rows());
        let pairs = [
            (read(&without.trials_parquet()), read(&with.trials_parquet())),
            (read(&without.metrics_parquet()), read(&with.metrics_parquet())),
        ];
        for (without, with) in pairs {
            assert!(without.width() > 0 && without.height() == 0);
            for (name, dtype) in without.schema().iter() {
                assert_eq!(with.schema().get(name), Some(dtype), "{name}");
            }
        }
    }
}
