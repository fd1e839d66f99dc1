//! Exports of the tables: Markdown and LaTeX to copy, JSON to download.

use super::context::Row;
use super::tables;
use crate::chart::{WIDE, WIDTH};
use crate::legend::{self, Legend};
use crate::look;
use crate::study::{Arm, Study};
use crate::summary::Summary;
use crate::text_table;
use res2lab_store::TrialRow;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The columns of the table of arms from which on it is not exported; the first may be left out.
const ENDS: [&str; 2] = ["receptive field", "images/s"];

fn printed(study: &Study) -> (Vec<String>, Vec<Vec<String>>) {
    let table = tables::arms(study);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|c| c.name.clone())
        .take_while(|name| !ENDS.contains(&&name[..]))
        .collect();
    let text = |row: &Row| row.cells.iter().take(columns.len()).map(|c| c.text.clone()).collect();
    let rows = table.rows.iter().map(text).collect();
    (columns, rows)
}

/// The table of arms in Markdown.
pub(super) fn markdown(study: &Study) -> String {
    let (columns, rows) = printed(study);
    text_table::markdown(&columns, &rows, 1)
}

#[derive(Serialize)]
struct Data<'a> {
    summary: &'a Summary,
    trial_columns: Vec<String>,
    trial_rows: Vec<Vec<Value>>,
    /// Names of the axes.
    axes: Vec<&'a str>,
    /// For each arm its values by axis.
    places: BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>,
    /// Style sheet of saved figures.
    figure_style: String,
    /// The legend of saved figures by their width.
    legends: BTreeMap<i32, Legend>,
}

/// The font of pages, in saved figures.
const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// The data of a page without trials, whose figures can be saved.
pub(crate) fn of_figures(name: &str) -> String {
    inert(&json!({ "summary": { "name": name }, "figure_style": look::style(FONT) }).to_string())
}

/// Summary and trials as JSON that is safe within a script element.
pub(super) fn data<'a>(study: &'a Study, summary: &'a Summary) -> String {
    let paths = tables::metric_paths(study);
    let axes: Vec<&str> = study.axes.iter().map(|axis| axis.column()).collect();
    let place = |arm: &'a Arm| {
        let values = study.axes.iter().zip(arm.places.first().into_iter().flatten());
        let known = values.filter_map(|(axis, value)| Some((axis.column(), value.as_deref()?)));
        (arm.id, known.collect())
    };
    let fixed = ["id", "arm", "label", "seed", "status", "reason"];
    let costs = [
        "parameters",
        "macs",
        "images_per_s",
        "wall_s",
        "peak_memory_mib",
        "attempts",
        "device",
        "threads",
        "code",
    ];
    let columns = fixed.into_iter().map(str::to_owned);
    // Named arms are told apart by their labels, which are a column already.
    let is_own: Vec<bool> = axes.iter().map(|name| !fixed.contains(name)).collect();
    let own = axes.iter().zip(&is_own).filter(|(_, own)| **own).map(|(name, _)| (*name).to_owned());
    let columns = columns.chain(own);
    let columns = columns.chain(paths.iter().map(|path| path.replace('/', "_")));
    let trial_columns = columns.chain(costs.into_iter().map(str::to_owned)).collect();
    let rows =
        study.arms.iter().flat_map(|arm| arm.trials.iter().map(|t| trial(t, arm, &is_own, &paths)));
    let legends = [WIDTH, WIDE].map(|width| Some((width, legend::of(study, width)?)));
    let data = Data {
        summary,
        trial_columns,
        trial_rows: rows.collect(),
        places: study.arms.iter().map(place).collect(),
        axes,
        figure_style: look::style(FONT),
        legends: legends.into_iter().flatten().collect(),
    };
    // Plain numbers, strings and lists always serialize.
    inert(&serde_json::to_string(&data).unwrap_or_default())
}

/// The cells of a trial; `is_own` says which axes have a column.
fn trial(t: &TrialRow, arm: &Arm, is_own: &[bool], paths: &[String]) -> Vec<Value> {
    let p = &t.planned;
    let result = t.result.as_ref();
    let mut cells = vec![
        json!(p.id),
        json!(p.arm),
        json!(arm.label),
        json!(p.spec.seed),
        json!(t.status.name()),
        json!(t.reason),
    ];
    let places = arm.places[0].iter().zip(is_own);
    cells.extend(places.filter(|(_, own)| **own).map(|(value, _)| json!(value)));
    cells.extend(paths.iter().map(|path| json!(result.and_then(|r| r.metrics.get(path)))));
    cells.extend([
        json!(p.parameters),
        json!(p.macs),
        json!(result.and_then(|r| r.images_per_s)),
        json!(result.map(|r| r.wall_s)),
        json!(result.map(|r| r.peak_memory_mib)),
        json!(t.attempts),
        json!(result.map(|r| &r.device)),
        json!(result.map(|r| r.threads)),
        json!(result.map(|r| format!("{} {}", r.code.version, r.code.commit).trim().to_owned())),
    ]);
    cells
}

/// Escapes the characters that could end a script element or start a comment. In JSON they occur
/// only within strings.
pub(super) fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
