//! Pictures in Parquet as written by Hugging Face and pyarrow: a column of bytes (or of bytes and
//! path), and a column of classes as integers or text.

use crate::Split;
use crate::error;
use crate::names::{self, Described};
use crate::pack::Packer;
use crate::pages::{Checked, DescribedFile};
use crate::splits::Files;
use parquet::basic::Type as Physical;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use res2lab_error::Error;
use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The columns of a data set's files.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    image: String,
    label: String,
    /// Class names from the files' metadata; empty if there are none.
    pub names: Vec<String>,
}

/// Detects the columns of a data set, and its class names if it has any.
pub fn columns(files: &Files) -> Result<Columns, Error> {
    let path = &files.train[0];
    let reader = open(path)?;
    let metadata = reader.metadata().file_metadata();
    let texts = metadata.key_value_metadata().into_iter().flatten();
    let text = texts
        .filter(|kv| kv.key == "huggingface")
        .find_map(|kv| kv.value.clone())
        .unwrap_or_default();
    let (image, label) = choose(metadata.schema().get_fields(), &names::described(&text), path)?;
    let configuration = files.dir.file_name().unwrap_or_default().to_string_lossy();
    let above = files.dir.parent().unwrap_or(&files.dir);
    let names = names::in_metadata(&text, &label).or_else(|| {
        [&files.dir, above].into_iter().find_map(|dir| names::beside(dir, &configuration, &label))
    });
    Ok(Columns { image, label, names: names.unwrap_or_default() })
}

/// Selects the columns: by Hugging Face's feature description, otherwise by common names, otherwise
/// the only column of the right type.
fn choose(
    fields: &[TypePtr],
    described: &Described,
    path: &Path,
) -> Result<(String, String), Error> {
    // CIFAR-100 has two levels of classes; the fine level is the usual target.
    const LABELS: [&str; 8] =
        ["fine_label", "label", "labels", "class", "target", "cls", "category", "y"];
    const IMAGES: [&str; 7] = ["image", "img", "images", "picture", "jpg", "png", "image_bytes"];
    let names: Vec<&str> = fields.iter().map(|f| f.name()).collect();
    let find = |wanted: &[&str], described: &[String]| {
        let usual = wanted.iter().find(|w| names.contains(w)).map(|w| (*w).to_owned());
        usual.or_else(|| described.iter().find(|d| names.contains(&d.as_str())).cloned())
    };
    let holds_pictures = |field: &&TypePtr| match &***field {
        Type::GroupType { fields, .. } => fields.iter().any(|f| f.name() == "bytes"),
        field => field.get_physical_type() == Physical::BYTE_ARRAY && !is_text(field),
    };
    let pictures: Vec<&TypePtr> = fields.iter().filter(holds_pictures).collect();
    let only = || if let [one] = pictures[..] { Some(one.name().to_owned()) } else { None };
    let image = find(&IMAGES, &described.images).or_else(only);
    image.zip(find(&LABELS, &described.labels)).ok_or_else(|| {
        Error::input(
            format!("{}: columns are {}", path.display(), names.join(", ")),
            "give Parquet files with a column image (or img) of bytes, or of bytes and path, and a column label",
        )
    })
}

fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    info.converted_type() == parquet::basic::ConvertedType::UTF8
        || matches!(info.logical_type_ref(), Some(parquet::basic::LogicalType::String))
}

