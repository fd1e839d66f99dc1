//! Records in the formats that all commands share: CSV, Markdown, LaTeX and JSON.

use crate::args::Format;
use crate::print;
use crate::screen::{self, Stream};
use crate::select::{Rows, text};
use res2lab_error::Error;
use res2lab_report::text_table;
use res2lab_store::tables::csv_text;
use serde::Serialize;
use serde_json::{Map, Value};

/// Columns whose numbers are printed with a prefix for reading: 21.2 k.
const COUNTS: [&str; 3] = ["parameters", "macs", "activations"];

/// Columns of the tables of trials and arms that a narrow terminal leaves out first.
const SPARE: [&str; 11] = [
    "best_epoch",
    "train_loss",
    "train_acc1",
    "val_loss",
    "val_acc5",
    "rf_max_px",
    "macs",
    "best_acc1",
    "parameters",
    "difference_low",
    "difference_high",
];

/// A result in a format other than text: `whole` as JSON, and its `list` as rows elsewhere.
pub(crate) fn print<T: Serialize>(
    format: Format,
    whole: &impl Serialize,
    list: &[T],
) -> Result<(), Error> {
    if format == Format::Json {
        print::json(whole);
        return Ok(());
    }
    let objects: Vec<Map<String, Value>> = list.iter().map(flat).collect();
    rows(&table(&objects), format)
}

/// A record with nested ones at their paths: `train.epochs`.
fn flat(record: &impl Serialize) -> Map<String, Value> {
    let mut found = Map::new();
    flatten("", &serde_json::to_value(record).unwrap_or_default(), &mut found);
    found
}

fn flatten(path: &str, value: &Value, found: &mut Map<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, found);
            }
        }
        Value::Array(_) => drop(found.insert(path.to_owned(), Value::from(value.to_string()))),
        leaf => drop(found.insert(path.to_owned(), leaf.clone())),
    }
}

/// Columns are those of all records, in the order in which they first occur.
fn table(objects: &[Map<String, Value>]) -> Rows {
    let mut columns: Vec<String> = Vec::new();
    for name in objects.iter().flat_map(Map::keys) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let row = |object: &Map<String, Value>| {
        columns.iter().map(|name| object.get(name).cloned().unwrap_or_default()).collect()
    };
    Rows { rows: objects.iter().map(row).collect(), columns }
}

/// Prints rows in any format.
pub(crate) fn rows(table: &Rows, format: Format) -> Result<(), Error> {
    let exact = || table.rows.iter().map(|row| row.iter().map(text).collect::<Vec<String>>());
    let rounded = || {
        table.rows.iter().map(|row| row.iter().map(short).collect()).collect::<Vec<Vec<String>>>()
    };
    let is_text = |i: usize| table.rows.iter().any(|row| row[i].is_string() && row[i] != "NaN");
    let left = (0..table.columns.len()).take_while(|&i| is_text(i)).count().max(1);
    match format {
        Format::Text => print::table_of(&print::Table {
            headers: &table.columns.iter().map(String::as_str).collect::<Vec<_>>(),
            left,
            rows: table.rows.iter().map(|row| cells(&table.columns, row)).collect(),
            spare: &SPARE,
            best: None,
        }),
        Format::Md => print::raw(text_table::markdown(&table.columns, &rounded(), left).trim_end()),
        Format::Latex => print::raw(text_table::latex(&table.columns, &rounded(), left).trim_end()),
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let written = writer.write_record(&table.columns);
            let plain = |row: Vec<String>| {
                row.into_iter().map(|cell| csv_text(&cell).into_owned()).collect::<Vec<_>>()
            };
            let written =
                written.and_then(|()| exact().try_for_each(|row| writer.write_record(plain(row))));
            written.map_err(|e| Error::machine(format!("cannot write CSV: {e}"), "report this"))?;
            let bytes = writer.into_inner().unwrap_or_default();
            print::raw(String::from_utf8_lossy(&bytes).trim_end());
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

/// A row for people: counts with a prefix as in every other table, statuses in color.
fn cells(columns: &[String], row: &[Value]) -> Vec<String> {
    let cell = |(name, value): (&String, &Value)| match value.as_u64() {
        Some(n) if COUNTS.contains(&name.as_str()) => print::short(n),
        _ => {
            let text = print::shortened(&short(value));
            let tone = ["status", "verdict"].contains(&name.as_str());
            let tone = tone.then(|| screen::tone_of(&text)).flatten();
            tone.map_or(text.clone(), |tone| screen::paint(Stream::Out, tone, &text))
        }
    };
    columns.iter().zip(row).map(cell).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_of_different_fields_become_rows_of_all_columns() {
        let records = [json!({"a": 1, "b": {"c": 2.5, "d": [1, 2]}}), json!({"a": 3, "e": "x"})];
        let found = table(&records.iter().map(flat).collect::<Vec<_>>());
        assert_eq!(found.columns, ["a", "b.c", "b.d", "e"]);
        assert_eq!(found.rows[0], [json!(1), json!(2.5), json!("[1,2]"), Value::Null]);
        assert_eq!(found.rows[1], [json!(3), Value::Null, Value::Null, json!("x")]);
    }

    #[test]
    fn counts_have_the_prefix_that_other_tables_give_them() {
        let columns = ["parameters", "seed"].map(str::to_owned);
        assert_eq!(cells(&columns, &[json!(21_212), json!(21_212)]), ["21.2 k", "21212"]);
    }
}
