//! Builder of graphs. Each method takes inputs and a name, adds a node, and returns it.
//!
//! Shape errors are recorded until [`Builder::finish`], so that block code needs no error handling.

use crate::Input;
use crate::graph::{
    Conv, Dropout, Graph, Interpolation, Node, NodeId, Op, Per, Pool, Role, Shape, Stage,
    StateEntry,
};
use res2lab_error::Error;
use std::collections::BTreeMap;

/// PyTorch's default, used by every published network of the family.
pub const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;
/// PyTorch's default.
const GROUP_NORM_EPS: f64 = 1e-5;

/// A graph under construction.
pub struct Builder {
    nodes: Vec<Node>,
    stages: Vec<Stage>,
    modules: BTreeMap<String, NodeId>,
    dropouts: Vec<Dropout>,
    /// What names of modules begin with.
    prefix: &'static str,
    problem: Option<Error>,
}

impl Builder {
    /// Creates a graph with the input node only.
    pub fn new(input: Input) -> (Builder, NodeId) {
        let shape = Shape { channels: input.channels, height: input.height, width: input.width };
        let image = Node { name: "input".into(), op: Op::Input, inputs: vec![], shape };
        let builder = Builder {
            nodes: vec![image],
            stages: vec![],
            modules: BTreeMap::new(),
            dropouts: vec![],
            prefix: "",
            problem: None,
        };
        (builder, NodeId(0))
    }

    /// Sets what the names of the modules that follow begin with.
    pub fn within(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// The shape of a node's result.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.0].shape
    }

    /// The number of channels of a node's result.
    pub fn channels(&self, id: NodeId) -> usize {
        self.shape(id).channels
    }

    fn push(&mut self, name: &str, op: Op, inputs: Vec<NodeId>, shape: Shape) -> NodeId {
        let name = format!("{}{name}", self.prefix);
        self.nodes.push(Node { name, op, inputs, shape });
        NodeId(self.nodes.len() - 1)
    }

    fn refuse(&mut self, name: &str, what: String) {
        let help = "give larger images, or fewer stages";
        self.problem.get_or_insert_with(|| Error::input(format!("{name}: {what}"), help));
    }

    /// Adds a convolution, module `name`.
    pub fn conv(&mut self, name: &str, x: NodeId, conv: Conv) -> NodeId {
        let padding = [conv.padding; 2];
        let shape = self.window(name, x, conv.out, (conv.span(), conv.stride), padding, false);
        self.push(name, Op::Conv(conv), vec![x], shape)
    }

    /// Adds a batch norm, module `name`.
    pub fn batch_norm(&mut self, name: &str, x: NodeId) -> NodeId {
        let op = Op::BatchNorm { eps: BATCH_NORM_EPS, momentum: BATCH_NORM_MOMENTUM };
        self.push(name, op, vec![x], self.shape(x))
    }

    /// Adds a group norm, module `name`.
    pub fn group_norm(&mut self, name: &str, x: NodeId, groups: usize) -> NodeId {
        if !self.channels(x).is_multiple_of(groups) {
            let channels = self.channels(x);
            let help = format!("give a number of channels that {groups} divides");
            let cause = format!("{name}: {groups} groups do not divide {channels} channels");
            self.problem.get_or_insert_with(|| Error::input(cause, help));
        }
        self.push(name, Op::GroupNorm { groups, eps: GROUP_NORM_EPS }, vec![x], self.shape(x))
    }

    /// Adds a map of another size, (rows, columns); none if the size is that of `x`.
    pub fn resize(
        &mut self,
        name: &str,
        x: NodeId,
        (height, width): (usize, usize),
        how: Interpolation,
    ) -> NodeId {
        let shape = Shape { height, width, ..self.shape(x) };
        if shape == self.shape(x) {
            return x;
        }
        self.push(name, Op::Resize(how), vec![x], shape)
    }

    /// Multiplies the first input of a node by random factors in training.
    pub fn dropout(&mut self, before: NodeId, rate: f64, per: Per) {
        if rate > 0.0 {
            self.dropouts.push(Dropout { before, rate, per });
        }
    }

