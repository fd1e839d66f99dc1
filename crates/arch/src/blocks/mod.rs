//! Residual blocks, one function each. A function adds the block's nodes and returns its result.
//!
//! To add a block, write such a function, add a variant to [`BlockKind`], and call the function in
//! [`residual_branch`]. Training, cost, receptive fields, taps and golden tests follow from the
//! nodes.

mod bottleneck;
mod res2;
mod squeeze_excite;

use crate::builder::Builder;
use crate::graph::NodeId;
use crate::spec::{BlockKind, FirstBlock};

/// The parameters of a block.
#[derive(Clone, Copy, Debug)]
pub struct BlockConfig {
    pub kind: BlockKind,
    /// Channels of one split (of the whole 3x3 if scale is 1); W in the paper's appendix code.
    pub split: usize,
    /// Number of splits; s in the paper.
    pub scale: usize,
    /// Groups of each 3x3 convolution.
    pub cardinality: usize,
    /// Output channels.
    pub out: usize,
    /// Stride of the 3x3 convolutions and of the pool beside them; 1x1 convolutions have stride 1.
    pub stride: usize,
    /// Pixels between neighboring taps of the 3x3 convolutions.
    pub dilation: usize,
    /// The block's form if it changes resolution or channels; `None` for an ordinary block.
    pub first: Option<FirstBlock>,
    /// Squeeze-and-excitation on the residual branch.
    pub se: bool,
}

/// The residual branch of block `at` on `x`: everything before the addition of the shortcut.
pub fn residual_branch(g: &mut Builder, at: &str, x: NodeId, c: &BlockConfig) -> NodeId {
    let h = match c.kind {
        BlockKind::Bottleneck => bottleneck::branch(g, at, x, c),
        BlockKind::Res2 => res2::branch(g, at, x, c),
    };
    if c.se { squeeze_excite::gate(g, at, h) } else { h }
}

/// The end of a block: branch plus shortcut, then ReLU.
pub fn add_shortcut(g: &mut Builder, at: &str, branch: NodeId, shortcut: NodeId) -> NodeId {
    let sum = g.add(&format!("{at}.add"), &[branch, shortcut]);
    let out = g.relu(&format!("{at}.relu3"), sum);
    g.module(at, out)
}
