//! Squeeze-and-excitation (Hu et al. 2018), placed directly before the residual addition (paper
//! section 3.2.2).

use crate::builder::Builder;
use crate::graph::{Conv, NodeId};

/// Reduction ratio of the original paper and of timm; the Res2Net paper gives none.
const REDUCTION: usize = 16;

/// Scales each channel of `h` by a value in (0, 1), computed from the means of all channels.
pub(super) fn gate(g: &mut Builder, at: &str, h: NodeId) -> NodeId {
    let channels = g.channels(h);
    let s = g.global_pool(&format!("{at}.se.pool"), h);
    let s = g.conv(&format!("{at}.se.fc1"), s, Conv::new(1, channels / REDUCTION).biased());
    let s = g.relu(&format!("{at}.se.relu"), s);
    let s = g.conv(&format!("{at}.se.fc2"), s, Conv::new(1, channels).biased());
    let s = g.sigmoid(&format!("{at}.se.sigmoid"), s);
    g.gate(&format!("{at}.se"), h, s)
}
