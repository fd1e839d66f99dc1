//! PyTorch's `.pth` files: the zip format (a pickle and one entry per storage) and the format
//! before 2020 (pickles, then storages). In both, tensors are views of storages: an offset, a size
//! and strides.

use super::HOSTILE;
use super::file::{Content, Part, entry};
use super::format::{self, Refusal};
use super::pickle::{self, Pickle, Value};
use super::rebuilt;
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;
use zip::ZipArchive;

const AGAIN: &str = "get the file again, whole";
const BIG_ENDIAN: (&str, &str) =
    ("it was written on a big-endian machine", "save it again on another machine");
const STATE_DICT: &str = "save the weights alone: torch.save(model.state_dict(), \"weights.pth\")";

/// The format of `torch.save` since 2020.
pub(crate) fn zip(bytes: Vec<u8>) -> Result<Content, Refusal> {
    let broken = |e: zip::result::ZipError| {
        (format!("the zip archive is damaged or cut off: {e}"), AGAIN.to_owned())
    };
    let mut archive = ZipArchive::new(Cursor::new(Arc::<[u8]>::from(bytes))).map_err(broken)?;
    let names: Vec<&str> = archive.file_names().collect();
    if let Some(refusal) = format::zip_kind(&names) {
        return Err(refusal);
    }
    let is_pickle = |name: &&&str| name.ends_with("/data.pkl") || **name == "data.pkl";
    let name = (*names.iter().find(is_pickle).unwrap_or(&"data.pkl")).to_owned();
    let folder = name.trim_end_matches("data.pkl").to_owned();
    if entry(&mut archive, &format!("{folder}byteorder"))
        .is_ok_and(|order| order.starts_with(b"big"))
    {
        return Err((BIG_ENDIAN.0.into(), BIG_ENDIAN.1.into()));
    }
    let text = entry(&mut archive, &name).map_err(|why| (why, AGAIN.to_owned()))?;
    let (pickle, _) = pickle::read(&text).map_err(with_help)?;
    found(&pickle, Part::Zip { archive, folder })
}

/// The format of `torch.save` before 2020: magic number, protocol, machine, object, storage keys,
/// storages.
pub(crate) fn legacy(bytes: Vec<u8>) -> Result<Content, Refusal> {
    const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
    const PROTOCOL: i128 = 1001;
    let mut at = 0;
    let mut next = || -> Result<Pickle, Refusal> {
        let (pickle, length) = pickle::read(&bytes[at..]).map_err(with_help)?;
        at += length;
        Ok(pickle)
    };
    let magic = next()?;
    if magic.int(magic.root) != Some(MAGIC) {
        let help = "save the weights by PyTorch: torch.save(state_dict, \"weights.pth\"), or as safetensors";
        return Err(("it is a pickle, but torch.save did not write it".into(), help.into()));
    }
    let protocol = next()?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        return Err((
            "it is in a protocol of torch.save that is not known here".into(),
            AGAIN.into(),
        ));
    }
    let machine = next()?;
    if let Some(order) =
        machine.entries(machine.root).and_then(|e| machine.entry(e, "little_endian"))
        && machine.get(order) == &Value::Bool(false)
    {
        return Err((BIG_ENDIAN.0.into(), BIG_ENDIAN.1.into()));
    }
    let pickle = next()?;
    let keys = next()?;
    let storages = storages(&bytes, at, &pickle, &keys).map_err(|why| (why, AGAIN.to_owned()))?;
    found(&pickle, Part::Legacy { bytes, storages })
}

/// The location of each storage. Element sizes are only in the pickle, so every storage must be
/// described there.
fn storages(
    bytes: &[u8],
    mut at: usize,
    pickle: &Pickle,
    keys: &Pickle,
) -> Result<HashMap<String, std::ops::Range<usize>>, String> {
    let mut sizes = HashMap::new();
    for value in &pickle.values {
        if let Value::Persistent(description) = value
            && let Some(storage) = rebuilt::storage(pickle, *description)
        {
            sizes.insert(storage.key, storage.element_size);
        }
    }
    let mut storages = HashMap::new();
    for &key in keys.items(keys.root).ok_or("its list of storages is not a list")? {
        let key = keys.text(key).ok_or("a storage's key is not text")?;
        let size = sizes.get(key).ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let size =
            size.ok_or_else(|| format!("storage {key} is of a type that is not known here"))?;
        let range =
            legacy_storage(bytes, at, size).ok_or_else(|| format!("storage {key} is cut off"))?;
        at = range.end;
        storages.insert(key.to_owned(), range);
    }
    Ok(storages)
}

/// Reads a storage: a count of elements (int64), then the elements.
fn legacy_storage(bytes: &[u8], at: usize, element_size: usize) -> Option<std::ops::Range<usize>> {
    let count = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
    let start = at + 8;
    let end = start.checked_add(usize::try_from(count).ok()?.checked_mul(element_size)?)?;
    (end <= bytes.len()).then_some(start..end)
}

/// The tensors of the pickle, or an error that names what it contains instead.
fn found(pickle: &Pickle, part: Part) -> Result<Content, Refusal> {
    let tensors = rebuilt::tensors(pickle);
    if tensors.is_empty() {
        return Err(nothing(pickle));
    }
    Ok(Content { part, tensors, beside: beside(pickle), whole: whole(pickle) })
}

/// The class of a network that was pickled whole.
fn whole(pickle: &Pickle) -> Option<String> {
    let is_module = |made: &pickle::Made| {
        let state = made.state.and_then(|id| pickle.entries(id));
        state.is_some_and(|entries| pickle.entry(entries, "_modules").is_some())
    };
    // The outermost object is made first.
    pickle.values.iter().find_map(|value| match value {
        Value::Made(made) if is_module(made) => Some(made.by.clone()),
        _ => None,
    })
}

fn nothing(pickle: &Pickle) -> Refusal {
    let is_array = |value: &Value| matches!(value, Value::Made(made) if made.by.ends_with("multiarray._reconstruct"));
    if let Some(class) = whole(pickle) {
        let what = format!(
            "it is a whole pickled network (torch.save(model), a {class}), not its weights"
        );
        return (what, format!("{STATE_DICT}, in a program that has that class"));
    }
    match pickle.get(pickle.root) {
        _ if pickle.values.iter().any(is_array) => {
            let help = "turn them into tensors: torch.save({k: torch.from_numpy(v) for k, v in state.items()}, FILE)";
            ("it holds arrays of NumPy, no tensors".into(), help.into())
        }
        Value::Dict(_) => ("it holds no tensors".into(), STATE_DICT.into()),
        Value::Made(made) => {
            (format!("it holds a {}, not a dict of tensors", made.by), STATE_DICT.into())
        }
        _ => ("it does not hold a dict of tensors".into(), STATE_DICT.into()),
    }
}

/// Names of classes and functions in a file that do not belong to its tensors.
fn beside(pickle: &Pickle) -> Vec<String> {
    const PLAIN: [&str; 5] = [
        "collections.OrderedDict",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "_codecs.encode",
        "builtins",
    ];
    let is_known =
        |name: &str| PLAIN.contains(&name) || rebuilt::is_known(name) || name == "builtins.object";
    let mut names: Vec<String> = pickle
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Global(name) if !is_known(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn with_help(why: String) -> Refusal {
    let help = if why.contains("would run code") { HOSTILE } else { AGAIN };
    (why, help.to_owned())
}
