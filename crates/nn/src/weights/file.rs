//! An opened file of weights: descriptions of its tensors. Values are read only on request, so that
//! other contents of the file (optimizer states, other copies) cost nothing and cannot cause
//! errors.

use super::format::{self, Format};
use super::{pth, shards};
use res2lab_error::Error;
use safetensors::{Dtype as Safe, SafeTensors};
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Kind, Tensor};
use xxhash_rust::xxh3::xxh3_64;
use zip::ZipArchive;

/// The description of one tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// The names of the dicts around the tensor and its own name, joined by dots.
    pub name: String,
    /// The number of the dict that contains the tensor.
    pub dict: usize,
    /// The position of its own name, after those of the dicts.
    pub own: usize,
    pub shape: Vec<usize>,
    /// PyTorch's name of the type, e.g. float32.
    pub dtype: String,
    /// The type, if its values can be read as weights.
    pub kind: Option<Kind>,
    pub(crate) part: usize,
    pub(crate) place: Place,
}

/// The location of a tensor's values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// A contiguous range of the file.
    Bytes(Range<usize>),
    /// A strided view of a storage.
    View { storage: String, first: usize, strides: Vec<usize> },
    /// The values cannot be read, for this reason.
    Nowhere(String),
}

/// The content of a file or of a shard.
pub(crate) enum Part {
    Bytes(Vec<u8>),
    Zip { archive: ZipArchive<Cursor<Arc<[u8]>>>, folder: String },
    Legacy { bytes: Vec<u8>, storages: std::collections::HashMap<String, Range<usize>> },
}

/// A file of weights: safetensors, a `.pth` of PyTorch, or an index of such files.
pub struct WeightsFile {
    /// The file.
    pub path: PathBuf,
    /// The choice after `#` among several networks of a file.
    pub choice: Option<String>,
    /// The digest of the content, or of all files that an index names: 16 hex digits.
    pub digest: String,
    /// All tensors, in the order of the file.
    pub tensors: Vec<StoredTensor>,
    /// Other classes and functions that the file names. None of them was instantiated or called.
    pub beside: Vec<String>,
    /// The class of a whole network that was pickled into it.
    pub(crate) whole: Option<String>,
    pub(crate) parts: Vec<Part>,
}

/// The contents of one file or shard.
pub(crate) struct Content {
    pub part: Part,
    pub tensors: Vec<StoredTensor>,
    pub beside: Vec<String>,
    pub whole: Option<String>,
}

impl StoredTensor {
    /// Whether this is a tensor, and not another value among tensors.
    pub(crate) fn is_tensor(&self) -> bool {
        self.dtype != UNKNOWN
    }
}

/// The type name of values that are not tensors.
pub(crate) const UNKNOWN: &str = "unknown";

impl WeightsFile {
    /// Opens `path`, or `path#choice`. The content decides which format it is.
    pub fn open(path: &Path) -> Result<WeightsFile, Error> {
        let (path, choice) = split_choice(path);
        let bytes = read(&path)?;
        let refuse = |(why, help): (String, String)| {
            Error::machine(format!("{}: {why}", path.display()), help)
        };
        let name = path.to_string_lossy();
        let format = format::recognize(&bytes, &name).map_err(refuse)?;
        if matches!(format, Format::Safetensors) {
            // Files of res2lab have a checksum.
            super::verify(&bytes, &path)?;
        }
        let contents = match format {
            Format::Index => shards::read(&path, &bytes)?,
            format => {
                let digest = xxh3_64(&bytes);
                vec![(content(format, bytes).map_err(refuse)?, digest)]
            }
        };
        let (contents, digests): (Vec<Content>, Vec<u64>) = contents.into_iter().unzip();
        let digests: Vec<u8> = digests.into_iter().flat_map(u64::to_le_bytes).collect();
        let tensors = vec![];
        let beside = vec![];
        let parts = vec![];
        let digest = format!("{:016x}", xxh3_64(&digests));
        let mut file =
            WeightsFile { path: path.clone(), choice, digest, tensors, beside, whole: None, parts };
        for (part, content) in contents.into_iter().enumerate() {
            file.tensors.extend(content.tensors.into_iter().map(|t| StoredTensor { part, ..t }));
            file.beside.extend(content.beside);
            file.whole = file.whole.or(content.whole);
            file.parts.push(content.part);
        }
        file.beside.sort();
        file.beside.dedup();
        Ok(file)
    }

