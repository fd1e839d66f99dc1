//! One function per block: it adds nodes and returns its result. To add a block, write such a
//! function here, give [`BlockKind`] a name for it, and call it in [`residual_branch`]; training,
//! cost, receptive field, taps and golden tests follow from the nodes.

mod bottleneck;
mod res2;
mod squeeze_excite;

use crate::builder::Builder;
use crate::graph::NodeId;
use crate::spec::{BlockKind, FirstBlock};

/// What a block must be told. `split` is the channels of one split (of the whole 3x3 where scale is
/// 1).
#[derive(Clone, Copy, Debug)]
pub struct BlockConfig {
    /// Which block.
    pub kind: BlockKind,
    /// Channels of one split, W in the paper's appendix code.
    pub split: usize,
    /// Number of splits.
    pub scale: usize,
    /// Groups of each 3x3.
    pub cardinality: usize,
    /// Output channels.
    pub out: usize,
    /// Stride of the 3x3 convolutions (and of the pool beside them), never of the 1x1s.
    pub stride: usize,
    /// The form to use if this block changes resolution or channels; None for an ordinary block.
    pub first: Option<FirstBlock>,
    /// Squeeze-and-excitation on the branch.
    pub se: bool,
}

/// The residual branch of block `at` on `x`: everything before the shortcut is added.
pub fn residual_branch(g: &mut Builder, at: &str, x: NodeId, c: &BlockConfig) -> NodeId {
    let h = match c.kind {
        BlockKind::Bottleneck => bottleneck::branch(g, at, x, c),
        BlockKind::Res2 => res2::branch(g, at, x, c),
    };
    if c.se { squeeze_excite::gate(g, at, h) } else { h }
}

/// The block's end: branch plus shortcut, ReLU.
pub fn add_shortcut(g: &mut Builder, at: &str, branch: NodeId, shortcut: NodeId) -> NodeId {
    let sum = g.add(&format!("{at}.add"), &[branch, shortcut]);
    let out = g.relu(&format!("{at}.relu3"), sum);
    g.module(at, out)
}
