//! Evaluation of a network on a GPU with batch norms folded into the convolutions before them, and
//! with the sums and ReLUs after them computed by cuDNN's fused convolutions. No real GPU has run
//! this yet; on the pretend device it equals the plain evaluation.

use crate::net::{Mode, Net, logits_size};
use res2lab_arch::{Conv, Graph, NodeId, Op};
use res2lab_libtorch::Autocast;
use res2lab_planned::fusion::{Fusion, Residual, fuse, own_conv};
use tch::{Device, Kind, Tensor};

/// The nodes that one convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    conv: NodeId,
    norm: NodeId,
    end: End,
}

/// What follows the batch norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Nothing,
    Relu(NodeId),
    /// Another value is added, then ReLU.
    AddRelu {
        other: NodeId,
        relu: NodeId,
    },
}

impl Group {
    /// The node whose result the group computes.
    fn out(&self) -> NodeId {
        match self.end {
            End::Nothing => self.norm,
            End::Relu(relu) | End::AddRelu { relu, .. } => relu,
        }
    }
}

/// One operation of the evaluation.
enum Work {
    Node(NodeId),
    Fused { group: Group, conv: Conv, weight: Tensor, bias: Tensor },
}

impl Work {
    fn out(&self) -> NodeId {
        match self {
            Work::Node(node) => *node,
            Work::Fused { group, .. } => group.out(),
        }
    }

    fn inputs(&self, graph: &Graph) -> Vec<NodeId> {
        match self {
            Work::Node(node) => graph.node(*node).inputs.clone(),
            Work::Fused { group, .. } => {
                let mut inputs = graph.node(group.conv).inputs.clone();
                if let End::AddRelu { other, .. } = group.end {
                    inputs.push(other);
                }
                inputs
            }
        }
    }
}

/// The folded weights of a net, and the order of work.
pub struct FusedInference {
    work: Vec<Work>,
    /// For each node, the index of the last work that reads it.
    last_use: Vec<usize>,
    /// The kind of convolutions and of what they read and write.
    kind: Kind,
}

impl FusedInference {
    /// Whether the fused convolutions can evaluate this net: on a GPU, in float32 or lower.
    pub fn fits(net: &Net) -> bool {
        let placement = net.placement();
        placement.device != Device::Cpu && placement.kind == Kind::Float
    }

    /// Folds the present weights of `net`. Later changes of the net do not reach the folded
    /// weights.
    pub fn new(net: &Net) -> FusedInference {
        let _guard = tch::no_grad_guard();
        let graph = net.graph();
        let kind = net.autocast().unwrap_or(Kind::Float);
        let groups = groups(graph);
        let is_within = |id: NodeId| {
            let inside = |g: &&Group| g.conv == id || g.norm == id || sum_of(graph, g) == Some(id);
            groups.iter().any(|g| inside(&g) && g.out() != id)
        };
        let mut work = Vec::new();
        for (id, _) in graph.iter().skip(1) {
            match groups.iter().find(|group| group.out() == id) {
                Some(group) => work.push(fold(net, *group, kind)),
                None if is_within(id) => {}
                None => work.push(Work::Node(id)),
            }
        }
        let mut last_use = vec![0; graph.nodes.len()];
        for (index, item) in work.iter().enumerate() {
            item.inputs(graph).into_iter().for_each(|input| last_use[input.0] = index);
        }
        FusedInference { work, last_use, kind }
    }

    /// The logits of `images` (N x C x H x W, normalized, on the net's device), as [`Net::logits`]
    /// computes them in evaluation, up to rounding. `net` is the net that was folded.
    pub fn logits(&self, net: &Net, images: &Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        let graph = net.graph();
        let placement = net.placement();
        let _autocast = net.autocast().map(|kind| Autocast::new(placement.device, kind));
        let mut results: Vec<Option<Tensor>> = (0..graph.nodes.len()).map(|_| None).collect();
        results[0] = Some(placement.layout.apply(&images.to_kind(self.kind)));
        for (index, item) in self.work.iter().enumerate() {
            let result = match item {
                Work::Node(id) => net.run(net.flow(), *id, &results, Mode::Eval, &[]),
                Work::Fused { group, conv, weight, bias } => {
                    let read = |id: NodeId| {
                        let value = results[id.0].as_ref().expect("inputs are computed first");
                        value.to_kind(self.kind)
                    };
                    let x = read(graph.node(group.conv).inputs[0]);
                    let other = match group.end {
                        End::AddRelu { other, .. } => Some(read(other)),
                        _ => None,
                    };
                    convolve(&x, conv, weight, bias, group.end, other.as_ref())
                }
            };
            for input in item.inputs(graph) {
                if self.last_use[input.0] == index {
                    results[input.0] = None;
                }
            }
            results[item.out().0] = Some(result);
        }
        // The output has no reader, so its result is still stored.
        let logits = results[graph.output().0].take().unwrap_or_default();
        logits.reshape(logits_size(graph)).to_kind(placement.kind)
    }
}

