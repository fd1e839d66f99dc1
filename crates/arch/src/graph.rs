//! The graph: a list of nodes in execution order, each with a stable name, and the ordered state of
//! a checkpoint.

use std::collections::BTreeMap;

/// Position of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Shape of one image's activation (without the batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// A square convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// `kernel` x `kernel` to `out` channels, padded to keep the size, stride 1, one group, no
    /// bias.
    pub fn new(kernel: usize, out: usize) -> Conv {
        Conv { out, kernel, stride: 1, padding: (kernel - 1) / 2, groups: 1, bias: false }
    }

    /// With another stride.
    pub fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    /// With this many groups.
    pub fn groups(self, groups: usize) -> Conv {
        Conv { groups, ..self }
    }

    /// With a bias.
    pub fn biased(self) -> Conv {
        Conv { bias: true, ..self }
    }
}

/// A square pooling window, with PyTorch's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Round the output size up.
    pub ceil_mode: bool,
    /// Whether an average counts the padding's zeros (PyTorch's default; published Res2Net weights
    /// expect it).
    pub count_include_pad: bool,
}

/// What a node computes from its inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The image.
    Input,
    Conv(Conv),
    /// Per-channel normalization; `momentum` as PyTorch counts it.
    BatchNorm {
        eps: f64,
        momentum: f64,
    },
    Relu,
    Sigmoid,
    /// Sum of all inputs.
    Add,
    /// First input times the second, which has one value per channel.
    Gate,
    /// Channels `start..start + len`: one split.
    Slice {
        start: usize,
        len: usize,
    },
    /// Inputs joined along channels.
    Concat,
    MaxPool(Pool),
    AvgPool(Pool),
    /// Mean over the whole map, one value per channel.
    GlobalPool,
    /// Fully connected, with bias.
    Linear {
        out: usize,
    },
}

/// One step of the computation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Stable and unique, e.g. `layer1.0.convs.2`; the module's name where the node has parameters.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// From what, all earlier in the list.
    pub inputs: Vec<NodeId>,
    /// Shape of the result for one image.
    pub shape: Shape,
}

/// What a tensor of the state is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    ConvWeight,
    ConvBias,
    NormWeight,
    NormBias,
    RunningMean,
    RunningVar,
    LinearWeight,
    LinearBias,
}

impl Role {
    /// Whether gradients reach it; running statistics are only carried along.
    pub fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVar)
    }
}

/// One tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// Name as published, e.g. `layer1.0.convs.2.weight`.
    pub name: String,
    /// Shape as published.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// The node that uses it.
    pub node: NodeId,
}

impl StateEntry {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The end of a stage: where feature maps are usually taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `layer1` .. or `level2` ..
    pub name: String,
    /// Its last node.
    pub node: NodeId,
}

/// A network, complete. Two equal graphs are the same network with the same names.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// In execution order; node 0 is the input.
    pub nodes: Vec<Node>,
    /// In the order of published checkpoints, which is not execution order.
    pub state: Vec<StateEntry>,
    /// In order.
    pub stages: Vec<Stage>,
    /// Names of modules (blocks, stages) and the node that carries their result.
    pub modules: BTreeMap<String, NodeId>,
}

impl Graph {
    /// The node itself.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The logits.
    pub fn output(&self) -> NodeId {
        NodeId(self.nodes.len() - 1)
    }

    /// A node by its own name or by that of a module (`layer1.0` is that block's output).
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let own = self.nodes.iter().position(|n| n.name == name).map(NodeId);
        own.or_else(|| self.modules.get(name).copied())
    }

    /// Ids with their nodes, in execution order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i), n))
    }

    /// For each node, its first entry in the state, if it has any.
    pub fn first_entries(&self) -> Vec<Option<usize>> {
        let mut first = vec![None; self.nodes.len()];
        for (i, entry) in self.state.iter().enumerate() {
            first[entry.node.0].get_or_insert(i);
        }
        first
    }

    /// For each node, how many others read it.
    pub fn consumers(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|n| &n.inputs) {
            counts[input.0] += 1;
        }
        counts
    }
}
