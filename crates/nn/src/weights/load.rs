//! Named tensors of any file into a network, or an error that names what does not fit.

use super::state_dict::StateDict;
use super::{AVERAGE, MOMENTUM};
use crate::{NnError, Params};
use arch::StateEntry;
use std::collections::HashMap;
use std::path::Path;
use tch::Kind;

/// What happens to a last layer of another number of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is an error.
    MustFit,
    /// The network keeps the one it has (freshly drawn).
    MayDiffer,
}

/// What was done beyond copying.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Loaded {
    /// Whether the last layer was left as it was.
    pub new_head: bool,
    /// Tensors of the file that the network has no use for and that are known to have none.
    pub unused: usize,
}

/// Overwrites the network's state. `path` is for messages.
pub fn load(params: &mut Params, dict: &StateDict, head: Head, path: &Path) -> Result<Loaded, NnError> {
    let stored: HashMap<&str, usize> = dict.tensors.iter().enumerate().map(|(i, t)| (t.name.as_str(), i)).collect();
    let head_node = params.entries().last().map(|e| e.node);
    let is_head = |entry: &StateEntry| Some(entry.node) == head_node;
    let refuse = |what: String, help: &str| NnError::new(format!("{}: {what}", path.display()), help);

    let (mut missing, mut misshapen, mut new_head) = (vec![], vec![], false);
    for entry in params.entries() {
        match stored.get(entry.name.as_str()).map(|&t| &dict.tensors[t]) {
            None => missing.push(entry.name.clone()),
            Some(t) if same_shape(&t.shape, &entry.shape) => {}
            Some(_) if is_head(entry) && head == Head::MayDiffer => new_head = true,
            Some(t) => misshapen.push(format!("{} is {:?}, the network's is {:?}", t.name, t.shape, entry.shape)),
        }
    }
    let unknown = |t: &&super::StoredTensor| params.index(&t.name).is_none() && !has_no_use(&t.name);
    let unknown: Vec<_> = dict.tensors.iter().filter(unknown).map(|t| t.name.clone()).collect();
    if !missing.is_empty() || !unknown.is_empty() {
        let said = [("lacks", &missing), ("has unknown", &unknown)].into_iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said.map(|(verb, names)| format!("it {verb} {}", list(names))).collect();
        return Err(refuse(
            said.join(", and "),
            "name the network that these weights are of, with its scale, width and stem",
        ));
    }
    if !misshapen.is_empty() {
        let help = "name the network that these weights are of, and its number of classes";
        return Err(refuse(format!("tensor {}", list(&misshapen)), help));
    }
    for index in 0..params.entries().len() {
        let entry = &params.entries()[index];
        if new_head && is_head(entry) {
            continue;
        }
        let t = &dict.tensors[stored[entry.name.as_str()]];
        let tensor = t.tensor().map_err(|e| refuse(e, "get the file again"))?.to_kind(Kind::Double);
        if tensor.isfinite().all().int64_value(&[]) == 0 {
            return Err(refuse(
                format!("tensor {} holds NaN or infinite values", t.name),
                "get weights of a run that did not diverge",
            ));
        }
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        params.set(index, &tensor.view(shape.as_slice()));
    }
    let unused = dict.tensors.iter().filter(|t| params.index(&t.name).is_none()).count();
    Ok(Loaded { new_head, unused })
}

/// A linear layer and a 1x1 convolution hold the same values.
fn same_shape(a: &[usize], b: &[usize]) -> bool {
    let without_ones = |shape: &[usize]| match shape {
        [o, i, 1, 1] => vec![*o, *i],
        other => other.to_vec(),
    };
    a == b || without_ones(a) == without_ones(b)
}

/// Counters of batch norm, momentum of our own checkpoints, and the projections that the authors' DLA code creates in
/// trees of several levels and never uses (297,472 parameters).
fn has_no_use(name: &str) -> bool {
    const DEAD: [&str; 3] = ["level3.project.", "level4.project.", "level4.tree1.project."];
    name.ends_with("num_batches_tracked")
        || name.starts_with(MOMENTUM)
        || name.starts_with(AVERAGE)
        || DEAD.iter().any(|dead| name.starts_with(dead))
}

/// The first few, and how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