/// Adds every picture of a split, still encoded, and returns the class names: the given names, or
/// the distinct text labels in alphabetical order.
pub fn unpack(
    files: &[PathBuf],
    split: Split,
    columns: &Columns,
    names: &[String],
    packer: &mut Packer,
) -> Result<Vec<String>, Error> {
    // Text labels get preliminary numbers, which are replaced when all texts are known.
    let mut texts: BTreeMap<String, u32> = BTreeMap::new();
    let mut numbers = false;
    let mut unlabeled = None;
    for path in files {
        let mut add = |place: usize, row: &Row| -> Result<(), Error> {
            let (bytes, label) = cells(row, columns);
            let Some(bytes) = bytes else { return Err(no_picture(path, place, row, columns)) };
            let label = match label {
                Label::Number(number) => {
                    numbers = true;
                    number
                }
                Label::Text(text) => {
                    let next = texts.len() as u32;
                    *texts.entry(text).or_insert(next)
                }
                Label::None => {
                    unlabeled = unlabeled.take().or(Some((path.clone(), place, row.clone())));
                    return Ok(());
                }
                Label::Other => return Err(wrong_label(path, place, row, columns)),
            };
            packer.add(bytes, (0, 0), label).map_err(|e| error::io(path, e))
        };
        // The Parquet reader panics on some damaged files.
        let read = catch_unwind(AssertUnwindSafe(|| rows(path, columns, &mut add)));
        read.unwrap_or_else(|_| Err(error::file(path, "it is damaged")))?;
    }
    if let Some((path, place, row)) = unlabeled {
        let is_all = texts.is_empty() && !numbers;
        return Err(no_label(&path, place, &row, columns, split, is_all));
    }
    if texts.is_empty() {
        return Ok(names.to_vec());
    }
    if numbers {
        let cause = format!(
            "{}: column {} has numbers in some files and texts in others",
            files[0].display(),
            columns.label
        );
        return Err(Error::input(cause, "write all labels alike"));
    }
    if split == Split::Test && names.is_empty() {
        let cause = format!(
            "{}: column {} has texts, those of the training images numbers",
            files[0].display(),
            columns.label
        );
        return Err(Error::input(cause, "write all labels alike"));
    }
    let given = if names.is_empty() { texts.keys().cloned().collect() } else { names.to_vec() };
    let mut of = vec![0; texts.len()];
    for (text, number) in &texts {
        let place = given.iter().position(|name| name == text).ok_or_else(|| {
            let cause = format!(
                "{}: class {text} is not among those of the training images",
                files[0].display()
            );
            Error::input(cause, "give both splits the same classes")
        })?;
        of[*number as usize] = place as u32;
    }
    packer.relabel(|number| of[number as usize]);
    Ok(given)
}

fn rows(
    path: &Path,
    columns: &Columns,
    add: &mut dyn FnMut(usize, &Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let reader = open(path)?;
    let damaged = |e: parquet::errors::ParquetError| error::file(path, e);
    let schema = reader.metadata().file_metadata().schema();
    let is_wanted = |field: &&TypePtr| {
        [&columns.image, &columns.label].iter().any(|name| *name == field.name())
    };
    let fields: Vec<TypePtr> = schema.get_fields().iter().filter(is_wanted).cloned().collect();
    if fields.len() != 2 {
        let cause = format!(
            "{}: there is no column {} or {}",
            path.display(),
            columns.image,
            columns.label
        );
        return Err(Error::input(cause, "give all files the same columns"));
    }
    let projection =
        Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(damaged)?;
    let mut place = 0;
    for number in 0..reader.num_row_groups() {
        let group = Checked(reader.get_row_group(number).map_err(damaged)?);
        for row in group.get_row_iter(Some(projection.clone())).map_err(damaged)? {
            add(place, &row.map_err(damaged)?)?;
            place += 1;
        }
    }
    Ok(())
}

enum Label {
    Number(u32),
    Text(String),
    /// Null or -1, which data sets use for a missing label.
    None,
    Other,
}

fn cells<'a>(row: &'a Row, columns: &Columns) -> (Option<&'a [u8]>, Label) {
    let mut bytes = None;
    let mut label = Label::Other;
    for (name, field) in row.get_column_iter() {
        if *name == columns.image {
            bytes = picture(field);
        } else if *name == columns.label {
            label = class(field);
        }
    }
    (bytes, label)
}

fn picture(field: &Field) -> Option<&[u8]> {
    match field {
        Field::Bytes(bytes) => Some(bytes.data()),
        Field::Group(group) => group.get_column_iter().find_map(|(name, field)| match field {
            Field::Bytes(bytes) if name == "bytes" => Some(bytes.data()),
            _ => None,
        }),
        _ => None,
    }
}

