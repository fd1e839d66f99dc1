//! Finds the network's tensors in a file: tensors whose names are those of the network after a
//! common prefix. A prefix consists of the names that wrappers add (`module.`, `_orig_mod.`,
//! `backbone.`) and of the dicts around a state dict (`state_dict`, `model`), at any depth. If a
//! file has several copies of the network, one is chosen.

use super::file::{StoredTensor, WeightsFile};
use super::shards::some;
use res2lab_arch::StateEntry;
use res2lab_error::Error;
use std::collections::{BTreeMap, HashMap};

/// A copy of the network in a file: a prefix with tensors of the network.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// The prefix of every name with its last dot; may be empty.
    pub prefix: String,
    /// For each entry of the network, the index of its tensor in the file.
    pub places: Vec<Option<usize>>,
    /// The number of these tensors that have the network's shape.
    fitting: usize,
}

/// The chosen copy, and the reason.
pub(crate) struct Chosen {
    pub copy: Copy,
    /// The prefixes of other copies, whose tensors are not unexpected.
    pub others: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// Parts that wrappers add to names, at any position.
const WRAPPERS: [&str; 4] =
    ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module."];
/// Dicts of an optimizer, and the optimizer's state in res2lab's checkpoints. They have as many tensors
/// of the same shapes as weights, but are not weights.
const NO_WEIGHTS: [&str; 8] = [
    "momentum",
    "second",
    "momentum_buffer",
    "exp_avg",
    "exp_avg_sq",
    "optimizer",
    "optimizer_states",
    "grads",
];
/// Parts of words that name a copy that follows another (an average or a teacher).
const FOLLOWERS: [&str; 13] = [
    "ema", "average", "averaged", "avg", "swa", "polyak", "teacher", "target", "shadow",
    "momentum", "k", "key", "slow",
];

impl WeightsFile {
    /// The requested copy of the network in this file, or the most complete one.
    pub(crate) fn choose(&self, entries: &[StateEntry]) -> Result<Chosen, Error> {
        let copies = self.copies(entries);
        let Some(best) = copies.first() else {
            let copy =
                Copy { prefix: String::new(), places: vec![None; entries.len()], fitting: 0 };
            return Ok(Chosen { copy, others: vec![], notes: vec![] });
        };
        // A prefix with as many tensors as the most complete one, except perhaps the last layer, is
        // another copy.
        const LAST_LAYER: usize = 2;
        let equal: Vec<&Copy> =
            copies.iter().filter(|c| c.fitting + LAST_LAYER >= best.fitting).collect();
        let copy = match &self.choice {
            Some(choice) => self.wanted(choice, &copies)?,
            None => equal
                .iter()
                .find(|c| c.fitting == best.fitting && !follows(&c.prefix))
                .copied()
                .unwrap_or(best),
        };
        let mut notes = vec![];
        let place = |prefix: &str| match prefix.trim_end_matches('.') {
            "" => "the top level".to_owned(),
            inner => inner.to_owned(),
        };
        let others: Vec<&str> =
            equal.iter().map(|c| c.prefix.as_str()).filter(|p| *p != copy.prefix).collect();
        if !others.is_empty() {
            let shown: Vec<String> = others.iter().map(|p| place(p)).collect();
            let file = self.path.file_name().unwrap_or_default().to_string_lossy();
            let how = others.iter().map(|p| p.trim_end_matches('.')).find(|p| !p.is_empty());
            let how = how.map_or_else(String::new, |p| format!(" (weights={file}#{p} takes that)"));
            notes.push(format!(
                "taken from {}; there is also {}{how}",
                place(&copy.prefix),
                some(&shown)
            ));
        }
        notes.extend(self.taken_off(entries, copy, !others.is_empty()));
        let others =
            copies.iter().map(|c| c.prefix.clone()).filter(|p| *p != copy.prefix).collect();
        Ok(Chosen { copy: copy.clone(), others, notes })
    }

    /// Describes the prefix and the parts that were removed from names.
    fn taken_off(&self, entries: &[StateEntry], copy: &Copy, is_told: bool) -> Vec<String> {
        let mut notes = vec![];
        let used = copy
            .places
            .iter()
            .zip(entries)
            .filter_map(|(place, e)| Some((&self.tensors[(*place)?], e)));
        let before: Vec<(&str, Option<&str>)> =
            used.map(|(t, e)| (&t.name[..t.own], t.name[t.own..].strip_suffix(&e.name))).collect();
        let Some(&(dicts, prefix)) = before.first() else { return notes };
        if !dicts.is_empty() && !is_told {
            notes.push(format!("taken from {}", dicts.trim_end_matches('.')));
        }
        match prefix {
            Some(prefix) if before.iter().all(|b| b.1 == Some(prefix)) => {
                let note = format!("the prefix {prefix} taken off every name");
                notes.extend((!prefix.is_empty()).then_some(note));
            }
            _ => notes.push("prefixes and the names of wrappers taken off".into()),
        }
        notes
    }

