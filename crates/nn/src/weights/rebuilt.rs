//! Tensors in PyTorch's pickles, which are calls of functions that rebuild a tensor from a view of
//! a storage. The calls are interpreted but never executed.

use super::file::{Place, StoredTensor, UNKNOWN};
use super::pickle::{Id, Made, Pickle, Value};
use std::collections::HashSet;
use tch::Kind;

/// The description of a storage in a pickle.
pub(crate) struct Storage {
    pub key: String,
    pub dtype: &'static str,
    /// The element type; None if it is not known.
    pub element_size: Option<usize>,
    /// The offset of a view in the storage in elements, in old files.
    view_offset: usize,
}

/// Storage classes, types and sizes of an element.
const STORAGES: [(&str, &str, usize); 16] = [
    ("DoubleStorage", "float64", 8),
    ("FloatStorage", "float32", 4),
    ("HalfStorage", "float16", 2),
    ("BFloat16Storage", "bfloat16", 2),
    ("LongStorage", "int64", 8),
    ("IntStorage", "int32", 4),
    ("ShortStorage", "int16", 2),
    ("CharStorage", "int8", 1),
    ("ByteStorage", "uint8", 1),
    ("BoolStorage", "bool", 1),
    ("ComplexFloatStorage", "complex64", 8),
    ("ComplexDoubleStorage", "complex128", 16),
    ("QInt8Storage", "qint8", 1),
    ("QUInt8Storage", "quint8", 1),
    ("QInt32Storage", "qint32", 4),
    ("UntypedStorage", "bytes", 1),
];

/// Whether this class or function belongs to a tensor.
pub(crate) fn is_known(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.starts_with("torch.")
        && (name.starts_with("torch._utils._rebuild")
            || name.starts_with("torch._tensor._rebuild")
            || ["torch.Size", "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter"]
                .contains(&name)
            || STORAGES.iter().any(|(class, ..)| *class == last))
}

/// The kind of weights of this type.
fn kind(dtype: &str) -> Option<Kind> {
    match dtype {
        "float64" => Some(Kind::Double),
        "float32" => Some(Kind::Float),
        "float16" => Some(Kind::Half),
        "bfloat16" => Some(Kind::BFloat16),
        _ => None,
    }
}

/// All tensors in dicts, lists and tuples at any depth, and other values among tensors in dicts.
/// Empty if there is no tensor.
pub(crate) fn tensors(pickle: &Pickle) -> Vec<StoredTensor> {
    let mut found = Vec::new();
    // Iterative, since a file may nest arbitrarily deeply. A value that is reached again is not
    // visited twice.
    let mut seen = HashSet::new();
    let mut open = vec![(pickle.root, String::new())];
    while let Some((id, path)) = open.pop() {
        if path.len() > LONGEST || !seen.insert(id) {
            continue;
        }
        let mut inner = Vec::new();
        let own = if path.is_empty() { 0 } else { path.len() + 1 };
        for (key, value) in members(pickle, id) {
            let name = if path.is_empty() { key } else { format!("{path}.{key}") };
            match pickle.get(value) {
                Value::Made(made) if pickle.entries(value).is_none() => {
                    found.push(StoredTensor { own, ..one(pickle, made, name, id) });
                }
                _ => inner.push((value, name)),
            }
        }
        open.extend(inner.into_iter().rev());
    }
    if !found.iter().any(StoredTensor::is_tensor) {
        found.clear();
    }
    found
}

/// The longest names; longer ones come from nesting that no program produces.
const LONGEST: usize = 1000;

/// The members of a dict, a list or a tuple, with their keys as text.
fn members(pickle: &Pickle, id: Id) -> Vec<(String, Id)> {
    if let Some(entries) = pickle.entries(id) {
        let key = |key: Id| match pickle.get(key) {
            Value::Str(text) if text.len() < LONGEST => Some(text.clone()),
            Value::Int(n) => Some(n.to_string()),
            _ => None,
        };
        return entries.iter().filter_map(|&(k, v)| Some((key(k)?, v))).collect();
    }
    match pickle.get(id) {
        Value::List(items) | Value::Tuple(items) => {
            items.iter().enumerate().map(|(i, &item)| (i.to_string(), item)).collect()
        }
        _ => vec![],
    }
}

fn one(pickle: &Pickle, made: &Made, name: String, dict: usize) -> StoredTensor {
    let nowhere = |why: String| StoredTensor {
        name: name.clone(),
        dict,
        own: 0,
        shape: vec![],
        dtype: UNKNOWN.into(),
        kind: None,
        part: 0,
        place: Place::Nowhere(why),
    };
    let Some((args, dtype)) = view_of(pickle, &made.by, &made.args, 0) else {
        return nowhere(format!("is made by {}, which is not known here", made.by));
    };
    match viewed(pickle, args, dtype) {
        Ok((shape, dtype, place)) => {
            StoredTensor { name, dict, own: 0, shape, kind: kind(&dtype), dtype, part: 0, place }
        }
        Err(why) => StoredTensor { dtype: "damaged".into(), ..nowhere(why) },
    }
}

