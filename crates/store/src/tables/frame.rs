//! Named columns of cells, and their way into Parquet (through Polars) and CSV.

use super::columns::Cell;
use crate::{StoreError, atomic};
use polars::frame::DataFrame;
use polars::prelude::{Column, KeyValueMetadata, NamedFrom, ParquetCompression, ParquetWriter, Series};
use std::path::Path;

/// Columns of equal length.
#[derive(Default)]
pub struct Table {
    columns: Vec<(String, Vec<Cell>)>,
}

impl Table {
    /// Adds a column.
    pub fn push(&mut self, name: &str, cells: Vec<Cell>) {
        self.columns.push((name.to_owned(), cells));
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    fn height(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| cells.len())
    }
}

/// Writes `table`; each column's meaning goes into the file's metadata under `res2lab.columns`.
pub fn write_parquet(path: &Path, table: &Table, documentation: &[(&str, &str)]) -> Result<(), StoreError> {
    let columns = table.columns.iter().map(|(name, cells)| column(name, cells)).collect();
    let damaged = |e: polars::error::PolarsError| StoreError::damaged(path, e);
    let mut frame = DataFrame::new(table.height(), columns).map_err(damaged)?;
    let meanings: serde_json::Map<_, _> =
        documentation.iter().map(|&(name, doc)| (name.to_owned(), doc.into())).collect();
    let meanings = serde_json::Value::Object(meanings).to_string();
    let metadata = KeyValueMetadata::from_static(vec![("res2lab.columns".to_owned(), meanings)]);
    atomic::write_with(path, |file| {
        ParquetWriter::new(file)
            .with_compression(ParquetCompression::Snappy)
            .with_key_value_metadata(Some(metadata))
            .finish(&mut frame)
            .map(|_| ())
            .map_err(std::io::Error::other)
    })
}

/// A column takes the kind of its first value that is there; a whole-number column with a real in it becomes real.
fn column(name: &str, cells: &[Cell]) -> Column {
    let is_real = cells.iter().any(|c| matches!(c, Cell::Number(_)));
    let series = match cells.iter().find(|c| **c != Cell::Missing) {
        Some(Cell::Text(_)) => {
            let values: Vec<Option<String>> = cells.iter().map(text).collect();
            Series::new(name.into(), values)
        }
        Some(Cell::Flag(_)) => {
            let values: Vec<Option<bool>> =
                cells.iter().map(|c| if let Cell::Flag(b) = c { Some(*b) } else { None }).collect();
            Series::new(name.into(), values)
        }
        Some(Cell::Count(_)) if !is_real => {
            let values: Vec<Option<u64>> =
                cells.iter().map(|c| if let Cell::Count(n) = c { Some(*n) } else { None }).collect();
            Series::new(name.into(), values)
        }
        _ => {
            let values: Vec<Option<f64>> = cells.iter().map(number).collect();
            Series::new(name.into(), values)
        }
    };
    series.into()
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(x) => Some(*x),
        Cell::Count(n) => Some(*n as f64),
        _ => None,
    }
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(s) => Some(s.clone()),
        Cell::Number(x) => Some(x.to_string()),
        Cell::Count(n) => Some(n.to_string()),
        Cell::Flag(b) => Some(b.to_string()),
        Cell::Missing => None,
    }
}

/// The table as CSV; a missing value is an empty field.
pub fn to_csv(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.names())?;
    for row in 0..table.height() {
        writer.write_record(table.columns.iter().map(|(_, cells)| text(&cells[row]).unwrap_or_default()))?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))
}
