//! Convolutions, forward.

use crate::access::{Access, Memory, PackedWeights, Pass};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::Nodes;
use crate::profile::Products;
use crate::tables::{ConvOf, NormId, Tables};
use res2lab_arch::{NodeId, Op};
use res2lab_kernels::{ConvShape, Epilogue, Stored};

/// Convolves the sum of one or two inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub conv: crate::tables::ConvId,
    pub inputs: Vec<BufferSlice>,
    pub out: BufferSlice,
    pub weights: Weights,
    pub epilogue: ConvEpilogue,
}

/// Where a convolution finds its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// In a buffer, into which they are packed in every step.
    Buffer(usize),
    /// In the state, whose weights an inference has packed in place.
    State,
}

/// What is computed from the result while it is in registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConvEpilogue {
    /// The bias is added, if there is one.
    Store,
    /// The sums for a norm are taken after the bias.
    Sums(NormId),
    /// `relu(convolution + bias + residual)`.
    Activate { residual: Option<BufferSlice>, relu: bool },
}

impl Conv {
    /// Registers the convolution of a node, whose input is the sum of `inputs`. Its result is
    /// stored as it is.
    pub(crate) fn plan(
        tables: &mut Tables,
        nodes: &Nodes,
        node: NodeId,
        inputs: &[NodeId],
        weights: Weights,
    ) -> Conv {
        let weight = nodes.state(node);
        let shape = shape(nodes, node);
        let has_bias = matches!(nodes.op(node), Op::Conv(conv) if conv.bias);
        let bias = has_bias.then_some(weight + 1);
        tables.convs.push(ConvOf { node, shape, weight, bias });
        Conv {
            conv: tables.convs.len() - 1,
            inputs: inputs.iter().map(|id| nodes.at(*id)).collect(),
            out: nodes.at(node),
            weights,
            epilogue: ConvEpilogue::Store,
        }
    }

    fn packed_weights(&self) -> PackedWeights {
        PackedWeights { conv: self.conv, pass: Pass::Forward }
    }
}

fn shape(nodes: &Nodes, node: NodeId) -> ConvShape {
    let Op::Conv(conv) = nodes.op(node) else {
        unreachable!("the caller passes a convolution");
    };
    let input = nodes.graph.node(nodes.graph.node(node).inputs[0]).shape;
    ConvShape {
        channels: input.channels,
        height: input.height,
        width: input.width,
        out: conv.out,
        kernel: conv.kernel,
        stride: conv.stride,
        padding: conv.padding,
        dilation: conv.dilation,
        groups: conv.groups,
    }
}

impl Instruction for Conv {
    const NAME: &'static str = "conv";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let ConvOf { weight, bias, .. } = tables.convs[self.conv];
        let mut accesses: Vec<Access> = self.inputs.iter().copied().map(Access::read).collect();
        accesses.push(Access::write(self.out));
        accesses.push(Access::read_all(match self.weights {
            Weights::Buffer(buffer) => Memory::Packed { buffer, of: self.packed_weights() },
            Weights::State => Memory::Values(weight),
        }));
        accesses.extend(bias.map(|bias| Access::read_all(Memory::Values(bias))));
        accesses.extend(match self.epilogue {
            ConvEpilogue::Store => None,
            ConvEpilogue::Sums(norm) => Some(Access::write(Memory::Sums(norm))),
            ConvEpilogue::Activate { residual, .. } => residual.map(Access::read),
        });
        accesses
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let of = &thread.tables.convs[self.conv];
        let packed = match self.weights {
            Weights::Buffer(buffer) => thread.packed(buffer, of.weight),
            Weights::State => thread.values(of.weight),
        };
        let bias = of.bias.map(|bias| thread.values(bias));
        let epilogue = match self.epilogue {
            ConvEpilogue::Store if bias.is_none() => Epilogue::Store,
            ConvEpilogue::Sums(norm) if bias.is_none() => {
                let sums = thread.sums(norm);
                sums.fill(0.0);
                Epilogue::Sums(sums)
            }
            ConvEpilogue::Store | ConvEpilogue::Sums(_) => {
                Epilogue::Activate { bias, residual: None, relu: false }
            }
            ConvEpilogue::Activate { residual, relu } => {
                let residual = residual.map(|slice| thread.view(slice));
                Epilogue::Activate { bias, residual, relu }
            }
        };
        thread.convolve(self.conv, packed, &self.inputs, self.out, epilogue);
        if let (ConvEpilogue::Sums(norm), Some(_)) = (self.epilogue, bias) {
            let sums = thread.sums(norm);
            sums.fill(0.0);
            thread.add_sums(self.out, sums);
        }
    }

    fn products(&self, tables: &Tables) -> Option<Products> {
        Some(Products { shape: tables.convs[self.conv].shape, count: 1 })
    }

    fn packed(&mut self) -> Option<(PackedWeights, &mut usize)> {
        let of = self.packed_weights();
        match &mut self.weights {
            Weights::Buffer(buffer) => Some((of, buffer)),
            Weights::State => None,
        }
    }
}