/// The storage, offset, size and strides of a tensor, from a call that may be wrapped in others
/// (parameters, subclasses of tensors), and the type if it is not that of the storage.
fn view_of<'a>(
    pickle: &'a Pickle,
    by: &str,
    args: &'a [Id],
    depth: usize,
) -> Option<(&'a [Id], Option<String>)> {
    const DEEPEST: usize = 4;
    if depth > DEEPEST {
        return None;
    }
    match by {
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => Some((args, None)),
        "torch._utils._rebuild_tensor_v3" => match pickle.get(*args.get(6)?) {
            Value::Global(dtype) => {
                Some((args, Some(dtype.trim_start_matches("torch.").to_owned())))
            }
            _ => None,
        },
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            let Value::Made(inner) = pickle.get(*args.first()?) else { return None };
            view_of(pickle, &inner.by, &inner.args, depth + 1)
        }
        // Function, class, arguments, attributes.
        "torch._tensor._rebuild_from_type_v2" => {
            let Value::Global(function) = pickle.get(*args.first()?) else { return None };
            view_of(pickle, function, pickle.items(*args.get(2)?)?, depth + 1)
        }
        _ => None,
    }
}

type Viewed = (Vec<usize>, String, Place);

/// The shape, type and location of a view.
fn viewed(pickle: &Pickle, args: &[Id], dtype: Option<String>) -> Result<Viewed, String> {
    if args.len() < 4 {
        return Err("is rebuilt from too little".into());
    }
    let storage = match pickle.get(args[0]) {
        Value::Persistent(description) => storage(pickle, *description),
        _ => None,
    };
    let storage = storage.ok_or("has no storage")?;
    let numbers = |id: Id| -> Option<Vec<usize>> {
        pickle.items(id)?.iter().map(|&n| usize::try_from(pickle.int(n)?).ok()).collect()
    };
    let impossible = "has an impossible offset, size or stride";
    let offset = pickle.int(args[1]).and_then(|n| usize::try_from(n).ok()).ok_or(impossible)?;
    let shape = numbers(args[2]).ok_or(impossible)?;
    let strides = numbers(args[3]).ok_or(impossible)?;
    if shape.len() != strides.len() || shape.len() > 8 {
        return Err(impossible.into());
    }
    let first = offset.checked_add(storage.view_offset).ok_or(impossible)?;
    let dtype = dtype.unwrap_or_else(|| storage.dtype.to_owned());
    Ok((shape, dtype, Place::View { storage: storage.key, first, strides }))
}

/// `("storage", class, key, device, elements)`, in old files with a view `(key, offset, elements)`
/// behind.
pub(crate) fn storage(pickle: &Pickle, description: Id) -> Option<Storage> {
    if let Value::Str(text) = pickle.get(description) {
        return described_in_text(text);
    }
    let parts = pickle.items(description).filter(|parts| parts.len() >= 5)?;
    if pickle.text(parts[0]) != Some("storage") {
        return None;
    }
    let Value::Global(class) = pickle.get(parts[1]) else { return None };
    let class = class.rsplit('.').next().unwrap_or_default();
    let key = pickle.text(parts[2])?.to_owned();
    let view = parts
        .get(5)
        .and_then(|&view| pickle.items(view))
        .and_then(|view| pickle.int(*view.get(1)?));
    Some(of_class(class, key, usize::try_from(view.unwrap_or(0)).ok()?))
}

fn of_class(class: &str, key: String, view_offset: usize) -> Storage {
    let known = STORAGES.iter().find(|(name, ..)| *name == class);
    let dtype = known.map_or(UNKNOWN, |(_, dtype, _)| dtype);
    let element_size = known.map(|(.., size)| *size);
    Storage { key, dtype, element_size, view_offset }
}

/// In protocol 0 a description is text: `('storage', <class 'torch.FloatStorage'>, '0', 'cpu',
/// 24)`.
fn described_in_text(text: &str) -> Option<Storage> {
    let mut parts = text.strip_prefix("('storage', ")?.split(", ");
    let class = parts.next()?.trim_end_matches("'>").rsplit('.').next()?;
    let key = parts.next()?.trim_matches('\'').to_owned();
    Some(of_class(class, key, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_0_describes_a_storage_in_text() {
        let storage =
            described_in_text("('storage', <class 'torch.FloatStorage'>, '17', 'cpu', 24)")
                .unwrap();
        assert_eq!(
            (storage.key.as_str(), storage.dtype, storage.element_size),
            ("17", "float32", Some(4))
        );
        assert!(
            described_in_text("('module', 1)").is_none()
                && described_in_text("('storage', ").is_none()
        );
    }
}
