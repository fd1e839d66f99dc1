//! The tensors of a network, with the decay and the learning rate that an optimizer gives each.

use crate::Params;
use std::ops::Range;

/// A trained tensor in the flat buffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub offset: i64,
    pub length: i64,
    pub weight_decay: f64,
    /// Factor of the learning rate.
    pub lr_scale: f64,
}

/// All trained tensors, in the order of the flat buffers. `decay` gives the weight decay of the
/// weights of convolutions and linear layers (true), and of the rest.
///
/// Weights are the tensors that timm decays: those with more than one dimension.
pub(crate) fn of(params: &Params, layer_decay: f64, decay: impl Fn(bool) -> f64) -> Vec<Part> {
    let layers = if layer_decay == 1.0 { vec![] } else { layers(params) };
    let last = layers.iter().max().copied().unwrap_or(0);
    let part = |(offset, entry): (i64, usize)| {
        let below = layers.get(entry).map_or(0, |layer| last - layer);
        Part {
            offset,
            length: params.entries()[entry].elements() as i64,
            weight_decay: decay(offset < params.weights_end),
            lr_scale: layer_decay.powi(below as i32),
        }
    };
    let mut parts: Vec<Part> = params.trained_offsets().into_iter().map(part).collect();
    parts.sort_unstable_by_key(|part| part.offset);
    parts
}

/// Joins neighbors that are treated alike, with the unused elements between them.
pub(crate) fn merged(parts: &[Part], end: i64) -> Vec<(Range<i64>, Part)> {
    let is_alike =
        |a: &Part, b: &Part| a.weight_decay == b.weight_decay && a.lr_scale == b.lr_scale;
    let groups: Vec<Part> = parts.chunk_by(is_alike).map(|group| group[0]).collect();
    let ends = groups.iter().skip(1).map(|next| next.offset).chain([end]);
    groups.iter().zip(ends).map(|(first, end)| (first.offset..end, *first)).collect()
}

/// The layer of each entry, from the input on.
fn layers(params: &Params) -> Vec<usize> {
    let keys: Vec<Vec<u32>> = params.entries().iter().map(|entry| layer_key(&entry.name)).collect();
    let mut order = keys.clone();
    order.sort_unstable();
    order.dedup();
    keys.iter().map(|key| order.partition_point(|other| other < key)).collect()
}

/// What orders layers, by the published name: the groups of timm's `group_matcher` for ResNet and
/// DLA.
fn layer_key(name: &str) -> Vec<u32> {
    const HEAD: u32 = u32::MAX;
    let mut words = name.split('.');
    let first = words.next().unwrap_or_default();
    let number = |word: Option<&str>, prefix: &str| {
        word.and_then(|word| word.strip_prefix(prefix)).and_then(|rest| rest.parse::<u32>().ok())
    };
    if ["conv1", "bn1", "base_layer"].contains(&first) {
        return vec![0];
    }
    if let Some(stage) = number(Some(first), "layer") {
        return match number(words.next(), "") {
            Some(block) => vec![1, stage, block],
            None => vec![HEAD],
        };
    }
    let Some(level) = number(Some(first), "level") else { return vec![HEAD] };
    let second = words.next();
    match number(second, "tree") {
        Some(tree) => vec![1, level, tree],
        None if second.is_some_and(|word| word.starts_with("root")) => vec![1, level, 2],
        None => vec![1, level, 1],
    }
}