fn convolve(
    x: &Tensor,
    conv: &Conv,
    weight: &Tensor,
    bias: &Tensor,
    end: End,
    other: Option<&Tensor>,
) -> Tensor {
    let stride = [conv.stride as i64; 2];
    let padding = [conv.padding as i64; 2];
    let dilation = [conv.dilation as i64; 2];
    let groups = conv.groups as i64;
    let bias = Some(bias);
    match (end, other) {
        (End::AddRelu { .. }, Some(other)) => x.cudnn_convolution_add_relu(
            weight, other, 1.0, bias, stride, padding, dilation, groups,
        ),
        (End::Relu(_), _) => {
            x.cudnn_convolution_relu(weight, bias, stride, padding, dilation, groups)
        }
        _ => x.conv2d(weight, bias, stride, padding, dilation, groups),
    }
}

/// The weights of a convolution and of the batch norm after it, as those of one convolution:
/// `w * a` and `(b - mean) * a + beta`, where `a = gamma / sqrt(var + eps)`.
fn fold(net: &Net, group: Group, kind: Kind) -> Work {
    let graph = net.graph();
    let (Op::Conv(conv), Op::BatchNorm { eps, .. }) =
        (graph.node(group.conv).op, graph.node(group.norm).op)
    else {
        panic!("a group is a convolution and a batch norm");
    };
    let [gamma, beta, mean, var] = [0, 1, 2, 3].map(|i| net.entry(group.norm, i));
    let factor = gamma / (var + eps).sqrt();
    let weight = net.entry(group.conv, 0) * factor.view([-1, 1, 1, 1]);
    let shift = match conv.bias {
        true => net.entry(group.conv, 1) - mean,
        false => mean.neg(),
    };
    let bias = shift * &factor + beta;
    let weight = net.placement().layout.apply(&weight.to_kind(kind));
    Work::Fused { group, conv, weight, bias: bias.to_kind(kind) }
}

/// The sum of a group that has one.
fn sum_of(graph: &Graph, group: &Group) -> Option<NodeId> {
    match group.end {
        End::AddRelu { relu, .. } => Some(graph.node(relu).inputs[0]),
        _ => None,
    }
}

/// Every convolution with a batch norm that alone reads it. What is fused with the norm is what the
/// planned step fuses.
fn groups(graph: &Graph) -> Vec<Group> {
    let group = |norm, end| own_conv(graph, norm).map(|conv| Group { conv, norm, end });
    let mut groups = Vec::new();
    for fusion in fuse(graph) {
        let Fusion::Norm { norm, residual, relu, out } = fusion else { continue };
        let other = residual.map(|residual| match residual {
            Residual::Value(other) | Residual::Norm(other) => other,
        });
        // The planned step computes the other norm as it is added. Here it is a group of its own.
        if let Some(Residual::Norm(other)) = residual {
            groups.extend(group(other, End::Nothing));
        }
        let end = match other {
            Some(other) if relu => End::AddRelu { other, relu: out },
            None if relu => End::Relu(out),
            _ => End::Nothing,
        };
        groups.extend(group(norm, end));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many groups end with nothing, with a ReLU, and with a sum and a ReLU.
    fn ends(name: &str) -> [usize; 3] {
        let entry = res2lab_arch::zoo::find(name).unwrap();
        let graph = res2lab_arch::build(&entry.words.resolve().unwrap().0, entry.input).unwrap();
        let groups = groups(&graph);
        let outs: std::collections::BTreeSet<usize> = groups.iter().map(|g| g.out().0).collect();
        assert_eq!(outs.len(), groups.len(), "each node is computed once");
        let mut ends = [0; 3];
        for group in groups {
            ends[match group.end {
                End::Nothing => 0,
                End::Relu(_) => 1,
                End::AddRelu { .. } => 2,
            }] += 1;
        }
        ends
    }

    #[test]
    fn every_relu_behind_a_convolution_is_fused() {
        // 53 convolutions: 16 blocks with three, the stem, and a projection in each of four stages.
        assert_eq!(ends("resnet50"), [4, 33, 16]);
        // Each block has two 1x1 convolutions and three 3x3 ones.
        assert_eq!(ends("res2net50_26w_4s"), [4, 65, 16]);
    }
}
