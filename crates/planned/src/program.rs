//! The step as two lists of instructions: the forward pass, and the backward pass from the gradient
//! of the logits to those of all weights.

use crate::allocation::{Allocation, BufferSlice, IMAGES};
use crate::fusion::{Fusion, Residual, fuse, own_conv};
use res2lab_arch::{Graph, NodeId, Op, Pool};

/// The index of a convolution in [`Program::convs`].
pub type ConvId = usize;
/// The index of a batch norm in [`Program::norms`].
pub type NormId = usize;
/// The index of a pool in [`Program::pools`].
pub type PoolId = usize;

/// The constants of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOf {
    pub pool: Pool,
    pub input: res2lab_arch::Shape,
    pub output: BufferSlice,
    /// Whether it is a max pool, which stores the positions of its maxima.
    pub is_max: bool,
}

/// The constants of a convolution.
#[derive(Clone, Debug)]
pub struct ConvOf {
    pub node: NodeId,
    /// The entry of the state that holds its weights.
    pub weight: usize,
    /// The entry of the state that holds its bias.
    pub bias: Option<usize>,
}

/// The constants of a batch norm.
#[derive(Clone, Debug)]
pub struct NormOf {
    /// The first of four entries of the state: weight, bias, running mean, running variance.
    pub state: usize,
    pub eps: f64,
    /// The weight of the new value in the running statistics, as in PyTorch.
    pub momentum: f64,
    /// The input.
    pub x: BufferSlice,
    /// The convolution that computes the input, if the norm is its only reader.
    pub conv: Option<ConvId>,
    /// The index of its first channel among the channels of all norms.
    pub first_channel: usize,
}

/// The source of a gradient: the gradient of a fusion's result, masked by its ReLU, and the norm
/// through which it passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientSource {
    /// The gradient of the result.
    pub of: BufferSlice,
    pub norm: Option<NormId>,
}

/// The target of a gradient, and whether to accumulate into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientTarget {
    pub to: BufferSlice,
    pub add: bool,
}

/// Channels of a norm's result whose gradient is complete. The gradient is masked by the ReLU, and
/// the sums for the norm's backward pass are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormSums {
    pub norm: NormId,
    /// The first of these channels, among the norm's channels.
    pub first: usize,
    /// The gradient of these channels.
    pub of: BufferSlice,
    /// The output of the ReLU, if there is one.
    pub relu: Option<BufferSlice>,
}

/// The term that is added to a norm's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// A value in memory.
    Value(BufferSlice),
    /// The result of another norm, which is computed as it is added.
    Norm(NormId),
}

/// The epilogue of a convolution with a batch norm folded into it: `relu(convolution + bias +
/// residual)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpilogueOf {
    pub residual: Option<BufferSlice>,
    pub relu: bool,
}

/// An instruction, which every thread runs for its own images.
#[derive(Clone, Debug, PartialEq)]
pub enum Instr {
    Conv {
        conv: ConvId,
        inputs: Vec<BufferSlice>,
        out: BufferSlice,
        /// The norm whose sums are taken in the epilogue.
        sums: Option<NormId>,
        /// The epilogue in an inference.
        epilogue: Option<EpilogueOf>,
    },
    /// Takes the sums of a norm's input, where no convolution takes them in its epilogue.
    Sums {
        norm: NormId,
    },
    /// Waits for the sums of all threads, and computes the statistics of these norms.
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
    /// Masks a gradient that is complete and takes its sums, where no convolution does so in its
    /// epilogue.
    NormSums(NormSums),
    /// Waits for all threads' sums, and computes the gradients of weight and bias and the
    /// coefficients of the input's gradient.
    NormCoefficients {
        norms: Vec<NormId>,
    },
    /// The gradient of a norm's input, where the input is not the result of a convolution that the
    /// norm alone reads.
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
        /// For each gradient of `into`, the channels that this instruction completes, and whose
        /// sums it takes.
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