    /// A reader of the values of tensors.
    pub fn reader(&self) -> Reader<'_> {
        Reader { file: self, last: None }
    }
}

/// Splits `file#choice`, unless a file has this name.
fn split_choice(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, choice)) if !path.exists() && !choice.contains('/') => {
            (file.into(), Some(choice.to_owned()))
        }
        _ => (path.to_owned(), None),
    }
}

/// The file of `path` or `path#choice`.
pub fn file_of(path: &Path) -> PathBuf {
    split_choice(path).0
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    if path.is_dir() {
        let (what, help) = format::folder(path);
        return Err(Error::machine(format!("{}: {what}", path.display()), help));
    }
    std::fs::read(path).map_err(|e| {
        let help = "check the path; `res2lab weights NAME` downloads published weights";
        Error::machine(format!("{}: {e}", path.display()), help)
    })
}

/// Opens one file that is not an index.
pub(crate) fn content(format: Format, bytes: Vec<u8>) -> Result<Content, (String, String)> {
    match format {
        Format::Zip => pth::zip(bytes),
        Format::Legacy => pth::legacy(bytes),
        _ => from_safetensors(bytes).map_err(|why| (why, "get the file again".into())),
    }
}

fn from_safetensors(bytes: Vec<u8>) -> Result<Content, String> {
    let begin = bytes.as_ptr() as usize;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format!("it is damaged: {e}"))?;
    let tensor = |(name, view): (String, safetensors::tensor::TensorView)| {
        let start = view.data().as_ptr() as usize - begin;
        let place = Place::Bytes(start..start + view.data().len());
        let (dtype, kind) = dtype(view.dtype());
        StoredTensor {
            name,
            dict: 0,
            own: 0,
            shape: view.shape().to_vec(),
            dtype,
            kind,
            part: 0,
            place,
        }
    };
    let mut tensors: Vec<StoredTensor> = file.tensors().into_iter().map(tensor).collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Content { part: Part::Bytes(bytes), tensors, beside: vec![], whole: None })
}

/// PyTorch's name of a type, and the type if it can be that of weights.
fn dtype(of: Safe) -> (String, Option<Kind>) {
    let (name, kind) = match of {
        Safe::F64 => ("float64", Some(Kind::Double)),
        Safe::F32 => ("float32", Some(Kind::Float)),
        Safe::F16 => ("float16", Some(Kind::Half)),
        Safe::BF16 => ("bfloat16", Some(Kind::BFloat16)),
        Safe::F8_E4M3 => ("float8_e4m3fn", None),
        Safe::F8_E5M2 => ("float8_e5m2", None),
        Safe::I64 => ("int64", None),
        Safe::I32 => ("int32", None),
        Safe::I16 => ("int16", None),
        Safe::I8 => ("int8", None),
        Safe::U8 => ("uint8", None),
        Safe::BOOL => ("bool", None),
        Safe::U64 => ("uint64", None),
        Safe::U32 => ("uint32", None),
        Safe::U16 => ("uint16", None),
        Safe::C64 => ("complex64", None),
        other => return (format!("{other:?}").to_ascii_lowercase(), None),
    };
    (name.to_owned(), kind)
}

/// Reads the values of tensors. It keeps the last storage, since consecutive tensors often share
/// one.
pub struct Reader<'a> {
    file: &'a WeightsFile,
    last: Option<(usize, String, Vec<u8>)>,
}

/// The most elements of a tensor that repeats values by its strides; weights are never larger.
const REPEATED: usize = 1 << 28;

