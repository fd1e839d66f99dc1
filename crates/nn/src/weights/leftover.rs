//! Tensors of a file that no entry of the network uses. They are sorted into a last layer under
//! another name, tensors known to be useless, tensors outside the network, and tensors that show
//! that the file belongs to another network.

use super::file::{StoredTensor, WeightsFile};
use super::load::{Fit, behind, head_entry, same_shape};
use super::names::Chosen;
use super::shards::some;
use res2lab_arch::StateEntry;
use std::collections::{BTreeSet, HashSet};

/// The remaining tensors.
pub(crate) struct Left {
    /// Tensors that a network like this one cannot have.
    pub strange: Vec<String>,
    /// Descriptions of the tensors that were left out.
    pub notes: Vec<String>,
}

/// Other names of last layers.
const HEADS: [&str; 9] = [
    "fc",
    "head",
    "head.fc",
    "classifier",
    "cls_head",
    "cls_head.fc",
    "linear",
    "last_linear",
    "logits",
];

/// A last layer with another prefix or another name: `head.fc.weight` next to
/// `backbone.conv1.weight`.
pub(crate) fn find_head(entries: &[StateEntry], file: &WeightsFile, chosen: &mut Chosen) {
    let (Some(weight), Some(bias)) = (head_entry(entries, true), head_entry(entries, false)) else {
        return;
    };
    if chosen.copy.places[weight].is_some() || chosen.copy.count() * 2 < entries.len() {
        return;
    }
    let place =
        |name: &str| file.tensors.iter().position(|t| super::names::unwrapped(&t.name) == name);
    let fits = |weight_place: usize, bias_place: usize| {
        let w = &file.tensors[weight_place].shape;
        let b = &file.tensors[bias_place].shape;
        let own = &entries[weight].shape;
        w.len() >= 2
            && b.len() == 1
            && b[0] == w[0]
            && same_shape(&[&own[..1], &w[1..]].concat(), own)
    };
    for prefix in outer(&chosen.copy.prefix) {
        for inner in ["", ".0", ".1", ".2"] {
            for head in HEADS {
                let at = format!("{prefix}{head}{inner}");
                let found = (place(&format!("{at}.weight")), place(&format!("{at}.bias")));
                let (Some(w), Some(b)) = found else { continue };
                if fits(w, b) {
                    chosen.copy.places[weight] = Some(w);
                    chosen.copy.places[bias] = Some(b);
                    chosen.notes.push(format!("the last layer taken from {at}"));
                    return;
                }
            }
        }
    }
}

/// A prefix and those around it: `a.b.`, `a.`, and none.
fn outer(prefix: &str) -> Vec<&str> {
    let mut all = vec![prefix];
    let mut rest = prefix.trim_end_matches('.');
    while let Some(at) = rest.rfind('.') {
        all.push(&prefix[..=at]);
        rest = &rest[..at];
    }
    if !prefix.is_empty() {
        all.push("");
    }
    all
}

/// Sorts the tensors that the network does not use.
pub(crate) fn sort(entries: &[StateEntry], file: &WeightsFile, chosen: &Chosen, fit: Fit) -> Left {
    let used: HashSet<usize> = chosen.copy.places.iter().flatten().copied().collect();
    let dicts: HashSet<usize> = used.iter().map(|&place| file.tensors[place].dict).collect();
    let top = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let modules: BTreeSet<String> = entries.iter().map(|e| top(&e.name)).collect();
    let head = entries.last().map(|e| top(&e.name)).unwrap_or_default();
    let mut strange = vec![];
    let mut counters = BTreeSet::new();
    let mut others = vec![];
    let mut counted = 0;
    for (place, t) in file.tensors.iter().enumerate() {
        let is_other_copy =
            chosen.others.iter().any(|p| !p.is_empty() && t.name.starts_with(p.as_str()));
        if used.contains(&place) || !t.is_tensor() || is_other_copy {
            continue;
        }
        let last = t.name.rsplit('.').next().unwrap_or_default();
        if COUNTERS.contains(&last) {
            counted += 1;
            counters.insert(last.to_owned());
            continue;
        }
        let own = behind(&t.name, &chosen.copy.prefix).filter(|_| dicts.contains(&t.dict));
        match own {
            Some(name)
                if !is_of_no_use(&name, t) && is_strange(&top(&name), &modules, &head, fit) =>
            {
                strange.push(t.name.clone());
            }
            _ => others.push(t.name.clone()),
        }
    }
    let mut notes = vec![];
    if counted > 0 {
        let names: Vec<String> = counters.into_iter().collect();
        notes.push(format!("left out: {} ({})", many(counted, "counter"), names.join(", ")));
    }
    if !others.is_empty() {
        notes.push(format!(
            "left out: {} of no use to the network ({})",
            many(others.len(), "tensor"),
            some(&others)
        ));
    }
    if !file.beside.is_empty() {
        notes.push(format!("beside the tensors, not built: {}", some(&file.beside)));
    }
    Left { strange, notes }
}

fn many(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Whether this is a counter of a batch norm, which nothing reads, or of a profiler.
const COUNTERS: [&str; 3] = ["num_batches_tracked", "total_ops", "total_params"];

/// Whether a tensor in module `top` shows that the file belongs to another network. A tensor in a
/// module of this network does. A tensor in another module does unless the weights are only a
/// start, since its use in the file's network is unknown.
fn is_strange(top: &str, modules: &BTreeSet<String>, head: &str, fit: Fit) -> bool {
    match fit {
        Fit::Exact => true,
        Fit::Start => modules.contains(top) && top != head,
    }
}

/// Whether a tensor is known to be useless: types that weights never have, momentum and averages of
/// res2lab's checkpoints, and the projections that the authors' DLA code creates in trees of
/// several levels and never uses (297,472 parameters).
fn is_of_no_use(name: &str, t: &StoredTensor) -> bool {
    const DEAD: [&str; 3] = ["level3.project.", "level4.project.", "level4.tree1.project."];
    t.kind.is_none()
        || name.starts_with(super::MOMENTUM)
        || name.starts_with(super::AVERAGE)
        || DEAD.iter().any(|dead| name.starts_with(dead))
}