    /// All prefixes with a large part of the network, the most complete first.
    fn copies(&self, entries: &[StateEntry]) -> Vec<Copy> {
        let index: HashMap<&str, usize> =
            entries.iter().enumerate().map(|(i, e)| (e.name.as_str(), i)).collect();
        let mut order: Vec<String> = Vec::new();
        let mut copies: HashMap<String, Copy> = HashMap::new();
        for (place, tensor) in self.tensors.iter().enumerate() {
            let name = unwrapped(&tensor.name);
            for (prefix, own) in splits(&name) {
                let Some(&entry) = index.get(own) else { continue };
                let copy = copies.entry(prefix.to_owned()).or_insert_with(|| {
                    order.push(prefix.to_owned());
                    Copy {
                        prefix: prefix.to_owned(),
                        places: vec![None; entries.len()],
                        fitting: 0,
                    }
                });
                if copy.places[entry].is_none() {
                    copy.fitting += usize::from(could_fit(tensor, &entries[entry]));
                }
                copy.places[entry] = Some(place);
            }
        }
        let mut found: Vec<Copy> =
            order.into_iter().filter_map(|prefix| copies.remove(&prefix)).collect();
        found.retain(|copy| !copy.prefix.split('.').any(|part| NO_WEIGHTS.contains(&part)));
        // Parts of blocks have names of the stem: bn1.weight exists after layer1.0 as well.
        let most = found.iter().map(Copy::count).max().unwrap_or(0);
        found.retain(|copy| 2 * copy.count() > most);
        found.sort_by_key(|copy| std::cmp::Reverse((copy.fitting, copy.count())));
        found
    }

    /// The copy of `#choice`, which is a whole part of its prefix, or else a part of a word.
    fn wanted<'a>(&self, choice: &str, copies: &'a [Copy]) -> Result<&'a Copy, Error> {
        let wanted = choice.to_ascii_lowercase();
        let wanted = wanted.trim_matches('.');
        let full = |c: &Copy| c.prefix.trim_end_matches('.').eq_ignore_ascii_case(wanted);
        let part = |c: &Copy| c.prefix.split('.').any(|part| part.eq_ignore_ascii_case(wanted));
        let within =
            |c: &Copy| !wanted.is_empty() && c.prefix.to_ascii_lowercase().contains(wanted);
        let found = [&full as &dyn Fn(&Copy) -> bool, &part, &within].into_iter().find_map(|is| {
            let matching: Vec<&Copy> = copies.iter().filter(|c| is(c)).collect();
            (matching.len() == 1).then(|| matching[0])
        });
        found.ok_or_else(|| {
            let named = |c: &Copy| match c.prefix.trim_end_matches('.') {
                "" => "the top level (without #)".to_owned(),
                prefix => format!("#{prefix}"),
            };
            let there: Vec<String> = copies.iter().map(named).collect();
            let path = self.path.display();
            Error::machine(
                format!("{path}: #{choice} names none or several of the networks in it"),
                format!("there are {}", there.join(", ")),
            )
        })
    }
}

impl Copy {
    /// The number of the network's names that the copy has.
    pub(crate) fn count(&self) -> usize {
        self.places.iter().flatten().count()
    }
}

/// The name without the parts that wrappers add.
pub(crate) fn unwrapped(name: &str) -> String {
    let mut name = name.to_owned();
    for wrapper in WRAPPERS {
        while let Some(at) =
            name.find(wrapper).filter(|&at| at == 0 || name.as_bytes()[at - 1] == b'.')
        {
            name.replace_range(at..at + wrapper.len(), "");
        }
    }
    name
}

/// All splits of a name into a prefix, with its dot, and the rest; first the empty prefix.
fn splits(name: &str) -> impl Iterator<Item = (&str, &str)> {
    let dots = name.match_indices('.').map(|(at, _)| at + 1);
    std::iter::once(0).chain(dots).map(|at| name.split_at(at))
}

/// Whether this could be the network's tensor, except for the number of classes and of image
/// channels.
fn could_fit(tensor: &StoredTensor, entry: &StateEntry) -> bool {
    tensor.shape.len() == entry.shape.len() && same_but_ends(&tensor.shape, &entry.shape)
}

fn same_but_ends(a: &[usize], b: &[usize]) -> bool {
    a == b || (a.len() == 4 && a[0] == b[0] && a[2..] == b[2..])
}

/// Whether a prefix names a copy that follows another: `state_dict_ema`, `teacher`, `encoder_k`.
fn follows(prefix: &str) -> bool {
    let lower = prefix.to_ascii_lowercase();
    lower.split(['.', '_', '-']).any(|word| FOLLOWERS.contains(&word))
}

/// The names and shapes of a copy, without its prefix; the network can be recognized from them.
pub(crate) fn shapes<'a>(file: &'a WeightsFile, prefix: &str) -> BTreeMap<String, &'a [usize]> {
    let own = |t: &'a StoredTensor| {
        let name = unwrapped(&t.name);
        Some((name.strip_prefix(prefix)?.to_owned(), t.shape.as_slice()))
    };
    file.tensors.iter().filter_map(own).collect()
}
