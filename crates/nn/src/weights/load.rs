//! Loads the tensors of a file into a network: checks for missing and unused tensors, adapts
//! shapes, and reports what was done.

use super::file::{Reader, WeightsFile, not_weights};
use super::names::{Chosen, shapes, unwrapped};
use super::shards::{index_of, some};
use super::{adapt, family, leftover};
use crate::Params;
use res2lab_arch::{Role, StateEntry};
use res2lab_error::Error;
use tch::{Kind, Tensor};

/// How exactly weights must fit the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every tensor must have the network's shape.
    Exact,
    /// The weights are the start of a training: the last layer may be missing or have other
    /// classes, and images may have another number of channels.
    Start,
}

/// A report of what loading did besides copying.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Whether the last layer was not loaded.
    pub new_head: bool,
    /// Descriptions of what was chosen, removed from names, adapted or left out, one per line.
    pub notes: Vec<String>,
}

/// The entries of a network with their tensors.
struct Matched {
    /// None keeps the network's values.
    places: Vec<Option<usize>>,
    loaded: Loaded,
}

/// Overwrites the network's state.
pub fn load(params: &mut Params, file: &WeightsFile, fit: Fit) -> Result<Loaded, Error> {
    let matched = matched(params.entries(), file, fit)?;
    let mut reader = file.reader();
    for (index, place) in matched.places.iter().enumerate() {
        if let Some(place) = *place {
            let tensor = values(&mut reader, file, place, &params.entries()[index])?;
            params.set(index, &tensor);
        }
    }
    Ok(matched.loaded)
}

/// Does everything that [`load`] does, including reading all values, but does not change the
/// network.
pub fn check(entries: &[StateEntry], file: &WeightsFile, fit: Fit) -> Result<Loaded, Error> {
    let matched = matched(entries, file, fit)?;
    let mut reader = file.reader();
    for (index, place) in matched.places.iter().enumerate() {
        if let Some(place) = *place {
            let _ = values(&mut reader, file, place, &entries[index])?;
        }
    }
    Ok(matched.loaded)
}

/// The number of classes and of image channels of the network in a file, if they can be determined.
pub fn ends(
    entries: &[StateEntry],
    file: &WeightsFile,
) -> Result<(Option<usize>, Option<usize>), Error> {
    let mut chosen = file.choose(entries)?;
    leftover::find_head(entries, file, &mut chosen);
    let shape =
        |entry: Option<usize>| chosen.copy.places[entry?].map(|place| &file.tensors[place].shape);
    let classes = shape(head_entry(entries, true)).and_then(|s| s.first()).copied();
    let first = (!entries.is_empty()).then_some(0);
    let channels = shape(first).filter(|s| s.len() == 4).map(|s| s[1]);
    Ok((classes, channels))
}

fn refuse(file: &WeightsFile, what: impl std::fmt::Display, help: impl Into<String>) -> Error {
    Error::machine(format!("{}: {what}", file.path.display()), help)
}

fn matched(entries: &[StateEntry], file: &WeightsFile, fit: Fit) -> Result<Matched, Error> {
    let mut chosen = file.choose(entries)?;
    leftover::find_head(entries, file, &mut chosen);
    let head = entries.last().map(|e| e.node);
    let is_head = |entry: &StateEntry| Some(entry.node) == head;
    let mut new_head = None;
    let mut missing = vec![];
    let mut misshapen = vec![];
    for (entry, place) in entries.iter().zip(&chosen.copy.places) {
        let Some(t) = place.map(|place| &file.tensors[place]) else {
            missing.push(entry);
            continue;
        };
        let is_channels =
            |t: &super::StoredTensor| fit == Fit::Start && adapt::can(&t.shape, entry);
        if same_shape(&t.shape, &entry.shape) || t.kind.is_none() || is_channels(t) {
            continue;
        }
        if is_head(entry) && fit == Fit::Start && other_classes(&t.shape, &entry.shape) {
            new_head = Some(format!(
                "the file's has {} classes, the network's {}",
                t.shape[0], entry.shape[0]
            ));
        } else {
            misshapen
                .push(format!("{} is {:?}, the network's is {:?}", t.name, t.shape, entry.shape));
        }
    }
    if fit == Fit::Start
        && !missing.is_empty()
        && missing.iter().all(|e| is_head(e))
        && misshapen.is_empty()
    {
        new_head.get_or_insert("the file has none".into());
        missing.clear();
    }
    let left = leftover::sort(entries, file, &chosen, fit);
    if !missing.is_empty() || !left.strange.is_empty() {
        return Err(unlike(entries, file, &chosen, &missing, &left.strange));
    }
    if !misshapen.is_empty() {
        return Err(misfit(entries, file, &chosen, &misshapen));
    }
    let mut places = chosen.copy.places.clone();
    let mut notes = chosen.notes;
    if let Some(why) = &new_head {
        notes.push(format!("with a new last layer ({why})"));
        let keep = entries.iter().zip(&mut places).filter(|(entry, _)| is_head(entry));
        keep.for_each(|(_, place)| *place = None);
    }
    notes.extend(adapt::told(entries, file, &places));
    notes.extend(left.notes);
    Ok(Matched { places, loaded: Loaded { new_head: new_head.is_some(), notes } })
}