    /// The first node that reads the result of `x`.
    pub fn reader(&self, x: NodeId) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.inputs.contains(&x)).map(NodeId)
    }

    /// Adds a ReLU: max(x, 0).
    pub fn relu(&mut self, name: &str, x: NodeId) -> NodeId {
        self.push(name, Op::Relu, vec![x], self.shape(x))
    }

    /// Adds a sigmoid: 1 / (1 + exp(-x)).
    pub fn sigmoid(&mut self, name: &str, x: NodeId) -> NodeId {
        self.push(name, Op::Sigmoid, vec![x], self.shape(x))
    }

    /// Adds a sum of feature maps of equal shape.
    pub fn add(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        let shape = self.shape(inputs[0]);
        if let Some(other) = inputs.iter().map(|&i| self.shape(i)).find(|&s| s != shape) {
            self.refuse(name, format!("cannot add maps of {shape:?} and {other:?}"));
        }
        self.push(name, Op::Add, inputs.to_vec(), shape)
    }

    /// Adds a gate: `x` times one value per channel.
    pub fn gate(&mut self, name: &str, x: NodeId, values: NodeId) -> NodeId {
        self.push(name, Op::Gate, vec![x, values], self.shape(x))
    }

    /// Adds `count` slices of equal size along the channels, named `name.0` ..
    pub fn split(&mut self, name: &str, x: NodeId, count: usize) -> Vec<NodeId> {
        let whole = self.shape(x);
        let len = whole.channels / count;
        let slice = |b: &mut Builder, i| {
            let shape = Shape { channels: len, ..whole };
            b.push(&format!("{name}.{i}"), Op::Slice { start: i * len, len }, vec![x], shape)
        };
        (0..count).map(|i| slice(self, i)).collect()
    }

    /// Adds a concatenation of feature maps along the channels.
    pub fn concat(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        let first = self.shape(inputs[0]);
        let channels = inputs.iter().map(|&i| self.channels(i)).sum();
        let sizes = |s: Shape| (s.height, s.width);
        if let Some(other) =
            inputs.iter().map(|&i| self.shape(i)).find(|&s| sizes(s) != sizes(first))
        {
            self.refuse(name, format!("cannot join maps of {first:?} and {other:?}"));
        }
        self.push(name, Op::Concat, inputs.to_vec(), Shape { channels, ..first })
    }

    /// Adds a max pool.
    pub fn max_pool(&mut self, name: &str, x: NodeId, pool: Pool) -> NodeId {
        let channels = self.channels(x);
        let padding = [pool.padding, pool.padding + pool.after];
        let size = (pool.kernel, pool.stride);
        let shape = self.window(name, x, channels, size, padding, pool.ceil_mode);
        self.push(name, Op::MaxPool(pool), vec![x], shape)
    }

    /// Adds an average pool.
    pub fn avg_pool(&mut self, name: &str, x: NodeId, pool: Pool) -> NodeId {
        let channels = self.channels(x);
        let padding = [pool.padding, pool.padding + pool.after];
        let size = (pool.kernel, pool.stride);
        let shape = self.window(name, x, channels, size, padding, pool.ceil_mode);
        self.push(name, Op::AvgPool(pool), vec![x], shape)
    }

    /// Adds a mean over the whole feature map.
    pub fn global_pool(&mut self, name: &str, x: NodeId) -> NodeId {
        let shape = Shape { channels: self.channels(x), height: 1, width: 1 };
        self.push(name, Op::GlobalPool, vec![x], shape)
    }

    /// Adds a fully connected layer with bias, module `name`.
    pub fn linear(&mut self, name: &str, x: NodeId, out: usize) -> NodeId {
        self.push(name, Op::Linear { out }, vec![x], Shape { channels: out, height: 1, width: 1 })
    }

    /// Adds `conv{suffix}` and `bn{suffix}` of the block `at`.
    pub fn conv_bn(&mut self, at: &str, suffix: &str, x: NodeId, conv: Conv) -> NodeId {
        let y = self.conv(&format!("{at}.conv{suffix}"), x, conv);
        self.batch_norm(&format!("{at}.bn{suffix}"), y)
    }

    /// Adds `conv{suffix}`, `bn{suffix}` and `relu{suffix}` of the block `at`.
    pub fn conv_bn_relu(&mut self, at: &str, suffix: &str, x: NodeId, conv: Conv) -> NodeId {
        let y = self.conv_bn(at, suffix, x, conv);
        self.relu(&format!("{at}.relu{suffix}"), y)
    }

    /// Names the result of a module that has no node of its own.
    pub fn module(&mut self, name: &str, result: NodeId) -> NodeId {
        self.modules.insert(format!("{}{name}", self.prefix), result);
        result
    }

    /// Marks the end of a stage.
    pub fn stage(&mut self, name: &str, result: NodeId) {
        self.module(name, result);
        // A stage is found by its short name, too.
        self.modules.insert(name.to_owned(), result);
        self.stages.push(Stage { name: name.to_owned(), node: result });
    }

    /// Returns the graph, or the first error.
    pub fn finish(self) -> Result<Graph, Error> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let state = state_in_published_order(&self.nodes);
        let Builder { nodes, stages, modules, dropouts, .. } = self;
        Ok(Graph { nodes, state, stages, modules, dropouts })
    }

    fn window(
        &mut self,
        name: &str,
        x: NodeId,
        channels: usize,
        (k, s): (usize, usize),
        [before, after]: [usize; 2],
        ceil: bool,
    ) -> Shape {
        let input = self.shape(x);
        let out = |size: usize| {
            let room = (size + before + after).checked_sub(k)?;
            let mut n = if ceil { room.div_ceil(s) } else { room / s } + 1;
            // A window that would start in the right padding is dropped, as in PyTorch.
            if ceil && (n - 1) * s >= size + before {
                n -= 1;
            }
            Some(n)
        };
        match (out(input.height), out(input.width)) {
            (Some(height), Some(width)) => Shape { channels, height, width },
            _ => {
                self.refuse(
                    name,
                    format!("a map of {}x{} is smaller than the window", input.height, input.width),
                );
                Shape { channels, height: 1, width: 1 }
            }
        }
    }
}

