//! The feature pyramid: levels of equal channels, of which each adds the coarser one; each is then
//! convolved and enlarged to the size of the finest.

use super::{ALIGNED, Decoded, Features, enlarged, size};
use crate::builder::Builder;
use crate::graph::{Conv, Interpolation, NodeId, Per};
use crate::spec::{MergePolicy, ModelSpec};

/// Groups of the norms.
pub(super) const GROUPS: usize = 32;

pub(super) fn add(g: &mut Builder, features: &Features, spec: &ModelSpec) -> Decoded {
    let channels = spec.pyramid_channels.unwrap_or_default();
    let lateral = Conv::new(1, channels).biased();
    let mut level = g.conv("decoder.p5", features.last(), lateral);
    let mut levels = vec![level];
    for (index, &feature) in features.stages.iter().enumerate().rev().skip(1) {
        let at = format!("decoder.p{}", index + 2);
        let size = size(g, feature);
        let coarse = g.resize(&format!("{at}.resize"), level, size, Interpolation::Nearest);
        let fine = g.conv(&format!("{at}.skip_conv"), feature, lateral);
        level = g.add(&format!("{at}.sum"), &[coarse, fine]);
        levels.push(g.module(&at, level));
    }
    let mut maps = Vec::new();
    for (i, &level) in levels.iter().enumerate() {
        let steps = levels.len() - 1 - i;
        maps.push(segment(g, &format!("decoder.seg_blocks.{i}"), level, spec, steps));
    }
    let map = match spec.merge_policy {
        Some(MergePolicy::Cat) => g.concat("decoder.merge", &maps),
        Some(MergePolicy::Add) | None => g.add("decoder.merge", &maps),
    };
    Decoded { map, kernel: 1, enlarge: 4, dropout: Some(Per::Channel) }
}

/// Convolves a level, and doubles it after each of `steps` convolutions.
fn segment(g: &mut Builder, at: &str, level: NodeId, spec: &ModelSpec, steps: usize) -> NodeId {
    let channels = spec.segmentation_channels.unwrap_or_default();
    let mut x = level;
    for step in 0..steps.max(1) {
        let at = format!("{at}.block.{step}");
        x = g.conv(&format!("{at}.block.0"), x, Conv::new(3, channels));
        x = g.group_norm(&format!("{at}.block.1"), x, GROUPS);
        x = g.relu(&format!("{at}.block.2"), x);
        if steps > 0 {
            let size = enlarged(g, x, 2);
            x = g.resize(&format!("{at}.resize"), x, size, ALIGNED);
        }
    }
    g.module(at, x)
}
