//! The step as two lists of instructions: forward, and backward from the logits' gradient to all
//! weights'.

use crate::allocation::{Allocation, BufferSlice, IMAGES};
use crate::fusion::{Fusion, Residual, fuse, own_conv};
use res2lab_arch::{Graph, NodeId, Op, Pool};

/// A convolution as instructions name it: its position in [`Program::convs`].
pub type ConvId = usize;
/// A batch norm as instructions name it: its position in [`Program::norms`].
pub type NormId = usize;

/// A pool as instructions name it: its position in [`Program::pools`].
pub type PoolId = usize;

/// A pool's constants.
#[derive(Clone, Copy, Debug)]
pub struct PoolOf {
    pub pool: Pool,
    pub input: res2lab_arch::Shape,
    pub output: BufferSlice,
    /// Whether it takes maxima, whose places are remembered.
    pub is_max: bool,
}

/// A convolution's constants.
#[derive(Clone, Debug)]
pub struct ConvOf {
    /// The graph's node.
    pub node: NodeId,
    /// Its weights among the state.
    pub weight: usize,
    /// Its bias among the state.
    pub bias: Option<usize>,
}

/// A batch norm's constants.
#[derive(Clone, Debug)]
pub struct NormOf {
    /// Weight, bias, running mean, running variance are four entries of the state from here on.
    pub state: usize,
    pub eps: f64,
    /// As PyTorch counts it.
    pub momentum: f64,
    /// What it normalizes.
    pub x: BufferSlice,
    /// The convolution whose result that is.
    pub conv: Option<ConvId>,
    /// Where its channels start among all norms' channels.
    pub first_channel: usize,
}

/// Where a gradient comes from: that of a unit's result, which its ReLU has masked, through its
/// norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientSource {
    /// Gradient of the result.
    pub of: BufferSlice,
    /// The norm, if any.
    pub norm: Option<NormId>,
}

/// Where a gradient goes, and whether it is added to what is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientTarget {
    pub to: BufferSlice,
    pub add: bool,
}

/// Channels of a norm's result whose gradient is complete: the ReLU masks it, and the norm's sums
/// are taken of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormSums {
    pub norm: NormId,
    /// The first of the channels, among the norm's own.
    pub first: usize,
    /// Gradient of these channels.
    pub of: BufferSlice,
    /// The channels themselves, if they went through a ReLU.
    pub relu: Option<BufferSlice>,
}

/// What is added to a norm's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// A value.
    Value(BufferSlice),
    /// A norm, normalized as it is added.
    Norm(NormId),
}

/// What follows a convolution with a batch norm folded into it: `relu(convolution + bias +
/// residual)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpilogueOf {
    pub residual: Option<BufferSlice>,
    pub relu: bool,
}

/// One instruction; every thread does its images' part of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Instr {
    Conv {
        conv: ConvId,
        inputs: Vec<BufferSlice>,
        out: BufferSlice,
        sums: Option<NormId>,
        /// In an inference: what is done with the result as it leaves.
        epilogue: Option<EpilogueOf>,
    },
    /// Sums of what a norm reads, where no convolution has taken them on the way.
    Sums {
        norm: NormId,
    },
    /// Waits for all threads' sums, and works out the statistics.
    Statistics {
        norms: Vec<NormId>,
    },
    Normalize {
        norm: NormId,
        added: Option<Added>,
        relu: bool,
        out: BufferSlice,
    },
    Pool {
        pool: PoolId,
        from: BufferSlice,
        to: BufferSlice,
    },
    GlobalPool {
        from: BufferSlice,
        to: BufferSlice,
    },
    Relu {
        from: BufferSlice,
        to: BufferSlice,
    },
    Sigmoid {
        from: BufferSlice,
        to: BufferSlice,
    },
    Add {
        from: Vec<BufferSlice>,
        to: BufferSlice,
    },
    Gate {
        x: BufferSlice,
        gate: BufferSlice,
        to: BufferSlice,
    },
    Copy {
        from: BufferSlice,
        into: GradientTarget,
    },
    Linear {
        state: usize,
        from: BufferSlice,
        to: BufferSlice,
    },

    Zero {
        slice: BufferSlice,
    },
    /// Masks a gradient that is complete, and takes the sums that its norm needs.
    NormSums(NormSums),
    /// Waits for all threads' sums, and computes the gradients of weight and bias and the
    /// coefficients of the input's gradient.
    NormCoefficients {
        norms: Vec<NormId>,
    },
    /// A gradient through a norm to what it reads, which is no convolution's result.
    NormBack {
        from: GradientSource,
        into: GradientTarget,
    },
    ReluBack {
        from: BufferSlice,
        result: BufferSlice,
        into: GradientTarget,
    },
    ConvBack {
        conv: ConvId,
        from: GradientSource,
        inputs: Vec<BufferSlice>,
        into: Vec<GradientTarget>,
        /// For each of these gradients: what `NormSums` would do with channels that are complete
        /// with this.
        norm_sums: Vec<Vec<NormSums>>,
    },
    PoolBack {
        pool: PoolId,
        from: BufferSlice,
        into: GradientTarget,
    },
    GlobalPoolBack {
        from: BufferSlice,
        into: GradientTarget,
    },
    SigmoidBack {
        from: BufferSlice,
        result: BufferSlice,
        into: GradientTarget,
    },
    GateBack {
        from: BufferSlice,
        x: BufferSlice,
        gate: BufferSlice,
        into_x: GradientTarget,
        into_gate: GradientTarget,
    },
    LinearBack {
        state: usize,
        from: BufferSlice,
        input: BufferSlice,
        into: GradientTarget,
    },
}

/// A graph's training step.
#[derive(Clone, Debug)]
pub struct Program {
    /// In the order in which they first run.
    pub convs: Vec<ConvOf>,
    /// In the order in which they first run.
    pub norms: Vec<NormOf>,
    /// Values first, then gradients.
    pub buffers: Vec<res2lab_arch::Shape>,
    /// For each buffer, the buffer whose memory it uses: itself, unless it is an alias (see
    /// `aliasing`).
    pub alias_of: Vec<usize>,
    pub forward: Vec<Instr>,
    pub backward: Vec<Instr>,
    /// In the order in which they run.
    pub pools: Vec<PoolOf>,
    /// Where the logits lie.
    pub logits: BufferSlice,
    /// Where their gradient is expected.
    pub logits_gradient: BufferSlice,
    pub(crate) allocation: Allocation,
    /// For each node, its first entry in the state.
    pub(crate) first_entry: Vec<Option<usize>>,
}

impl Program {
    /// Plans the step.
    pub fn new(graph: &Graph) -> Program {
        let fusions = fuse(graph);
        let mut program = Program::empty(graph, &fusions);
        fusions.iter().for_each(|fusion| program.add_forward(graph, fusion));
        crate::backward::add(&mut program, graph, &fusions);
        crate::aliasing::alias_copies(&mut program);
        program
    }

    /// An allocation for all results, and no instructions.
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

    /// Whether nothing goes backward.
    pub(crate) fn is_inference(&self) -> bool {
        self.backward.is_empty()
    }

    /// Where this node's result lies.
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

    /// Registers a norm; its sums are taken by the convolution before it, which has run, or by an
    /// instruction of their own.
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

    /// Gives a norm its channels among all norms'.
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

    /// Copies of the parts that were not computed in their place; the last one is returned.
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

/// The parts of a concatenation that lie elsewhere too, with their place within it.
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

/// Whether gradients stop here.
pub(crate) fn is_image(slice: &BufferSlice) -> bool {
    slice.buffer == IMAGES
}
