//! Fusion of nodes: a batch norm is computed together with the sum and the ReLU after it, a
//! convolution together with the sum before it.

use res2lab_arch::{Graph, NodeId, Op};

/// One or several nodes that are computed together.
#[derive(Clone, Debug, PartialEq)]
pub enum Fusion {
    /// A convolution of a value, or of the sum of two values.
    Conv {
        node: NodeId,
        /// The terms of that sum, which is computed as the convolution reads its input.
        inputs: Vec<NodeId>,
    },
    /// `relu(norm(x) + residual)`.
    Norm {
        norm: NodeId,
        residual: Option<Residual>,
        relu: bool,
        /// The node whose result the fusion computes.
        out: NodeId,
    },
    /// Any other node, which is not fused.
    Single(NodeId),
}

/// The other term of a residual sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// A value in memory.
    Value(NodeId),
    /// The result of another batch norm, which is computed as it is added.
    Norm(NodeId),
}

impl Fusion {
    /// The node whose result the fusion computes.
    pub fn out(&self) -> NodeId {
        match self {
            Fusion::Conv { node, .. } | Fusion::Single(node) => *node,
            Fusion::Norm { out, .. } => *out,
        }
    }
}

/// The fusions of a graph in execution order. The input and slices need none: a slice is a view.
pub fn fuse(graph: &Graph) -> Vec<Fusion> {
    let readers = readers(graph);
    let only =
        |id: NodeId| <[NodeId; 1]>::try_from(readers[id.0].as_slice()).ok().map(|[reader]| reader);
    let mut fused = vec![false; graph.nodes.len()];
    let mut at: Vec<Option<Fusion>> = vec![None; graph.nodes.len()];
    for (id, node) in graph.iter() {
        if fused[id.0] {
            continue;
        }
        let fusion = match node.op {
            Op::Input | Op::Slice { .. } => continue,
            Op::BatchNorm { .. } => norm(graph, id, only, &mut fused),
            Op::Conv(_) => conv(graph, id, only, &mut at),
            Op::Relu
            | Op::Sigmoid
            | Op::Add
            | Op::Gate
            | Op::Noise { .. }
            | Op::Concat
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::GlobalPool
            | Op::GroupNorm { .. }
            | Op::Resize(_)
            | Op::Linear { .. } => Fusion::Single(id),
        };
        let out = fusion.out();
        at[out.0] = Some(fusion);
    }
    at.into_iter().flatten().collect()
}

/// The convolution before a batch norm, if the norm is the only reader of its result.
pub fn own_conv(graph: &Graph, norm: NodeId) -> Option<NodeId> {
    let source = graph.node(norm).inputs[0];
    let reads =
        graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| **input == source).count();
    (matches!(graph.node(source).op, Op::Conv(_)) && reads == 1).then_some(source)
}

fn readers(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.iter() {
        node.inputs.iter().for_each(|input| readers[input.0].push(id));
    }
    readers
}

/// Fuses a batch norm with the sum and the ReLU after it, as far as intermediate results have no
/// other reader.
fn norm(
    graph: &Graph,
    id: NodeId,
    only: impl Fn(NodeId) -> Option<NodeId>,
    fused: &mut [bool],
) -> Fusion {
    let mut out = id;
    let mut residual = None;
    if let Some(add) = only(id)
        && let (Op::Add, [a, b]) = (graph.node(add).op, &graph.node(add).inputs[..])
    {
        let other = if *a == id { *b } else { *a };
        let is_norm = matches!(graph.node(other).op, Op::BatchNorm { .. }) && only(other).is_some();
        residual = Some(if is_norm { Residual::Norm(other) } else { Residual::Value(other) });
        fused[other.0] |= is_norm;
        fused[add.0] = true;
        out = add;
    }
    let relu = only(out).filter(|reader| graph.node(*reader).op == Op::Relu);
    if let Some(relu) = relu {
        fused[relu.0] = true;
        out = relu;
    }
    Fusion::Norm { norm: id, residual, relu: relu.is_some(), out }
}

/// Fuses a convolution with a sum of two values that only the convolution reads.
fn conv(
    graph: &Graph,
    id: NodeId,
    only: impl Fn(NodeId) -> Option<NodeId>,
    at: &mut [Option<Fusion>],
) -> Fusion {
    let input = graph.node(id).inputs[0];
    let sum = graph.node(input);
    let is_for_it = at[input.0] == Some(Fusion::Single(input)) && only(input).is_some();
    if sum.op == Op::Add && sum.inputs.len() == 2 && is_for_it {
        at[input.0] = None;
        return Fusion::Conv { node: id, inputs: sum.inputs.clone() };
    }
    Fusion::Conv { node: id, inputs: vec![input] }
}
