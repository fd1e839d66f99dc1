//! The receptive field of each split of a block.

use crate::field::{Flow, fields};
use res2lab_arch::{Graph, NodeId, Op};

/// A split at the concatenation of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The concatenation, e.g. `layer1.1.concat`.
    pub block: String,
    /// From 0, in the order of channels.
    pub index: usize,
    /// The node with the split's result.
    pub node: NodeId,
    pub min_px: i64,
    pub max_px: i64,
}

/// The splits of every block, in the graph's order. Blocks without splits are left out.
pub fn splits(graph: &Graph) -> Vec<Split> {
    let fields = fields(graph);
    let blocks = graph
        .nodes
        .iter()
        .filter(|node| node.op == Op::Concat && comes_from_splits(graph, &node.inputs));
    let of_block = |node: &res2lab_arch::Node| {
        let split = |(index, id): (usize, &NodeId)| {
            let field = fields[id.0];
            let min_px = field.min_px();
            let max_px = field.max_px();
            Split { block: node.name.clone(), index, node: *id, min_px, max_px }
        };
        node.inputs.iter().enumerate().map(split).collect::<Vec<_>>()
    };
    blocks.flat_map(of_block).collect()
}

/// Whether a concatenation joins splits. The root of a DLA concatenates whole feature maps instead.
fn comes_from_splits(graph: &Graph, inputs: &[NodeId]) -> bool {
    inputs.iter().any(|id| matches!(graph.node(*id).op, Op::Slice { .. }))
        || inputs.first().is_some_and(|id| is_from_slice(graph, *id))
}

fn is_from_slice(graph: &Graph, id: NodeId) -> bool {
    match Flow::of(&graph.node(id).op) {
        Flow::Split => true,
        Flow::Concat | Flow::Image => false,
        Flow::Sum
        | Flow::Gate
        | Flow::Whole
        | Flow::Windows(_)
        | Flow::Resized(_)
        | Flow::Normalized
        | Flow::Pointwise => {
            graph.node(id).inputs.first().is_some_and(|first| is_from_slice(graph, *first))
        }
    }
}
