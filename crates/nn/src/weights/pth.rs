//! PyTorch's `.pth`: the zip format (a pickle and one entry per storage) and the one before 2020 (pickles, then storages).
//! Both hold tensors as views into storages: an offset, a size and strides.

use super::pickle::{self, Id, Pickle, Value};
use super::state_dict::{StateDict, StoredTensor};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Cursor, Read};
use tch::Kind;
use zip::ZipArchive;

/// Raw values by the key that the pickle calls them.
type Storages = HashMap<String, Vec<u8>>;

/// What a pickle says of a storage.
struct StorageRef {
    key: String,
    kind: Kind,
    /// Where a view of an old file begins in the storage, in elements.
    view_offset: usize,
}

/// The format of `torch.save` since 2020.
pub fn read_zip(bytes: &[u8]) -> Result<StateDict, String> {
    let broken = |e: zip::result::ZipError| format!("the zip archive is damaged or cut off: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let name = archive.file_names().find(|name| name.ends_with("/data.pkl")).map(str::to_owned);
    let name = name.ok_or("the zip archive has no data.pkl: torch.save did not write it")?;
    let folder = name.trim_end_matches("data.pkl").to_owned();
    if let Ok(order) = entry(&mut archive, &format!("{folder}byteorder"))
        && order.starts_with(b"big")
    {
        return Err("it was written on a big-endian machine; save it again on another".into());
    }
    let (pickle, _) = pickle::read(&entry(&mut archive, &name)?)?;
    let mut storages = Storages::new();
    let dict = state_dict(&pickle)?;
    for (_, id) in &dict {
        let storage = storage_of(&pickle, *id)?;
        if let Entry::Vacant(place) = storages.entry(storage.key) {
            let content = entry(&mut archive, &format!("{folder}data/{}", place.key()))?;
            place.insert(content);
        }
    }
    tensors(&pickle, &dict, &storages)
}

fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, String> {
    let mut file = archive.by_name(name).map_err(|e| format!("{name} in the zip archive: {e}"))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(|e| format!("{name} in the zip archive: {e}"))?;
    Ok(content)
}

/// The format of `torch.save` before 2020: magic number, protocol, machine, object, storage keys, storages.
pub fn read_legacy(bytes: &[u8]) -> Result<StateDict, String> {
    const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
    const PROTOCOL: i128 = 1001;
    let mut at = 0;
    let mut next = || -> Result<Pickle, String> {
        let (pickle, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok(pickle)
    };
    let magic = next()?;
    if magic.int(magic.root) != Some(MAGIC) {
        return Err("it is a pickle, but torch.save did not write it".into());
    }
    let protocol = next()?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        return Err("it is in a protocol of torch.save that is not known here".into());
    }
    let machine = next()?;
    if let Value::Dict(entries) = machine.get(machine.root)
        && let Some(order) = machine.entry(entries, "little_endian")
        && machine.get(order) == &Value::Bool(false)
    {
        return Err("it was written on a big-endian machine; save it again on another".into());
    }
    let pickle = next()?;
    let dict = state_dict(&pickle)?;
    let keys = next()?;
    // Sizes of elements stand only in the pickle, so every storage must be one that a tensor there refers to.
    let mut element_sizes = HashMap::new();
    for value in &pickle.values {
        if let Value::Persistent(description) = value {
            let storage = storage(&pickle, *description)?;
            element_sizes.insert(storage.key, storage.kind.elt_size_in_bytes());
        }
    }
    let mut storages = Storages::new();
    for &key in keys.items(keys.root).ok_or("its list of storages is not a list")? {
        let key = keys.text(key).ok_or("a storage's key is not text")?;
        let size = *element_sizes.get(key).ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        storages.insert(key.to_owned(), legacy_storage(bytes, &mut at, size, key)?);
    }
    tensors(&pickle, &dict, &storages)
}

/// A count of elements (int64), then the elements.
fn legacy_storage(bytes: &[u8], at: &mut usize, element_size: usize, key: &str) -> Result<Vec<u8>, String> {
    let cut_off = || format!("storage {key} is cut off");
    let count = bytes.get(*at..*at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or_else(cut_off)?;
    let start = *at + 8;
    let length = (count as usize).checked_mul(element_size).ok_or_else(cut_off)?;
    let end = start.checked_add(length).ok_or_else(cut_off)?;
    let content = bytes.get(start..end).ok_or_else(cut_off)?.to_vec();
    *at = end;
    Ok(content)
}

/// Names and tensors of the state dict, which checkpoints of training scripts wrap in another dict.
fn state_dict(pickle: &Pickle) -> Result<Vec<(String, Id)>, String> {
    let mut id = pickle.root;
    for _ in 0..3 {
        let Value::Dict(entries) = pickle.get(id) else { break };
        let inner = ["state_dict", "model_state_dict", "model"].iter().find_map(|key| pickle.entry(entries, key));
        match inner {
            Some(inner) if matches!(pickle.get(inner), Value::Dict(_)) => id = inner,
            _ => break,
        }
    }
    let Value::Dict(entries) = pickle.get(id) else {
        return Err("it does not hold a dict of tensors".into());
    };
    let mut named = Vec::new();
    for &(key, value) in entries {
        let name = pickle.text(key).ok_or("a tensor's name is not text")?;
        match pickle.get(value) {
            Value::Call { .. } => named.push((name.to_owned(), value)),
            // An epoch, an accuracy: nothing to load.
            Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Str(_) | Value::None => {}
            _ => return Err(format!("{name} is not a tensor")),
        }
    }
    if named.is_empty() {
        return Err("it holds no tensors".into());
    }
    Ok(named)
}

/// The arguments of the call that rebuilds a tensor; a parameter is a tensor inside another call.
fn rebuild_args(pickle: &Pickle, id: Id) -> Result<&[Id], String> {
    let Value::Call { function, args } = pickle.get(id) else { return Err("is not a tensor".into()) };
    let args = pickle.items(*args).ok_or("is rebuilt from something that is not a tuple")?;
    match function.as_str() {
        "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" if args.len() >= 4 => Ok(args),
        "torch._utils._rebuild_parameter" if !args.is_empty() => match pickle.get(args[0]) {
            Value::Call { function, args } if function.starts_with("torch._utils._rebuild_tensor") => {
                pickle.items(*args).filter(|args| args.len() >= 4).ok_or_else(|| "is rebuilt from too little".into())
            }
            _ => Err("is a parameter of something that is not a tensor".into()),
        },
        other => Err(format!("is rebuilt by {other}")),
    }
}

fn storage_of(pickle: &Pickle, tensor: Id) -> Result<StorageRef, String> {
    let args = rebuild_args(pickle, tensor)?;
    match pickle.get(args[0]) {
        Value::Persistent(description) => storage(pickle, *description),
        _ => Err("has no storage".into()),
    }
}

/// `("storage", class, key, device, elements)`, in old files with a view `(key, offset, elements)` behind.
fn storage(pickle: &Pickle, description: Id) -> Result<StorageRef, String> {
    let unknown = "a storage is described in a way that is not known here";
    let parts = pickle.items(description).filter(|parts| parts.len() >= 5).ok_or(unknown)?;
    let Value::Global(class) = pickle.get(parts[1]) else { return Err(unknown.into()) };
    let kind = match class.rsplit('.').next().unwrap_or_default() {
        "DoubleStorage" => Kind::Double,
        "FloatStorage" => Kind::Float,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return Err(unknown.into()),
    };
    let key = pickle.text(parts[2]).ok_or(unknown)?.to_owned();
    let view = parts.get(5).and_then(|&view| pickle.items(view)).and_then(|view| pickle.int(*view.get(1)?));
    Ok(StorageRef { key, kind, view_offset: usize::try_from(view.unwrap_or(0)).map_err(|_| unknown)? })
}

fn tensors(pickle: &Pickle, dict: &[(String, Id)], storages: &Storages) -> Result<StateDict, String> {
    let one = |(name, id): &(String, Id)| {
        tensor(pickle, *id, storages)
            .map(|(shape, kind, bytes)| StoredTensor { name: name.clone(), shape, kind, bytes })
            .map_err(|why| format!("tensor {name} {why}"))
    };
    Ok(StateDict { tensors: dict.iter().map(one).collect::<Result<_, _>>()? })
}

/// Follows the strides through the storage, which leaves the values row by row.
fn tensor(pickle: &Pickle, id: Id, storages: &Storages) -> Result<(Vec<usize>, Kind, Vec<u8>), String> {
    let args = rebuild_args(pickle, id)?;
    let storage = storage_of(pickle, id)?;
    let content = storages.get(&storage.key).ok_or("refers to a storage that the file does not have")?;
    let numbers = |id: Id| -> Option<Vec<usize>> {
        pickle.items(id)?.iter().map(|&n| usize::try_from(pickle.int(n)?).ok()).collect()
    };
    let impossible = "has an impossible offset, size or stride";
    let offset = pickle.int(args[1]).and_then(|n| usize::try_from(n).ok()).ok_or(impossible)?;
    let (shape, strides) = (numbers(args[2]).ok_or(impossible)?, numbers(args[3]).ok_or(impossible)?);
    if shape.len() != strides.len() || shape.len() > 8 {
        return Err(impossible.into());
    }
    let size = storage.kind.elt_size_in_bytes();
    let available = content.len() / size;
    let count = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)).ok_or(impossible)?;
    // A tensor larger than its storage repeats values; no weights do, and a few bytes could fill all memory.
    if count > available {
        return Err(format!("wants {count} values of a storage of {available}"));
    }
    let first = offset.checked_add(storage.view_offset).ok_or(impossible)?;
    let last = shape
        .iter()
        .zip(&strides)
        .try_fold(first, |at, (&side, &stride)| at.checked_add(side.saturating_sub(1).checked_mul(stride)?));
    if count > 0 && last.is_none_or(|last| last >= available) {
        return Err(format!("reaches beyond its storage of {available} values"));
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = first + index.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>();
        bytes.extend_from_slice(&content[at * size..(at + 1) * size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok((shape, storage.kind, bytes))
}