/// The tensors in the order in which PyTorch registers modules: a module's children in the order of
/// their first appearance. For example, all `convs.*` precede all `bns.*`, although they alternate
/// in execution order.
fn state_in_published_order(nodes: &[Node]) -> Vec<StateEntry> {
    let mut tree = Module::default();
    for (i, node) in nodes.iter().enumerate() {
        if !tensors(node, nodes).is_empty() {
            tree.insert(&node.name, NodeId(i));
        }
    }
    let mut order = Vec::new();
    tree.collect(&mut order);
    let entries = |id: NodeId| {
        let node = &nodes[id.0];
        tensors(node, nodes).into_iter().map(move |(suffix, shape, role)| StateEntry {
            name: format!("{}.{suffix}", node.name),
            shape,
            role,
            node: id,
        })
    };
    order.into_iter().flat_map(entries).collect()
}

#[derive(Default)]
struct Module {
    node: Option<NodeId>,
    children: Vec<(String, Module)>,
}

impl Module {
    fn insert(&mut self, path: &str, id: NodeId) {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let at = self.children.iter().position(|(name, _)| name == head).unwrap_or_else(|| {
            self.children.push((head.to_owned(), Module::default()));
            self.children.len() - 1
        });
        let child = &mut self.children[at].1;
        if rest.is_empty() { child.node = Some(id) } else { child.insert(rest, id) }
    }

    fn collect(&self, order: &mut Vec<NodeId>) {
        order.extend(self.node);
        self.children.iter().for_each(|(_, child)| child.collect(order));
    }
}

fn tensors(node: &Node, nodes: &[Node]) -> Vec<(&'static str, Vec<usize>, Role)> {
    let from = || nodes[node.inputs[0].0].shape;
    match node.op {
        Op::Conv(c) => {
            let weight = vec![c.out, from().channels / c.groups, c.kernel, c.kernel];
            let bias = c.bias.then(|| ("bias", vec![c.out], Role::ConvBias));
            [("weight", weight, Role::ConvWeight)].into_iter().chain(bias).collect()
        }
        Op::BatchNorm { .. } => [
            ("weight", Role::NormWeight),
            ("bias", Role::NormBias),
            ("running_mean", Role::RunningMean),
            ("running_var", Role::RunningVar),
        ]
        .map(|(suffix, role)| (suffix, vec![node.shape.channels], role))
        .to_vec(),
        Op::GroupNorm { .. } => [("weight", Role::NormWeight), ("bias", Role::NormBias)]
            .map(|(suffix, role)| (suffix, vec![node.shape.channels], role))
            .to_vec(),
        Op::Linear { out } => {
            vec![
                ("weight", vec![out, from().elements()], Role::LinearWeight),
                ("bias", vec![out], Role::LinearBias),
            ]
        }
        Op::Input
        | Op::Relu
        | Op::Sigmoid
        | Op::Add
        | Op::Gate
        | Op::Noise { .. }
        | Op::Slice { .. }
        | Op::Concat
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::GlobalPool
        | Op::Resize(_) => vec![],
    }
}
