//! Evaluation of a trained network: batch norms folded into the convolutions before them, and with them the sums and ReLUs
//! that follow, where libtorch has operators for it (float32 on a CPU). The weights are those of the moment it was made.

use crate::{Layout, Net, NnError};
use arch::{Conv, Graph, NodeId, Op};
use libtorch::fused::{Prepacked, Window};
use planned::units::{Residual, Unit, own_conv, units};
use std::collections::{HashMap, HashSet};
use tch::{Device, Kind, Tensor};

/// A network ready to be evaluated.
pub struct Folded {
    graph: Graph,
    pieces: Vec<Piece>,
    /// For each piece, the results that nobody reads after it.
    frees: Vec<Vec<NodeId>>,
    kind: Kind,
}

/// What is computed in one go.
enum Piece {
    Conv { layer: Layer, inputs: Vec<NodeId>, other: Option<NodeId>, relu: bool, out: NodeId },
    Node(NodeId),
}

enum Layer {
    Fused(Prepacked),
    /// Two or three operators.
    Plain {
        weight: Tensor,
        bias: Tensor,
        conv: Conv,
    },
}

impl Folded {
    /// Folds the net's present state, for batches of about `batch` images.
    pub fn new(net: &Net, batch: usize) -> Result<Folded, NnError> {
        let graph = net.graph().clone();
        let mut pieces = Vec::new();
        let mut inputs_of: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let has_norm: HashSet<NodeId> = graph.iter().filter_map(|(id, _)| norms_conv(&graph, id)).collect();
        let folded = |inputs_of: &HashMap<NodeId, Vec<NodeId>>, norm, other, relu, out| {
            let Some(node) = norms_conv(&graph, norm) else { return Ok(None) };
            let layer = layer(net, node, Some(norm), batch)?;
            Ok::<_, NnError>(Some(Piece::Conv { layer, inputs: inputs_of[&node].clone(), other, relu, out }))
        };
        for unit in units(&graph) {
            match unit {
                Unit::Conv { node, inputs } if has_norm.contains(&node) => {
                    inputs_of.insert(node, inputs);
                }
                Unit::Conv { node, inputs } => {
                    let layer = layer(net, node, None, batch)?;
                    pieces.push(Piece::Conv { layer, inputs, other: None, relu: false, out: node });
                }
                Unit::Norm { norm, residual, relu, out } => {
                    let other = residual.map(|(Residual::Value(id) | Residual::Norm(id))| id);
                    if let Some(Residual::Norm(id)) = residual {
                        pieces.push(folded(&inputs_of, id, None, false, id)?.unwrap_or(Piece::Node(id)));
                    }
                    match folded(&inputs_of, norm, other, relu, out)? {
                        Some(piece) => pieces.push(piece),
                        None => pieces.extend(unfolded(&graph, norm, out)),
                    }
                }
                Unit::Single(node) => pieces.push(Piece::Node(node)),
            }
        }
        let frees = frees(&graph, &pieces);
        Ok(Folded { graph, pieces, frees, kind: net.placement().kind })
    }

    /// Logits of `images` (N x C x H x W, normalised, of the net's kind and device), as [`Net::logits`] gives them in
    /// evaluation.
    pub fn logits(&self, net: &Net, images: &Tensor) -> Result<Tensor, NnError> {
        tch::no_grad(|| {
            let mut results: Vec<Option<Tensor>> = (0..self.graph.nodes.len()).map(|_| None).collect();
            results[0] = Some(Layout::ChannelsLast.apply(images));
            for (piece, frees) in self.pieces.iter().zip(&self.frees) {
                let (out, result) = self.run(net, piece, &mut results)?;
                results[out.0] = Some(result);
                frees.iter().for_each(|id| results[id.0] = None);
            }
            // The last piece has left the output there.
            let logits = results[self.graph.output().0].take().unwrap_or_default();
            Ok(logits.flatten(1, -1).to_kind(self.kind))
        })
    }

    fn run(&self, net: &Net, piece: &Piece, results: &mut [Option<Tensor>]) -> Result<(NodeId, Tensor), NnError> {
        match piece {
            Piece::Node(id) => {
                inputs(&self.graph, *id).for_each(|input| view(&self.graph, input, results));
                Ok((*id, net.evaluate_node(*id, results)))
            }
            Piece::Conv { layer, inputs, other, relu, out } => {
                inputs.iter().chain(other).for_each(|id| view(&self.graph, *id, results));
                let of = |id: &NodeId| results[id.0].as_ref().expect("pieces run in order");
                let x = match &inputs[..] {
                    [a, b] => of(a) + of(b),
                    _ => of(&inputs[0]).shallow_clone(),
                };
                Ok((*out, layer.run(&x, other.as_ref().map(of), *relu)?))
            }
        }
    }
}

