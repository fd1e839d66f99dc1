//! Atrous spatial pyramid pooling: convolutions of several dilations and the mean of the whole map,
//! side by side.

use super::size;
use crate::builder::Builder;
use crate::graph::{Conv, Interpolation, NodeId, Per};
use crate::spec::ModelSpec;

pub(super) fn add(g: &mut Builder, at: &str, x: NodeId, spec: &ModelSpec) -> NodeId {
    let channels = channels(spec);
    let is_separable = spec.aspp_separable.unwrap_or_default();
    let at_branch = |i: usize| format!("{at}.convs.{i}");
    let mut branches = vec![unit(g, &at_branch(0), x, Conv::new(1, channels))];
    for (i, &rate) in spec.atrous_rates.iter().flatten().enumerate() {
        let at = at_branch(i + 1);
        let conv = Conv::new(3, channels).dilated(rate);
        let y = match is_separable {
            true => separable(g, &format!("{at}.0"), x, conv),
            false => g.conv(&format!("{at}.0"), x, conv),
        };
        branches.push(norm_relu(g, &at, 1, y));
    }
    branches.push(pooled(g, &at_branch(branches.len()), x, channels));
    let all = g.concat(&format!("{at}.concat"), &branches);
    let at = format!("{at}.project");
    let projected = unit(g, &at, all, Conv::new(1, channels));
    g.module(&at, projected)
}

/// The mean of the map, convolved, in the size of the map.
fn pooled(g: &mut Builder, at: &str, x: NodeId, channels: usize) -> NodeId {
    let mean = g.global_pool(&format!("{at}.0"), x);
    let y = g.conv(&format!("{at}.1"), mean, Conv::new(1, channels));
    let y = norm_relu(g, at, 2, y);
    let size = size(g, x);
    g.resize(&format!("{at}.resize"), y, size, Interpolation::Bilinear { aligned: false })
}

/// The head's channels.
pub(super) fn channels(spec: &ModelSpec) -> usize {
    spec.decoder_channels.as_deref().and_then(|all| all.first().copied()).unwrap_or_default()
}

/// Random factors of each value.
pub(super) const DROPOUT: Per = Per::Value;

/// Convolution, norm and ReLU: entries 0, 1 and 2 of the sequence `at`.
pub(super) fn unit(g: &mut Builder, at: &str, x: NodeId, conv: Conv) -> NodeId {
    let y = g.conv(&format!("{at}.0"), x, conv);
    norm_relu(g, at, 1, y)
}

/// Norm and ReLU: the entries of the sequence `at` from `first` on.
pub(super) fn norm_relu(g: &mut Builder, at: &str, first: usize, x: NodeId) -> NodeId {
    let y = g.batch_norm(&format!("{at}.{first}"), x);
    g.relu(&format!("{at}.{}", first + 1), y)
}

/// A convolution of each channel by itself, then one of single pixels.
pub(super) fn separable(g: &mut Builder, at: &str, x: NodeId, conv: Conv) -> NodeId {
    let channels = g.channels(x);
    let each = Conv { out: channels, groups: channels, ..conv };
    let y = g.conv(&format!("{at}.0"), x, each);
    g.conv(&format!("{at}.1"), y, Conv::new(1, conv.out))
}
