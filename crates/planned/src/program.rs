//! The program: the step as two lists of instructions, the forward pass, and the backward pass from
//! the gradient of the logits to those of all weights.

use crate::allocation::Allocation;
use crate::fusion::{Fusion, Residual, own_conv};
use crate::instructions::{Backward, Forward};
use crate::ops::add::Add;
use crate::ops::concat::Copy;
use crate::ops::conv::{Conv, ConvEpilogue, Weights};
use crate::ops::gate::Gate;
use crate::ops::global_pool::GlobalPool;
use crate::ops::group_norm::GroupNorm;
use crate::ops::linear::Linear;
use crate::ops::noise::Noise;
use crate::ops::norm::{self, Added, NormSums, Normalize, Statistics};
use crate::ops::pool::Pool;
use crate::ops::relu::Relu;
use crate::ops::resize::Resize;
use crate::ops::sigmoid::Sigmoid;
use crate::planning::Nodes;
use crate::tables::{Entry, NormId, Tables};
use res2lab_arch::{Graph, NodeId, Op};

/// The training step of a graph, or its inference.
#[derive(Clone, Debug)]
pub struct Program {
    /// The constants that instructions refer to by index.
    pub tables: Tables,
    pub forward: Vec<Forward>,
    /// Empty in an inference.
    pub backward: Vec<Backward>,
}

impl Program {
    /// A program without instructions, with the slices of all results.
    pub(crate) fn empty<'a>(graph: &'a Graph, fusions: &[Fusion]) -> (Program, Nodes<'a>) {
        let allocation = Allocation::new(graph, fusions);
        let logits = allocation.get(graph.output());
        let entry = |entry: &res2lab_arch::StateEntry| Entry {
            name: entry.name.clone(),
            elements: entry.elements(),
        };
        let tables = Tables {
            convs: Vec::new(),
            norms: Vec::new(),
            pools: Vec::new(),
            resizes: Vec::new(),
            buffers: allocation.buffers.clone(),
            alias_of: (0..allocation.buffers.len()).collect(),
            state: graph.state.iter().map(entry).collect(),
            logits,
            logits_gradient: logits,
        };
        let program = Program { tables, forward: Vec::new(), backward: Vec::new() };
        (program, Nodes::new(graph, allocation))
    }

    /// The forward pass of a training step.
    pub(crate) fn forward<'a>(graph: &'a Graph, fusions: &[Fusion]) -> (Program, Nodes<'a>) {
        let (mut program, nodes) = Program::empty(graph, fusions);
        fusions.iter().for_each(|fusion| program.add_fusion(&nodes, fusion));
        (program, nodes)
    }

    /// Whether the program has no backward pass.
    pub fn is_inference(&self) -> bool {
        self.backward.is_empty()
    }

    fn add_fusion(&mut self, nodes: &Nodes, fusion: &Fusion) {
        match fusion {
            Fusion::Conv { node, inputs } => {
                let weights = Weights::Buffer(0);
                let conv = Conv::plan(&mut self.tables, nodes, *node, inputs, weights);
                self.forward.push(conv.into());
            }
            Fusion::Norm { norm, residual, relu, out } => {
                let norm = self.norm(nodes, *norm);
                let added = residual.map(|residual| match residual {
                    Residual::Value(id) => Added::Value(nodes.at(id)),
                    Residual::Norm(id) => Added::Norm(self.norm(nodes, id)),
                });
                let norms = std::iter::once(norm).chain(added.and_then(Added::norm)).collect();
                self.forward.push(Statistics { norms }.into());
                let out = nodes.at(*out);
                self.forward.push(Normalize { norm, added, relu: *relu, out }.into());
            }
            Fusion::Single(id) => self.add_single(nodes, *id, true),
        }
    }

    /// Registers a norm. The convolution before it takes its sums, or an instruction of its own if
    /// the norm has no convolution to itself.
    fn norm(&mut self, nodes: &Nodes, node: NodeId) -> NormId {
        let before = own_conv(nodes.graph, node)
            .and_then(|own| self.tables.convs.iter().position(|conv| conv.node == own));
        let id = norm::register(&mut self.tables, nodes, node, before);
        let own = self.forward.iter_mut().find_map(|instr| {
            let Forward::Conv(conv) = instr else { return None };
            (Some(conv.conv) == before).then_some(conv)
        });
        match own {
            Some(conv) => conv.epilogue = ConvEpilogue::Sums(id),
            None => self.forward.push(NormSums { norm: id }.into()),
        }
        id
    }

    /// Adds the instructions of a node that is not fused. `trains` states whether a backward pass
    /// follows.
    pub(crate) fn add_single(&mut self, nodes: &Nodes, id: NodeId, trains: bool) {
        let instr: Forward = match nodes.op(id) {
            Op::Relu => Relu::plan(nodes, id).into(),
            Op::Sigmoid => Sigmoid::plan(nodes, id).into(),
            Op::Add => Add::plan(nodes, id).into(),
            Op::Gate => Gate::plan(nodes, id).into(),
            Op::Noise { .. } => Noise::plan(nodes, id).into(),
            Op::MaxPool(pool) => {
                Pool::plan(&mut self.tables, nodes, id, (pool, true), trains).into()
            }
            Op::AvgPool(pool) => {
                Pool::plan(&mut self.tables, nodes, id, (pool, false), trains).into()
            }
            Op::GlobalPool => GlobalPool::plan(nodes, id).into(),
            Op::GroupNorm { .. } => GroupNorm::plan(nodes, id).into(),
            Op::Resize(how) => Resize::plan(&mut self.tables, nodes, id, how).into(),
            Op::Linear { .. } => Linear::plan(nodes, id).into(),
            Op::Concat => {
                return self.forward.extend(Copy::plan(nodes, id).into_iter().map(Forward::from));
            }
            Op::Input | Op::Slice { .. } | Op::Conv(_) | Op::BatchNorm { .. } => {
                unreachable!("these nodes are not single")
            }
        };
        self.forward.push(instr);
    }
}
