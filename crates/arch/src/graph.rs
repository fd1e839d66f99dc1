//! The graph of a network: nodes in execution order with stable names, and the ordered state of a
//! checkpoint.

use std::collections::BTreeMap;

/// Index of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// The shape of one image's activation, without the batch dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Shape {
    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// A convolution with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Pixels between neighboring taps; 1 is an ordinary convolution.
    pub dilation: usize,
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// A `kernel` x `kernel` convolution to `out` channels: size-preserving padding, stride 1, one
    /// group, no bias.
    pub fn new(kernel: usize, out: usize) -> Conv {
        let padding = (kernel - 1) / 2;
        Conv { out, kernel, stride: 1, padding, dilation: 1, groups: 1, bias: false }
    }

    /// The convolution with another stride.
    pub fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    /// The convolution with `dilation` pixels between taps, and the padding that keeps the size.
    pub fn dilated(self, dilation: usize) -> Conv {
        Conv { dilation, padding: dilation * ((self.kernel - 1) / 2), ..self }
    }

    /// The pixels from its first tap to its last one, along one axis.
    pub fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// The convolution with another number of groups.
    pub fn groups(self, groups: usize) -> Conv {
        Conv { groups, ..self }
    }

    /// The convolution with a bias.
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
    /// Whether the output size is rounded up.
    pub ceil_mode: bool,
    /// Whether an average includes the padding's zeros (PyTorch's default, used by the published
    /// Res2Net weights).
    pub count_include_pad: bool,
    /// Rows of zeros below the map, and columns of zeros on its right, which an average counts. With
    /// one and a kernel of 2, a pool of stride 1 keeps the size, as timm's `AvgPool2dSame`.
    pub after: usize,
}

/// What is computed of a map at places between its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel before.
    Nearest,
    /// A weighted mean of the two pixels around, along each axis. With `aligned` corners, the first
    /// and the last pixels of both maps coincide, else the edges of the first and last pixels do.
    Bilinear { aligned: bool },
}

/// What has a random factor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Image,
    /// Each channel of each image.
    Channel,
    /// Each value of each image.
    Value,
}

impl Per {
    /// The shape of the factors of one image with which values of `shape` are multiplied: one for
    /// each value, or for each channel, all the same if they are those of an image.
    pub fn factors(self, shape: Shape) -> Shape {
        match self {
            Per::Image | Per::Channel => Shape { height: 1, width: 1, ..shape },
            Per::Value => shape,
        }
    }
}

/// Random factors that belong to a network, in training only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The node whose first input is multiplied.
    pub before: NodeId,
    /// The probability that a factor is 0.
    pub rate: f64,
    pub per: Per,
}

/// The operation of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The image.
    Input,
    Conv(Conv),
    /// Per-channel normalization; `momentum` is defined as in PyTorch.
    BatchNorm {
        eps: f64,
        momentum: f64,
    },
    /// Normalization of each image over the pixels of groups of neighboring channels.
    GroupNorm {
        groups: usize,
        eps: f64,
    },
    Relu,
    Sigmoid,
    /// Sum of all inputs.
    Add,
    /// First input times the second, which has one value per channel.
    Gate,
    /// The input times random factors, in training only: 0 with probability `rate`, else 1 / (1 -
    /// rate). No network has this node; [`crate::noise`] adds it for training.
    Noise {
        rate: f64,
        per: Per,
    },
    /// Channels `start..start + len`: one split.
    Slice {
        start: usize,
        len: usize,
    },
    /// Concatenation of the inputs along the channels.
    Concat,
    MaxPool(Pool),
    AvgPool(Pool),
    /// Mean over the whole feature map, one value per channel.
    GlobalPool,
    /// The map in the size of the node's shape.
    Resize(Interpolation),
    /// Fully connected layer with bias.
    Linear {
        out: usize,
    },
}

/// A node: one operation of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Stable and unique, e.g. `layer1.0.convs.2`; the module's name if the node has parameters.
    pub name: String,
    pub op: Op,
    /// Nodes earlier in the list.
    pub inputs: Vec<NodeId>,
    /// Shape of the result for one image.
    pub shape: Shape,
}

/// The role of a tensor of the state.
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
    /// Whether the tensor is a parameter. Running statistics have no gradient.
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
    pub role: Role,
    /// The node that uses the tensor.
    pub node: NodeId,
}

impl StateEntry {
    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The end of a stage, whose feature map is commonly used by downstream tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `layer1` .. or `level2` ..
    pub name: String,
    /// The stage's last node.
    pub node: NodeId,
}

/// A complete network. Equal graphs are the same network with the same names.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// In execution order; node 0 is the input.
    pub nodes: Vec<Node>,
    /// In the order of published checkpoints, which differs from execution order.
    pub state: Vec<StateEntry>,
    /// In execution order.
    pub stages: Vec<Stage>,
    /// Names of modules (blocks, stages), and the nodes with their results.
    pub modules: BTreeMap<String, NodeId>,
    /// The random factors of the network's own head. The recipe's are no part of a network.
    pub dropouts: Vec<Dropout>,
}

impl Graph {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The id of the last node, which computes the logits.
    pub fn output(&self) -> NodeId {
        NodeId(self.nodes.len() - 1)
    }

    /// Whether the output is a map, with a vector of logits for each pixel.
    pub fn is_dense(&self) -> bool {
        let Shape { height, width, .. } = self.node(self.output()).shape;
        height * width > 1
    }

    /// Finds a node by its name or by a module's name (`layer1.0` is the block's output).
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let own = self.nodes.iter().position(|n| n.name == name).map(NodeId);
        own.or_else(|| self.modules.get(name).copied())
    }

    /// Ids with their nodes, in execution order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i), n))
    }

    /// For each node, the index of its first entry in the state; `None` for nodes without state.
    pub fn first_entries(&self) -> Vec<Option<usize>> {
        let mut first = vec![None; self.nodes.len()];
        for (i, entry) in self.state.iter().enumerate() {
            first[entry.node.0].get_or_insert(i);
        }
        first
    }

    /// For each node, the number of nodes that use its result.
    pub fn consumers(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|n| &n.inputs) {
            counts[input.0] += 1;
        }
        counts
    }
}