impl Reader<'_> {
    /// Reads a tensor to the host, in its own type. Error messages continue "tensor NAME".
    pub fn read(&mut self, t: &StoredTensor) -> Result<Tensor, String> {
        if let Place::Nowhere(why) = &t.place {
            return Err(why.clone());
        }
        let kind = t.kind.ok_or_else(|| not_weights(&t.dtype))?;
        let shape: Vec<i64> = t.shape.iter().map(|&n| n as i64).collect();
        let tensor =
            |bytes: &[u8]| Tensor::f_from_data_size(bytes, &shape, kind).map_err(|e| e.to_string());
        match &t.place {
            Place::Nowhere(why) => Err(why.clone()),
            Place::Bytes(range) => match &self.file.parts[t.part] {
                Part::Bytes(bytes) => tensor(bytes.get(range.clone()).unwrap_or_default()),
                _ => Err("lies in no file".into()),
            },
            Place::View { storage, first, strides } => {
                let content = self.storage(t.part, storage)?;
                let size = kind.elt_size_in_bytes();
                tensor(&gathered(content, size, &t.shape, *first, strides)?)
            }
        }
    }

    fn storage(&mut self, part: usize, key: &str) -> Result<&[u8], String> {
        if !matches!(&self.last, Some((p, k, _)) if *p == part && k == key) {
            self.last = Some((part, key.to_owned(), self.load(part, key)?));
        }
        Ok(self.last.as_ref().map_or(&[][..], |(.., content)| content))
    }

    fn load(&self, part: usize, key: &str) -> Result<Vec<u8>, String> {
        match &self.file.parts[part] {
            Part::Bytes(_) => Err("lies in no storage".into()),
            // Reads through the archive verify the checksum of the entry.
            Part::Zip { archive, folder } => {
                entry(&mut archive.clone(), &format!("{folder}data/{key}"))
            }
            Part::Legacy { bytes, storages } => {
                let range = storages
                    .get(key)
                    .cloned()
                    .ok_or("refers to a storage that the file does not have")?;
                Ok(bytes.get(range).unwrap_or_default().to_vec())
            }
        }
    }
}

/// The reason why values of this type are not weights.
pub(crate) fn not_weights(dtype: &str) -> String {
    if dtype.starts_with("float8") || dtype.starts_with("f8") {
        return format!("is of type {dtype}; convert it to float32 and save the file again");
    }
    format!("is of type {dtype}, which weights never are")
}

/// The whole content of an entry of a zip archive.
pub(crate) fn entry(
    archive: &mut ZipArchive<Cursor<Arc<[u8]>>>,
    name: &str,
) -> Result<Vec<u8>, String> {
    let mut file = archive.by_name(name).map_err(|e| format!("{name} in the zip archive: {e}"))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)
        .map_err(|e| format!("{name} in the zip archive is damaged: {e}"))?;
    Ok(content)
}

/// Gathers a strided view of a storage into contiguous values.
fn gathered(
    content: &[u8],
    size: usize,
    shape: &[usize],
    first: usize,
    strides: &[usize],
) -> Result<Vec<u8>, String> {
    let impossible = "has an impossible offset, size or stride";
    let available = content.len() / size;
    let count = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)).ok_or(impossible)?;
    let repeats = shape.iter().zip(strides).any(|(&side, &stride)| side > 1 && stride == 0);
    if count > available && !(repeats && count <= REPEATED) {
        return Err(format!("wants {count} values of a storage of {available}"));
    }
    let mut sides = shape.iter().zip(strides);
    let last = sides.try_fold(first, |at, (&side, &stride)| {
        at.checked_add(side.saturating_sub(1).checked_mul(stride)?)
    });
    if count > 0 && last.is_none_or(|last| last >= available) {
        return Err(format!("reaches beyond its storage of {available} values"));
    }
    if is_contiguous(shape, strides) {
        return Ok(content.get(first * size..(first + count) * size).unwrap_or_default().to_vec());
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = first + index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>();
        bytes.extend_from_slice(&content[at * size..(at + 1) * size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok(bytes)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == expected;
        expected *= side;
        fits
    })
}
