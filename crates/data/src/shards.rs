//! Pictures in Parquet as Hugging Face keeps them: a column of (bytes, path) and a column of whole numbers, in files
//! `train-*.parquet` and `test-*.parquet` (or `validation-*`).

use crate::pack::Packer;
use crate::{DataError, Split};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Whether `dir` (or its folder `data`) holds such files.
pub fn is_one(dir: &Path) -> bool {
    !files(dir, Split::Train).is_empty()
}

/// The files of a split, in alphabetical order.
pub fn files(dir: &Path, split: Split) -> Vec<PathBuf> {
    let prefixes: &[&str] = if split == Split::Train { &["train"] } else { &["validation", "val", "test"] };
    for prefix in prefixes {
        for folder in [dir.to_owned(), dir.join("data")] {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let is_shard = |path: &PathBuf| {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                name.starts_with(prefix) && name.ends_with(".parquet")
            };
            let mut found: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_shard).collect();
            if !found.is_empty() {
                found.sort();
                return found;
            }
        }
    }
    vec![]
}

/// Number of rows, from the files' footers.
pub fn count(dir: &Path, split: Split) -> Result<usize, DataError> {
    let rows = |path: &PathBuf| Ok(open(path)?.metadata().file_metadata().num_rows() as usize);
    files(dir, split).iter().map(rows).sum()
}

/// Class names, where the files carry Hugging Face's description of their columns.
pub fn classes(dir: &Path) -> Result<Vec<String>, DataError> {
    let Some(path) = files(dir, Split::Train).into_iter().next() else { return Ok(vec![]) };
    let reader = open(&path)?;
    let label = columns(&reader, &path)?.1;
    let described = reader.metadata().file_metadata().key_value_metadata().and_then(|all| {
        let text = all.iter().find(|kv| kv.key == "huggingface")?.value.clone()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        serde_json::from_value(json["info"]["features"][&label]["names"].clone()).ok()
    });
    Ok(described.unwrap_or_default())
}

/// Adds every picture of a split, still encoded.
pub fn unpack(dir: &Path, split: Split, packer: &mut Packer) -> Result<(), DataError> {
    for path in files(dir, split) {
        let reader = open(&path)?;
        let (image, label) = columns(&reader, &path)?;
        let damaged = |e: parquet::errors::ParquetError| DataError::file(&path, e);
        for (number, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
            let row = row.map_err(damaged)?;
            let (mut bytes, mut class) = (None, None);
            for (name, field) in row.get_column_iter() {
                match field {
                    Field::Group(group) if *name == image => {
                        bytes = group.get_column_iter().find_map(|(name, field)| match field {
                            Field::Bytes(bytes) if name == "bytes" => Some(bytes.data().to_vec()),
                            _ => None,
                        });
                    }
                    field if *name == label => class = whole_number(field),
                    _ => {}
                }
            }
            let (Some(bytes), Some(class)) = (bytes, class) else {
                return Err(DataError::file(&path, format!("row {number} has no picture or no label")));
            };
            packer.add(&bytes, (0, 0), class).map_err(|e| DataError::io(&path, &e))?;
        }
    }
    Ok(())
}

fn whole_number(field: &Field) -> Option<u32> {
    match *field {
        Field::Long(n) => u32::try_from(n).ok(),
        Field::Int(n) => u32::try_from(n).ok(),
        Field::Byte(n) => u32::try_from(n).ok(),
        Field::Short(n) => u32::try_from(n).ok(),
        Field::UByte(n) => Some(n.into()),
        Field::UShort(n) => Some(n.into()),
        Field::UInt(n) => Some(n),
        Field::ULong(n) => u32::try_from(n).ok(),
        _ => None,
    }
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let file = File::open(path).map_err(|e| DataError::io(path, &e))?;
    SerializedFileReader::new(file).map_err(|e| DataError::file(path, e))
}

/// The names of the columns of pictures and of labels.
fn columns(reader: &SerializedFileReader<File>, path: &Path) -> Result<(String, String), DataError> {
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<&str> = schema.get_fields().iter().map(|f| f.name()).collect();
    // CIFAR-100 has two levels of classes; the fine one is what everybody trains.
    let find = |wanted: &[&str]| wanted.iter().find(|w| names.contains(w)).map(|w| (*w).to_owned());
    let (image, label) = (find(&["image", "img"]), find(&["fine_label", "label", "labels"]));
    image.zip(label).ok_or_else(|| {
        DataError::new(
            format!("{}: columns are {}", path.display(), names.join(", ")),
            "give Parquet files with a column image (or img) of bytes and path, and a column label",
        )
    })
}
