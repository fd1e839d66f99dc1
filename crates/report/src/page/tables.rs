//! The HTML tables of arms and trials.

use super::context::{Cell, Column, DataTable, Row, TextTable};
use super::figures::classes;
use crate::answer::{range, value_with_spread};
use crate::figures::Table;
use crate::figures::reference::published;
use crate::format::{count, duration, fixed, p_cell, signed, three_digits};
use crate::metric::Metric;
use crate::stats::Sample;
use crate::study::{Arm, Study};
use res2lab_store::{Status, TrialResult, TrialRow};
use std::collections::BTreeSet;

/// One row per arm.
pub(super) fn arms(study: &Study) -> DataTable {
    let metric = &study.metric;
    let mut columns = vec![
        Column::text("arm", "What is varied; the trials of an arm differ in their seed only"),
        Column::number(metric.title(), "Mean ± standard deviation over seeds"),
        Column::number("n", "Seeds with a value, of those planned"),
        Column::number(
            if study.has_asked_pairs { "vs partner" } else { "vs baseline" },
            "Mean paired difference over shared seeds, with its 95 % interval",
        ),
        Column::number("p", "Of a paired t-test, Holm-adjusted over all arms"),
        Column::text(
            "verdict",
            "Better, worse, equal within the margin, or not resolved; in a grid a second family after the effects",
        ),
        Column::number("parameters", "Trained values"),
        Column::number("multiply-adds", "For one image, forward"),
        Column::number(
            "receptive field",
            "Smallest and largest of the last stage's units, pixels along a side",
        ),
        Column::number("images/s", "Training images per second of one trial, mean over trials"),
        Column::number(
            "time per trial",
            "Wall time, mean over finished trials; below it what the plan predicted, where it was asked",
        ),
    ];
    let mut rows: Vec<Row> = study.arms.iter().map(|arm| arm_row(study, arm)).collect();
    // Each axis is a column of its own, so that it can be sorted.
    columns.splice(1..1, axis_columns(study));
    for (row, arm) in rows.iter_mut().zip(&study.arms) {
        row.cells.splice(1..1, axis_cells(study, arm));
    }
    if study.arms.iter().any(|arm| published(study, arm).is_some()) {
        let help = "Top-1 accuracy as published; the figure on it names the source";
        columns.push(Column::number("published %", help));
        for (row, arm) in rows.iter_mut().zip(&study.arms) {
            row.cells.push(Cell::number(published(study, arm), |x| fixed(x, 2)));
        }
    }
    if rows.len() > MOST_IN_ORDER {
        drop_constant(&mut columns, &mut rows);
        rows = best_first(study, rows);
    }
    DataTable::new("arms", columns, rows, (MOST_ARMS, SHOWN))
}

