//! Receptive fields, worked out on the graph: exact, for any network that can be built.
//!
//! This crate must never know: tensors, weights, files. It counts; it does not measure.
//!
//! Reading order:
//! - [`field`]: what a unit of each node sees: interval, jump, center, smallest and largest field
//! - [`weighting`]: what a path counts
//! - [`paths`]: the fields of all paths to a node with their weights, and what they add up to
//! - [`spread`]: the analytic effective receptive field: how far an average path of averages
//!   reaches
//! - [`productive`]: layers that add nothing for images of a given size
//! - [`splits`]: what each split of a block adds

pub mod field;
pub mod paths;
pub mod productive;
pub mod splits;
pub mod spread;
pub mod weighting;

pub use field::{Field, fields};
pub use paths::{Paths, paths};
pub use weighting::Weighting;

use res2lab_arch::{Graph, NodeId};

/// Sizes in input pixels, along one axis, over all paths from the image to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The field of the shortest path.
    pub min_px: u64,
    /// The union of all paths' fields.
    pub max_px: u64,
}

/// The receptive field of the last stage's output. A global pool would see the whole image whatever
/// the network, so the head is left out, and so are squeeze-and-excitation's gates.
pub fn extent(graph: &Graph) -> Extent {
    let field = fields(graph)[last_stage(graph).0];
    Extent { min_px: field.min_px() as u64, max_px: field.max_px() as u64 }
}

/// Where the last stage ends; the output of a graph without stages.
pub fn last_stage(graph: &Graph) -> NodeId {
    graph.stages.last().map_or(graph.output(), |stage| stage.node)
}
