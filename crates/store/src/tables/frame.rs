//! Tables of named, typed columns, and their encoding as Parquet (through Polars) and CSV.

use crate::atomic;
use polars::error::PolarsError;
use polars::frame::DataFrame;
use polars::prelude::{
    Column, KeyValueMetadata, NamedFrom, ParquetCompression, ParquetWriter, Series,
};
use res2lab_error::Error;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;

/// The values of a column from top to bottom.
pub(crate) enum Values<'a> {
    Text(Vec<Option<Cow<'a, str>>>),
    Count(Vec<Option<u64>>),
    Real(Vec<Option<f64>>),
    Flag(Vec<Option<bool>>),
}

/// A table whose columns have equal length.
#[derive(Default)]
pub(crate) struct Table<'a> {
    columns: Vec<(String, Values<'a>)>,
}

impl<'a> Table<'a> {
    /// Adds a column. Underscores are appended to a name that is already taken.
    pub(crate) fn push(&mut self, name: &str, values: Values<'a>) {
        let mut name = name.to_owned();
        while self.names().any(|taken| taken == name) {
            name.push('_');
        }
        self.columns.push((name, values));
    }

    /// Column names in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The number of rows.
    pub(crate) fn height(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Values::Text(v) => v.len(),
            Values::Count(v) => v.len(),
            Values::Real(v) => v.len(),
            Values::Flag(v) => v.len(),
        }
    }

    fn into_column(self, name: &str) -> Column {
        match self {
            Values::Text(v) => Series::new(name.into(), v).into(),
            Values::Count(v) => Series::new(name.into(), v).into(),
            Values::Real(v) => Series::new(name.into(), v).into(),
            Values::Flag(v) => Series::new(name.into(), v).into(),
        }
    }

    /// One value as JSON. Numbers that are not finite become strings, because JSON cannot express
    /// them.
    pub(super) fn json(&self, row: usize) -> Value {
        let of_real =
            |x: f64| if x.is_finite() { Value::from(x) } else { Value::from(x.to_string()) };
        match self {
            Values::Text(v) => v[row].as_deref().map_or(Value::Null, Value::from),
            Values::Count(v) => v[row].map_or(Value::Null, Value::from),
            Values::Real(v) => v[row].map_or(Value::Null, of_real),
            Values::Flag(v) => v[row].map_or(Value::Null, Value::from),
        }
    }

    /// One value as a CSV field; a missing value is an empty field.
    fn field(&self, row: usize) -> String {
        let shown = match self {
            Values::Text(v) => v[row].as_ref().map(|text| csv_text(text).into_owned()),
            Values::Count(v) => v[row].map(|n| n.to_string()),
            Values::Real(v) => v[row].map(|x| x.to_string()),
            Values::Flag(v) => v[row].map(|b| b.to_string()),
        };
        shown.unwrap_or_default()
    }
}

/// The table's rows as JSON values.
pub(crate) fn to_json(table: &Table) -> Vec<Vec<Value>> {
    let row = |row: usize| table.columns.iter().map(|(_, values)| values.json(row)).collect();
    (0..table.height()).map(row).collect()
}

/// Writes a Parquet table in parts, at least one. Each column's meaning is stored in the file's
/// metadata under `res2lab.columns`.
pub(crate) fn write_parquet<'a>(
    path: &Path,
    parts: impl Iterator<Item = Table<'a>>,
    documentation: &[(String, &str)],
) -> Result<(), Error> {
    let meanings: serde_json::Map<_, _> =
        documentation.iter().map(|(name, meaning)| (name.clone(), (*meaning).into())).collect();
    let meanings = Value::Object(meanings).to_string();
    let metadata = KeyValueMetadata::from_static(vec![("res2lab.columns".to_owned(), meanings)]);
    // Encoding in memory separates encoding errors from disk errors.
    let bytes = encode(parts, metadata).map_err(|e| {
        Error::machine(
            format!("cannot encode {}: {e}", path.display()),
            "this is a fault of res2lab; please report it",
        )
    })?;
    atomic::write(path, &bytes)
}

fn encode<'a>(
    parts: impl Iterator<Item = Table<'a>>,
    metadata: KeyValueMetadata,
) -> Result<Vec<u8>, PolarsError> {
    let mut frames = parts.map(|table| {
        let height = table.height();
        let columns =
            table.columns.into_iter().map(|(name, values)| values.into_column(&name)).collect();
        DataFrame::new(height, columns)
    });
    let mut bytes = Vec::new();
    let Some(first) = frames.next() else { return Ok(bytes) };
    let first = first?;
    let mut writer = ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Snappy)
        .with_key_value_metadata(Some(metadata))
        .batched(first.schema())?;
    writer.write_batch(&first)?;
    drop(first);
    for frame in frames {
        writer.write_batch(&frame?)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// Text as a CSV cell. Spreadsheets evaluate cells that begin with `=`, `+`, `-` or `@`, so such
/// text is prefixed with an apostrophe unless it is a number.
pub fn csv_text(text: &str) -> Cow<'_, str> {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The table as CSV.
pub(crate) fn to_csv(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.names())?;
    for row in 0..table.height() {
        writer.write_record(table.columns.iter().map(|(_, values)| values.field(row)))?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))
}
