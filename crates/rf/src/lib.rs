//! Receptive fields, worked out on the graph.
//!
//! This crate must never know: tensors, weights, files. It counts; it does not measure.
//!
//! One module so far. [`extent`] gives the smallest and the largest field of the last stage's units.

use arch::{Graph, Node, NodeId, Op};

/// Sizes in input pixels, along one axis, over all paths from the image to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The field of the shortest path.
    pub min_px: u64,
    /// The union of all paths' fields.
    pub max_px: u64,
}

/// What the paths to one node's unit cover: pixels `low..=high` relative to `jump` times the unit's index, and the size
/// of the smallest single field.
#[derive(Clone, Copy)]
struct Field {
    low: i64,
    high: i64,
    smallest: i64,
    jump: i64,
}

/// The receptive field of the last stage's output. A global pool would see the whole image whatever the network, so the
/// head is left out, and so are squeeze-and-excitation's gates.
pub fn extent(graph: &Graph) -> Extent {
    let end = graph.stages.last().map_or(graph.output(), |stage| stage.node);
    let mut fields: Vec<Field> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let field = field(node, |id| fields[id.0]);
        fields.push(field);
    }
    let Field { low, high, smallest, .. } = fields[end.0];
    Extent { min_px: smallest as u64, max_px: (high - low + 1) as u64 }
}

fn field(node: &Node, of: impl Fn(NodeId) -> Field) -> Field {
    let Some(&first) = node.inputs.first() else { return Field { low: 0, high: 0, smallest: 1, jump: 1 } };
    let x = of(first);
    match node.op {
        Op::Conv(c) => window(x, c.kernel, c.stride, c.padding),
        Op::MaxPool(p) | Op::AvgPool(p) => window(x, p.kernel, p.stride, p.padding),
        Op::Add | Op::Concat => node.inputs.iter().map(|&id| of(id)).fold(x, merge),
        Op::Input
        | Op::BatchNorm { .. }
        | Op::Relu
        | Op::Sigmoid
        | Op::Gate
        | Op::Slice { .. }
        | Op::GlobalPool
        | Op::Linear { .. } => x,
    }
}

/// A window of `kernel` inputs: Araujo et al. 2019, equation for one layer, forwards.
fn window(x: Field, kernel: usize, stride: usize, padding: usize) -> Field {
    let (kernel, stride, padding) = (kernel as i64, stride as i64, padding as i64);
    Field {
        low: x.low - padding * x.jump,
        high: x.high + (kernel - 1 - padding) * x.jump,
        smallest: x.smallest + (kernel - 1) * x.jump,
        jump: x.jump * stride,
    }
}

fn merge(a: Field, b: Field) -> Field {
    Field { low: a.low.min(b.low), high: a.high.max(b.high), smallest: a.smallest.min(b.smallest), jump: a.jump }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arch::{ModelWords, build, zoo};

    fn of(name: &str, scale: Option<usize>) -> Extent {
        let entry = zoo::find(name).unwrap();
        let words = entry.words.overridden_by(&ModelWords { scale, ..ModelWords::default() });
        extent(&build(&words.resolve().unwrap().0, entry.input).unwrap())
    }

    /// Largest fields worked out by propagating sets of pixels through a copy of the network.
    #[test]
    fn largest_and_smallest_fields_of_the_published_networks() {
        for (scale, max_px) in [(2, 427), (4, 1131), (6, 1835), (8, 2539)] {
            assert_eq!(of("res2net50_26w_4s", Some(scale)), Extent { min_px: 11, max_px }, "scale {scale}");
        }
        assert_eq!(of("resnet50", None).max_px, 427);
        assert_eq!(of("res2net101_26w_4s", None).max_px, 2763);
        assert_eq!(of("res2net101_26w_4s", Some(8)).max_px, 6347);
        assert_eq!(of("res2net50d", None), Extent { min_px: 43, max_px: 1135 });
    }
}