/// The error for missing or unused names.
fn unlike(
    entries: &[StateEntry],
    file: &WeightsFile,
    chosen: &Chosen,
    missing: &[&StateEntry],
    strange: &[String],
) -> Error {
    let missing: Vec<&str> = missing.iter().map(|e| e.name.as_str()).collect();
    if missing.is_empty() && strange.len() == 1 {
        let only = &strange[0];
        return refuse(
            file,
            format!(
                "it has all {} tensors of the network and one that the network has no use for: {only}",
                entries.len()
            ),
            format!(
                "if {only} is no part of the network, take it out and save the file again; only it is in the way"
            ),
        );
    }
    if let Some(class) = file.whole.as_ref().filter(|_| 2 * chosen.copy.count() < entries.len()) {
        let help = "save the weights alone: torch.save(model.state_dict(), \"weights.pth\")";
        return refuse(
            file,
            format!("it holds a whole pickled network (a {class}), not its weights"),
            help,
        );
    }
    if chosen.copy.count() == 0 {
        let names: Vec<&str> = file.tensors.iter().map(|t| t.name.as_str()).collect();
        return refuse(
            file,
            format!(
                "none of its {} tensors has a name of this network's; it has {}",
                names.len(),
                some(&names)
            ),
            "give weights of a network of the Res2Net family, with names as PyTorch and timm have them",
        );
    }
    let said = [("lacks", some(&missing)), ("has unknown", some(strange))]
        .into_iter()
        .filter(|(_, n)| !n.is_empty());
    let said: Vec<_> = said.map(|(verb, names)| format!("it {verb} {names}")).collect();
    let help = match index_of(&file.path).filter(|_| !missing.is_empty()) {
        Some(index) => format!("it is one file of several; give their index: weights={index}"),
        None if missing.iter().all(|name| name.starts_with("fc.")) && !missing.is_empty() => {
            "give weights with a last layer, or start a sweep from them, which draws one anew"
                .into()
        }
        None => "name the network that these weights are of, with its scale, width and stem".into(),
    };
    of_family(entries, file, chosen, said.join(", and "), help)
}

fn misfit(
    entries: &[StateEntry],
    file: &WeightsFile,
    chosen: &Chosen,
    misshapen: &[String],
) -> Error {
    let help = "name the network that these weights are of, its number of classes, and images like its own";
    of_family(entries, file, chosen, format!("tensor {}", some(misshapen)), help.to_owned())
}

/// The error `what`, with the network to which the weights belong if it is recognized.
fn of_family(
    entries: &[StateEntry],
    file: &WeightsFile,
    chosen: &Chosen,
    what: String,
    help: String,
) -> Error {
    match family::told(&shapes(file, &chosen.copy.prefix), entries) {
        Some(told) => {
            let help = told
                .name
                .map_or(help, |name| format!("name the network {name}, or give other weights"));
            refuse(file, format!("{} ({what})", told.what), help)
        }
        None => refuse(file, what, help),
    }
}

/// A tensor's values in the network's shape.
fn values(
    reader: &mut Reader,
    file: &WeightsFile,
    place: usize,
    entry: &StateEntry,
) -> Result<Tensor, Error> {
    let t = &file.tensors[place];
    let damaged = |why: String| {
        let help = match () {
            () if !t.is_tensor() => {
                "save the weights as plain tensors: torch.save(model.state_dict(), \"weights.pth\")"
            }
            () if why == not_weights(&t.dtype) => "give weights in float32, float16 or bfloat16",
            () => "get the file again",
        };
        refuse(file, format!("tensor {} {why}", t.name), help)
    };
    let tensor = reader.read(t).map_err(damaged)?.to_kind(Kind::Double);
    if tensor.isfinite().all().int64_value(&[]) == 0 {
        let what = format!("tensor {} holds NaN or infinite values", t.name);
        return Err(refuse(file, what, "get weights of a run that did not diverge"));
    }
    Ok(adapt::fitted(&tensor, entry))
}

/// A linear layer and a 1x1 convolution have the same values in different shapes.
pub(super) fn same_shape(a: &[usize], b: &[usize]) -> bool {
    let without_ones = |shape: &[usize]| match shape {
        [o, i, 1, 1] => vec![*o, *i],
        other => other.to_vec(),
    };
    a == b || without_ones(a) == without_ones(b)
}

/// Whether two last layers differ only in the number of classes.
fn other_classes(a: &[usize], b: &[usize]) -> bool {
    !a.is_empty() && !b.is_empty() && same_shape(&[&b[..1], &a[1..]].concat(), b)
}

/// Whether this is the last layer's entry of this role.
pub(super) fn head_entry(entries: &[StateEntry], weight: bool) -> Option<usize> {
    let head = entries.last()?.node;
    entries.iter().position(|e| {
        let is_weight = matches!(e.role, Role::LinearWeight | Role::ConvWeight);
        e.node == head && is_weight == weight
    })
}

/// A tensor's name without a prefix, if it has the prefix.
pub(super) fn behind(name: &str, prefix: &str) -> Option<String> {
    unwrapped(name).strip_prefix(prefix).map(str::to_owned)
}