/// A slice is a view, made where it is first read.
fn view(graph: &Graph, id: NodeId, results: &mut [Option<Tensor>]) {
    if let (Op::Slice { start, len }, None) = (graph.node(id).op, &results[id.0]) {
        let source = graph.node(id).inputs[0];
        results[id.0] = results[source.0].as_ref().map(|whole| whole.narrow(1, start as i64, len as i64));
    }
}

fn inputs(graph: &Graph, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    graph.node(id).inputs.iter().copied()
}

/// The nodes of a norm unit one by one, where its norm follows no convolution of its own.
fn unfolded(graph: &Graph, norm: NodeId, out: NodeId) -> Vec<Piece> {
    let mut chain = vec![norm];
    while chain.last() != Some(&out) {
        let last = chain[chain.len() - 1];
        let next = graph.iter().find(|(_, node)| node.inputs.contains(&last)).map(|(id, _)| id);
        chain.extend(next);
    }
    chain.into_iter().map(Piece::Node).collect()
}

/// What each piece is the last to read. A slice reads its source.
fn frees(graph: &Graph, pieces: &[Piece]) -> Vec<Vec<NodeId>> {
    let mut last = vec![None; graph.nodes.len()];
    for (i, piece) in pieces.iter().enumerate() {
        let read: Vec<NodeId> = match piece {
            Piece::Node(id) => inputs(graph, *id).collect(),
            Piece::Conv { inputs, other, .. } => inputs.iter().chain(other).copied().collect(),
        };
        for id in read {
            last[id.0] = Some(i);
            if let Op::Slice { .. } = graph.node(id).op {
                last[graph.node(id).inputs[0].0] = Some(i);
            }
        }
    }
    let mut frees = vec![Vec::new(); pieces.len()];
    let found = last.into_iter().enumerate().filter_map(|(id, last)| Some((NodeId(id), last?)));
    found.for_each(|(id, last)| frees[last].push(id));
    frees
}

/// The convolution that a node is folded into, if it is a batch norm with one of its own.
fn norms_conv(graph: &Graph, id: NodeId) -> Option<NodeId> {
    matches!(graph.node(id).op, Op::BatchNorm { .. }).then(|| own_conv(graph, id)).flatten()
}

/// A convolution's weight and bias with the norm's running statistics in them: w * g / sqrt(v + e), worked out in double
/// precision.
fn layer(net: &Net, node: NodeId, norm: Option<NodeId>, batch: usize) -> Result<Layer, NnError> {
    let (Op::Conv(conv), input) = (net.graph().node(node).op, net.graph().node(net.graph().node(node).inputs[0]).shape)
    else {
        unreachable!("units call convolutions so");
    };
    let [weight, bias] = tch::no_grad(|| folded(net, node, conv, norm));
    let placement = net.placement();
    if placement.device == Device::Cpu && placement.kind == Kind::Float {
        let window = Window { padding: conv.padding as i64, stride: conv.stride as i64, groups: conv.groups as i64 };
        let size = [batch, input.channels, input.height, input.width].map(|n| n as i64);
        return Ok(Layer::Fused(Prepacked::new(&weight, bias, window, size)?));
    }
    Ok(Layer::Plain { weight: Layout::ChannelsLast.apply(&weight), bias, conv })
}

fn folded(net: &Net, node: NodeId, conv: Conv, norm: Option<NodeId>) -> [Tensor; 2] {
    let kind = net.placement().kind;
    let state = |id: NodeId, i: usize| net.state(id, i).to_kind(Kind::Double);
    let weight = state(node, 0);
    let bias =
        if conv.bias { state(node, 1) } else { Tensor::zeros([conv.out as i64], (Kind::Double, weight.device())) };
    let (weight, bias) = match norm.map(|norm| (norm, net.graph().node(norm).op)) {
        Some((norm, Op::BatchNorm { eps, .. })) => {
            let scale = state(norm, 0) / (state(norm, 3) + eps).sqrt();
            let bias = (bias - state(norm, 2)) * &scale + state(norm, 1);
            (weight * scale.view([-1, 1, 1, 1]), bias)
        }
        _ => (weight, bias),
    };
    [weight.to_kind(kind), bias.to_kind(kind)]
}

impl Layer {
    fn run(&self, x: &Tensor, other: Option<&Tensor>, relu: bool) -> Result<Tensor, NnError> {
        match self {
            Layer::Fused(packed) => Ok(packed.conv(x, other, relu)?),
            Layer::Plain { weight, bias, conv } => {
                let (stride, padding) = ([conv.stride as i64; 2], [conv.padding as i64; 2]);
                let mut y = x.conv2d(weight, Some(bias), stride, padding, [1, 1], conv.groups as i64);
                if let Some(other) = other {
                    y += other;
                }
                Ok(if relu { y.relu_() } else { y })
            }
        }
    }
}