fn class(field: &Field) -> Label {
    let number = match *field {
        Field::Null => return Label::None,
        Field::Str(ref text) => return Label::Text(text.clone()),
        Field::Bytes(ref bytes) => {
            return std::str::from_utf8(bytes.data())
                .map_or(Label::Other, |text| Label::Text(text.to_owned()));
        }
        Field::Bool(is) => i128::from(is),
        Field::Byte(n) => n.into(),
        Field::Short(n) => n.into(),
        Field::Int(n) => n.into(),
        Field::Long(n) => n.into(),
        Field::UByte(n) => n.into(),
        Field::UShort(n) => n.into(),
        Field::UInt(n) => n.into(),
        Field::ULong(n) => n.into(),
        _ => return Label::Other,
    };
    if number == -1 {
        return Label::None;
    }
    // A larger number is not accepted as a class: the network would need that many outputs.
    const MOST: i128 = 1_000_000;
    if (0..MOST).contains(&number) { Label::Number(number as u32) } else { Label::Other }
}

/// A cell for an error message: its value if it is short, and its type.
fn shown(row: &Row, column: &str) -> String {
    let cell = row.get_column_iter().find(|(name, _)| *name == column).map(|(_, field)| field);
    match cell {
        None => "missing".into(),
        Some(Field::Null) => "null".into(),
        Some(Field::Str(_)) => "text".into(),
        Some(Field::Bytes(_)) => "bytes".into(),
        Some(Field::Group(_)) => "a group of columns".into(),
        Some(Field::ListInternal(_)) => "a list".into(),
        Some(Field::Float16(value)) => format!("{value} (float16)"),
        Some(Field::Float(value)) => format!("{value} (float32)"),
        Some(Field::Double(value)) => format!("{value} (float64)"),
        Some(other) => format!("{other}"),
    }
}

fn no_picture(path: &Path, place: usize, row: &Row, columns: &Columns) -> Error {
    let image = &columns.image;
    let cell = row.get_column_iter().find(|(name, _)| *name == image).map(|(_, field)| field);
    if let Some(Field::Group(group)) = cell {
        let by_path = group.get_column_iter().find_map(|(name, field)| match field {
            Field::Str(path) if name == "path" => Some(path.clone()),
            _ => None,
        });
        let cause = format!("{}: column {image} has no bytes in row {place}", path.display());
        let cause = by_path.map_or(cause.clone(), |path| format!("{cause}, only the path {path}"));
        return Error::input(
            cause,
            "write the pictures themselves into the files (datasets: embed_external_files=True)",
        );
    }
    let cause =
        format!("{}: column {image} is {} in row {place}", path.display(), shown(row, image));
    Error::input(
        cause,
        "the column must hold encoded pictures (JPEG, PNG, ...) as bytes, or as bytes and path",
    )
}

fn wrong_label(path: &Path, place: usize, row: &Row, columns: &Columns) -> Error {
    let cause = format!(
        "{}: column {} is {} in row {place}",
        path.display(),
        columns.label,
        shown(row, &columns.label)
    );
    Error::input(cause, "labels must be whole numbers from 0 on, or texts")
}

fn no_label(
    path: &Path,
    place: usize,
    row: &Row,
    columns: &Columns,
    split: Split,
    is_all: bool,
) -> Error {
    let file = path.display();
    let cell = shown(row, &columns.label);
    let label = &columns.label;
    if split == Split::Test && is_all {
        let cause = format!("{file}: test has no labels (column {label} is {cell})");
        return Error::input(
            cause,
            "add a split with labels: files with validation in their names are preferred",
        );
    }
    let which = if split == Split::Test { "test" } else { "train" };
    let cause = format!("{file}: {which} lacks labels: column {label} is {cell} in row {place}");
    Error::input(cause, "remove such rows, or give them labels")
}

fn open(path: &Path) -> Result<SerializedFileReader<DescribedFile>, Error> {
    let file = File::open(path).map_err(|e| error::io(path, e))?;
    let opened =
        catch_unwind(AssertUnwindSafe(|| SerializedFileReader::new(DescribedFile::new(file)?)));
    let opened = opened
        .unwrap_or_else(|_| Err(parquet::errors::ParquetError::General("it is damaged".into())));
    opened.map_err(|e| match crate::sniff::of_file(path) {
        Some(content) if content != crate::sniff::Content::Other("a Parquet file") => {
            Error::input(format!("{}: {}", path.display(), content.said()), "get the file again")
        }
        _ => error::file(path, e),
    })
}
