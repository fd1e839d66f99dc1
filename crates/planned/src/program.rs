//! The program: the step as two lists of instructions, the forward pass, and the backward pass from
//! the gradient of the logits to those of all weights.

use crate::allocation::{Allocation, BufferSlice, IMAGES};
use crate::fusion::{Fusion, Residual, fuse, own_conv};
use crate::instructions::{Added, ConvOf, GradientTarget, Instr, NormId, NormOf, PoolOf};
use res2lab_arch::{Graph, NodeId, Op};

/// The training step of a graph, or its inference.
#[derive(Clone, Debug)]
pub struct Program {
    /// The convolutions, in the order in which they run.
    pub convs: Vec<ConvOf>,
    /// The norms, in the order in which they run.
    pub norms: Vec<NormOf>,
    /// The shape of each buffer for one image: first those of values, then those of gradients.
    pub buffers: Vec<res2lab_arch::Shape>,
    /// For each buffer, the buffer whose memory it uses: itself, unless it is an alias (see
    /// `aliasing`).
    pub alias_of: Vec<usize>,
    pub forward: Vec<Instr>,
    pub backward: Vec<Instr>,
    /// The pools, in the order in which they run.
    pub pools: Vec<PoolOf>,
    /// The slice of the logits.
    pub logits: BufferSlice,
    /// The slice of their gradient, which the caller writes.
    pub logits_gradient: BufferSlice,
    pub(crate) allocation: Allocation,
    /// For each node, its first entry of the state.
    pub(crate) first_entry: Vec<Option<usize>>,
}

impl Program {
    /// Plans the training step of a graph.
    pub fn new(graph: &Graph) -> Program {
        let fusions = fuse(graph);
        let mut program = Program::empty(graph, &fusions);
        fusions.iter().for_each(|fusion| program.add_forward(graph, fusion));
        crate::backward::add(&mut program, graph, &fusions);
        crate::aliasing::alias_copies(&mut program);
        program
    }

    /// A program with an allocation for all results, and no instructions.
    pub(crate) fn empty(graph: &Graph, fusions: &[Fusion]) -> Program {
        let allocation = Allocation::new(graph, fusions);
        let logits = allocation.get(graph.output());
        Program {
            convs: Vec::new(),
            norms: Vec::new(),
            buffers: allocation.buffers.clone(),
            alias_of: (0..allocation.buffers.len()).collect(),
            forward: Vec::new(),
            backward: Vec::new(),
            pools: Vec::new(),
            logits,
            logits_gradient: logits,
            allocation,
            first_entry: graph.first_entries(),
        }
    }

    /// Whether the program has no backward pass.
    pub(crate) fn is_inference(&self) -> bool {
        self.backward.is_empty()
    }

    /// The slice of a node's result.
    pub(crate) fn at(&self, id: NodeId) -> BufferSlice {
        self.allocation.get(id)
    }

    pub(crate) fn state(&self, id: NodeId) -> usize {
        self.first_entry[id.0].expect("the graph gives these nodes state")
    }

    fn add_forward(&mut self, graph: &Graph, fusion: &Fusion) {
        let instr = match fusion {
            Fusion::Conv { node, inputs } => self.conv(graph, *node, inputs),
            Fusion::Norm { norm, residual, relu, out } => {
                let norm = self.norm(graph, *norm);
                let added = match residual {
                    None => None,
                    Some(Residual::Value(id)) => Some(Added::Value(self.at(*id))),
                    Some(Residual::Norm(id)) => Some(Added::Norm(self.norm(graph, *id))),
                };
                let other = match added {
                    Some(Added::Norm(other)) => Some(other),
                    _ => None,
                };
                let norms = std::iter::once(norm).chain(other).collect();
                self.forward.push(Instr::Statistics { norms });
                Instr::Normalize { norm, added, relu: *relu, out: self.at(*out) }
            }
            Fusion::Single(id) => self.single(graph, *id),
        };
        self.forward.push(instr);
    }

    pub(crate) fn conv(&mut self, graph: &Graph, node: NodeId, inputs: &[NodeId]) -> Instr {
        let weight = self.state(node);
        let bias = matches!(graph.node(node).op, Op::Conv(c) if c.bias).then_some(weight + 1);
        self.convs.push(ConvOf { node, weight, bias });
        let inputs = inputs.iter().map(|id| self.at(*id)).collect();
        Instr::Conv {
            conv: self.convs.len() - 1,
            inputs,
            out: self.at(node),
            sums: None,
            epilogue: None,
        }
    }

