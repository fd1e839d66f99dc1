//! Receptive fields computed on the graph: exact, for any network that can be built.
//!
//! This crate must never know: tensors, weights, files. It counts; it does not measure.
//!
//! Reading order:
//! - [`field`]: the receptive field of each node: interval, jump, center, smallest and largest size
//! - [`map`]: the receptive fields of units behind a map that was resized, and of single units
//! - [`weighting`]: the weight of a path
//! - [`mod@paths`]: the receptive fields of all paths to a node with their weights, and their summary
//! - [`spread`]: the analytic effective receptive field, with every window replaced by an average
//! - [`productive`]: layers that add nothing for images of a given size
//! - [`splits`]: the receptive field of each split of a block

pub mod field;
pub mod map;
pub mod paths;
pub mod productive;
pub mod splits;
pub mod spread;
pub mod weighting;

pub use field::{Field, fields};
pub use paths::{Paths, paths};
pub use weighting::Weighting;

use res2lab_arch::{Graph, NodeId};

/// Receptive-field sizes of a unit in input pixels, along one axis, over all paths from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The receptive field of the shortest path.
    pub min_px: u64,
    /// The union of the receptive fields of all paths.
    pub max_px: u64,
}

/// The receptive field of the last stage's output. The head and the gates of squeeze-and-excitation
/// are left out: their global pooling covers the whole image in any network.
pub fn extent(graph: &Graph) -> Extent {
    let field = fields(graph)[last_stage(graph).0];
    Extent { min_px: field.min_px() as u64, max_px: field.max_px() as u64 }
}

/// The last node of the last stage; the output of a graph without stages.
pub fn last_stage(graph: &Graph) -> NodeId {
    graph.stages.last().map_or(graph.output(), |stage| stage.node)
}