/// The rows by their arms' means; arms without a mean come last.
fn best_first(study: &Study, rows: Vec<Row>) -> Vec<Row> {
    let sign = if study.metric.higher_is_better { -1.0 } else { 1.0 };
    let mean = |arm: &Arm| arm.sample.map_or(f64::INFINITY, |s| sign * s.mean);
    let mut keyed: Vec<(f64, Row)> = study.arms.iter().map(mean).zip(rows).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Of more arms than this the best come first, and columns that say the same of all are left out.
pub(super) const MOST_IN_ORDER: usize = 12;

/// Columns that are left out where they say the same of all arms.
const DROPPED: [&str; 4] = ["n", "p", "verdict", "receptive field"];

fn drop_constant(columns: &mut Vec<Column>, rows: &mut [Row]) {
    for at in (0..columns.len()).rev() {
        let is_same = |row: &Row| {
            let cell = &row.cells[at];
            cell.text == rows[0].cells[at].text && cell.note.is_empty()
        };
        if DROPPED.contains(&&columns[at].name[..]) && rows.iter().all(is_same) {
            columns.remove(at);
            rows.iter_mut().for_each(|row| drop(row.cells.remove(at)));
        }
    }
}

/// The axes that are columns: all but that of named arms, whose values are the arms' names.
fn shown_axes(study: &Study) -> Vec<usize> {
    let axes = study.axes.iter().enumerate();
    axes.filter(|(_, axis)| axis.column() == axis.label).map(|(i, _)| i).collect()
}

/// A column for each axis.
fn axis_columns(study: &Study) -> Vec<Column> {
    let column = |axis: usize| Column {
        name: study.axes[axis].label.clone(),
        help: "An axis of the sweep",
        is_number: study.axes[axis].numbers.is_some(),
    };
    shown_axes(study).into_iter().map(column).collect()
}

fn axis_cells(study: &Study, arm: &Arm) -> Vec<Cell> {
    let value = |i: usize| arm.places.first().and_then(|place| place[i].clone());
    shown_axes(study).into_iter().map(|i| Cell::text(value(i).unwrap_or("–".into()))).collect()
}

fn arm_row(study: &Study, arm: &Arm) -> Row {
    let planned = &arm.trials[0].planned;
    let same = planned.same_as.join(", ");
    let result =
        |of: fn(&TrialResult) -> Option<f64>| arm.mean_of(|t| t.result.as_ref().and_then(of));
    let name = Cell {
        note: if same.is_empty() { same } else { format!("same as {same}") },
        ..Cell::text(&arm.label)
    };
    let mean = arm.sample.map_or(String::new(), |s| s.mean.to_string());
    let field = format!("{} to {} px", planned.rf_min_px, planned.rf_max_px);
    let seeds = format!("{} of {}", arm.values.len(), arm.trials.len());
    let cells = vec![
        name,
        Cell {
            text: value_with_spread(study, arm).replace(" %", ""),
            value: mean,
            ..Cell::default()
        },
        Cell {
            text: seeds,
            value: arm.values.len().to_string(),
            note: not_done(arm),
            ..Cell::default()
        },
        against(study, arm),
        Cell::number(arm.p_holm(), p_cell),
        Cell::text(arm.against.map_or("–", |pair| pair.verdict.name())),
        Cell::number(Some(planned.parameters as f64), |_| count(planned.parameters)),
        Cell::number(Some(planned.macs as f64), |_| count(planned.macs)),
        Cell { text: field, value: planned.rf_max_px.to_string(), ..Cell::default() },
        Cell::number(result(|r| r.images_per_s), three_digits),
        Cell { note: predicted(arm), ..Cell::number(result(|r| Some(r.wall_s)), duration) },
    ];
    Row {
        arm: arm.id.to_owned(),
        trial: String::new(),
        is_hidden: false,
        color: classes(arm.style()),
        cells,
    }
}

/// The number of the arm's unfinished trials by status: `1 failed, 2 diverged`.
fn not_done(arm: &Arm) -> String {
    let others = arm.trials.iter().map(|t| t.status).filter(|status| *status != Status::Done);
    crate::summary::Counts::of(others).in_words()
}

/// The predicted duration of a trial; empty without a prediction.
fn predicted(arm: &Arm) -> String {
    let walls: Vec<f64> =
        arm.trials.iter().filter_map(|t| Some(t.planned.cost_estimate.as_ref()?.wall_s)).collect();
    Sample::of(&walls).map_or_else(String::new, |s| format!("predicted {}", duration(s.mean)))
}

fn against(study: &Study, arm: &Arm) -> Cell {
    let is_common = study.common_partner().is_some();
    let Some((pair, paired)) = arm.against.and_then(|pair| Some((pair, pair.paired?))) else {
        let is_baseline =
            !study.has_asked_pairs && study.baseline().is_some_and(|b| b.id == arm.id);
        let (text, value) = if is_baseline { ("baseline", "0") } else { ("–", "") };
        return Cell { text: text.into(), value: value.into(), ..Cell::default() };
    };
    let decimals = study.difference_decimals;
    let interval =
        paired.interval().map(|interval| range(study, interval, decimals)).unwrap_or_default();
    let from =
        if is_common { String::new() } else { format!(" from {}", study.arms[pair.partner].label) };
    Cell {
        text: signed(paired.difference.mean, decimals),
        value: paired.difference.mean.to_string(),
        note: format!("{interval}{from}"),
        status: "",
    }
}

/// All final metrics of every arm; `None` if there is only the metric that the table of arms shows.
pub(super) fn metrics(study: &Study) -> Option<TextTable> {
    let paths = metric_paths(study);
    if paths.len() < 2 {
        return None;
    }
    let cell = |arm: &Arm, path: &str| {
        let values: Vec<f64> = arm.trials.iter().filter_map(|t| t.metric(path)).collect();
        let Some(sample) = Sample::of(&values) else { return "–".to_owned() };
        let decimals = if path.ends_with("epoch") {
            1
        } else {
            Metric::of(path).decimals(std::iter::once(&sample))
        };
        let spread = sample.std.map(|s| format!(" ± {}", fixed(s, decimals))).unwrap_or_default();
        format!("{}{spread}", fixed(sample.mean, decimals))
    };
    let row = |arm: &Arm| {
        let cells = paths.iter().map(|path| cell(arm, path));
        std::iter::once(arm.label.clone()).chain(cells).collect()
    };
    let columns = std::iter::once("arm".to_owned()).chain(paths.iter().cloned()).collect();
    let rows = study.arms.iter().filter(|arm| arm.count(&[Status::Done]) > 0).map(row).collect();
    Some(of_arms(study, columns, rows))
}

/// A table of arms, with the axes as columns.
pub(super) fn of_arms(study: &Study, columns: Vec<String>, rows: Vec<Vec<String>>) -> TextTable {
    let mut table = Table { columns, rows };
    table.add_axes(study);
    table.into()
}

/// Paths of the final metrics that any trial has, the compared metric first.
pub(super) fn metric_paths(study: &Study) -> Vec<String> {
    let results = study.rows.trials.iter().filter_map(|t| t.result.as_ref());
    let all: BTreeSet<&String> = results.flat_map(|r| r.metrics.keys()).collect();
    let mut paths: Vec<String> = all.into_iter().cloned().collect();
    paths.sort_by_key(|path| *path != study.metric.path);
    paths
}

const LAST_VALUE: &str =
    "Last value; best/ is of the evaluation that was best on the test images, and so too high";

/// Number of trials shown when the page opens.
const SHOWN: usize = 100;
/// Maximum number of trials in the HTML, readable without a script; the script inserts the others.
const AT_ONCE: usize = 1000;
/// Maximum number of arms in the HTML.
const MOST_ARMS: usize = 200;

/// One row per trial.
pub(super) fn trials(study: &Study) -> DataTable {
    let paths: Vec<String> = metric_paths(study).into_iter().take(8).collect();
    let mut columns = vec![
        Column::text("arm", ""),
        Column::number("seed", "Initial weights, order of images and augmentation follow from it"),
        Column::text("status", "† was trained by another build than the plan's"),
    ];
    columns.extend(paths.iter().map(|path| Column::number(path.clone(), LAST_VALUE)));
    let has_reasons = study.rows.trials.iter().any(|t| !t.reason.is_empty());
    columns.extend([
        Column::number("images/s", "Training images per second"),
        Column::number("time", "Wall time of all attempts"),
        Column::number("memory", "Largest resident memory, MiB"),
        Column::number("attempts", "Times it was started"),
        Column::text("trial", "Its folder's name"),
    ]);
    columns.extend(has_reasons.then(|| Column::text("reason", "")));
    let mut rows: Vec<Row> = study
        .arms
        .iter()
        .flat_map(|arm| arm.trials.iter().map(|t| trial_row(study, arm, t, &paths)))
        .collect();
    let of_arm = |arm: &Arm| vec![axis_cells(study, arm); arm.trials.len()];
    let axes: Vec<Vec<Cell>> = study.arms.iter().flat_map(of_arm).collect();
    for (i, (row, axes)) in rows.iter_mut().zip(axes).enumerate() {
        row.cells.truncate(columns.len());
        row.cells.splice(1..1, axes);
        row.is_hidden = i >= SHOWN;
    }
    columns.splice(1..1, axis_columns(study));
    DataTable::new("trials", columns, rows, (AT_ONCE, SHOWN))
}

/// The meaning of the columns in the exported files.
pub(super) fn meanings() -> TextTable {
    let fixed = res2lab_store::tables::TRIAL_COLUMNS
        .iter()
        .map(|(name, meaning, _)| [name, meaning].map(|t| (*t).to_owned()));
    let rest = [
        "val_acc1, train_loss, …",
        "final metrics, their slash paths with underscores; accuracies in percent",
    ];
    let rows = fixed.chain([rest.map(str::to_owned)]).map(Vec::from).collect();
    TextTable::new(["column", "meaning"].map(str::to_owned).to_vec(), rows)
}

fn trial_row(study: &Study, arm: &Arm, trial: &TrialRow, paths: &[String]) -> Row {
    let result = trial.result.as_ref();
    let metric = |path: &String| {
        let value = result.and_then(|r| r.metrics.get(path)).copied();
        match value {
            Some(v) if !v.is_finite() => Cell::text(if v.is_nan() { "NaN" } else { "∞" }),
            value => Cell::number(value, |v| show_metric(study, path, v)),
        }
    };
    let mut cells = vec![
        Cell::text(&arm.label),
        Cell::text(trial.planned.spec.seed.to_string()),
        status_cell(study, trial),
    ];
    cells.extend(paths.iter().map(metric));
    cells.extend([
        Cell::number(result.and_then(|r| r.images_per_s), three_digits),
        Cell::number(result.map(|r| r.wall_s), duration),
        Cell::number(result.map(|r| r.peak_memory_mib), |v| fixed(v, 0)),
        Cell::text(trial.attempts.to_string()),
        Cell::text(&trial.planned.id),
        Cell::text(&trial.reason),
    ]);
    Row {
        arm: arm.id.to_owned(),
        trial: trial.planned.id.clone(),
        is_hidden: false,
        color: classes(arm.style()),
        cells,
    }
}

fn show_metric(study: &Study, path: &str, value: f64) -> String {
    match path {
        _ if path.ends_with("epoch") => fixed(value, 0),
        _ if path == study.metric.path => fixed(value, study.decimals.max(2)),
        _ if path.contains("acc") => fixed(value, 2),
        _ => three_digits(value),
    }
}

fn status_cell(study: &Study, trial: &TrialRow) -> Cell {
    let is_other_code = trial.result.as_ref().is_some_and(|r| r.code != study.rows.plan.code);
    let mark = if is_other_code { " †" } else { "" };
    Cell {
        text: format!("{}{mark}", trial.status.name()),
        status: trial.status.name(),
        ..Cell::default()
    }
}

/// Trials without a regular end, with their reasons.
pub(super) fn problems(study: &Study) -> Option<DataTable> {
    let bad = [Status::Failed, Status::Diverged, Status::Stopped, Status::Interrupted];
    let row = |arm: &Arm, trial: &TrialRow| {
        let is_known = !trial.reason.is_empty();
        let reason = if is_known { &trial.reason } else { "no reason was recorded" };
        let mut cells = vec![
            Cell::text(&arm.label),
            Cell::text(trial.planned.spec.seed.to_string()),
            status_cell(study, trial),
            Cell::text(reason),
            Cell::text(trial.attempts.to_string()),
            Cell::text(&trial.planned.id),
        ];
        cells.splice(1..1, axis_cells(study, arm));
        Row {
            arm: arm.id.to_owned(),
            trial: trial.planned.id.clone(),
            is_hidden: false,
            color: classes(arm.style()),
            cells,
        }
    };
    let of_arm = |arm: &Arm| {
        arm.trials
            .iter()
            .filter(|t| bad.contains(&t.status))
            .map(|t| row(arm, t))
            .collect::<Vec<_>>()
    };
    let rows: Vec<Row> = study.arms.iter().flat_map(of_arm).collect();
    let mut columns = vec![
        Column::text("arm", ""),
        Column::number("seed", ""),
        Column::text("status", ""),
        Column::text("reason", ""),
        Column::number("attempts", ""),
        Column::text("trial", "Its folder's name; the log is in its last attempt's folder"),
    ];
    columns.splice(1..1, axis_columns(study));
    (!rows.is_empty()).then(|| DataTable::new("problems", columns, rows, (usize::MAX, 0)))
}