    /// Registers a norm. The convolution before it takes its sums, or a separate instruction if the
    /// norm has no convolution of its own.
    fn norm(&mut self, graph: &Graph, node: NodeId) -> NormId {
        let Op::BatchNorm { eps, momentum } = graph.node(node).op else {
            unreachable!("the caller passes a batch norm");
        };
        let id = self.norms.len();
        let source = graph.node(node).inputs[0];
        let x = self.at(source);
        let before = own_conv(graph, node)
            .and_then(|own| self.convs.iter().position(|conv| conv.node == own));
        let taken = self.forward.iter_mut().find_map(|instr| match instr {
            Instr::Conv { conv, sums, .. } if Some(*conv) == before => Some(sums),
            _ => None,
        });
        match taken {
            Some(sums) => *sums = Some(id),
            None => self.forward.push(Instr::Sums { norm: id }),
        }
        self.add_norm(NormOf {
            state: self.state(node),
            eps,
            momentum,
            x,
            conv: before,
            first_channel: 0,
        })
    }

    /// Adds a norm, whose channels follow those of the norms before it.
    pub(crate) fn add_norm(&mut self, norm: NormOf) -> NormId {
        let first_channel =
            self.norms.last().map_or(0, |last| last.first_channel + last.x.shape.channels);
        self.norms.push(NormOf { first_channel, ..norm });
        self.norms.len() - 1
    }

    pub(crate) fn single(&mut self, graph: &Graph, id: NodeId) -> Instr {
        let node = graph.node(id);
        let input = |i: usize| self.allocation.get(node.inputs[i]);
        let from = input(0);
        let to = self.at(id);
        match node.op {
            Op::Relu => Instr::Relu { from, to },
            Op::Sigmoid => Instr::Sigmoid { from, to },
            Op::Add => Instr::Add { from: (0..node.inputs.len()).map(input).collect(), to },
            Op::Gate => Instr::Gate { x: from, gate: input(1), to },
            Op::Concat => self.concat(graph, id),
            Op::MaxPool(pool) | Op::AvgPool(pool) => {
                let is_max = matches!(node.op, Op::MaxPool(_));
                self.pools.push(PoolOf { pool, input: from.shape, output: to, is_max });
                Instr::Pool { pool: self.pools.len() - 1, from, to }
            }
            Op::GlobalPool => Instr::GlobalPool { from, to },
            Op::Linear { .. } => Instr::Linear { state: self.state(id), from, to },
            Op::Input | Op::Slice { .. } | Op::Conv(_) | Op::BatchNorm { .. } => {
                unreachable!("these nodes have their own instructions")
            }
        }
    }

    /// Adds copies of the inputs that were not computed into the concatenation's buffer. The last
    /// copy is returned.
    fn concat(&mut self, graph: &Graph, id: NodeId) -> Instr {
        let mut copies: Vec<Instr> = copied(self, graph, id)
            .into_iter()
            .map(|(from, to)| Instr::Copy { from, into: GradientTarget { to, add: false } })
            .collect();
        let last = copies.pop().unwrap_or(Instr::Add { from: Vec::new(), to: self.at(id) });
        self.forward.extend(copies);
        last
    }
}

/// The inputs of a concatenation that were computed elsewhere: their slices, and the slices of the
/// concatenation to which they must be copied.
pub(crate) fn copied(
    program: &Program,
    graph: &Graph,
    id: NodeId,
) -> Vec<(BufferSlice, BufferSlice)> {
    let whole = program.at(id);
    let mut start = 0;
    let mut parts = Vec::new();
    for input in &graph.node(id).inputs {
        let from = program.at(*input);
        let shape = graph.node(*input).shape;
        let to = whole.channels(start, shape);
        if from != to {
            parts.push((from, to));
        }
        start += shape.channels;
    }
    parts
}

/// Whether a slice belongs to the input images, which have no gradient.
pub(crate) fn is_image(slice: &BufferSlice) -> bool {
    slice.buffer == IMAGES
}
