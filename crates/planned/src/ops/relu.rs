//! The ReLU, where it is not fused with a norm or a convolution.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::{Stored, pointwise};

/// Computes `to = max(from, 0)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Relu {
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradient of a ReLU's input: the gradient of its result where the result is positive.
#[derive(Clone, Debug, PartialEq)]
pub struct ReluBack {
    pub from: BufferSlice,
    pub result: BufferSlice,
    pub into: GradientTarget,
}

impl Relu {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Relu {
        Relu { from: nodes.input(id, 0), to: nodes.at(id) }
    }
}

impl ReluBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> ReluBack {
        let result = nodes.at(id);
        let from = gradients.complete(result);
        ReluBack { from, result, into: gradients.contribute(nodes.input(id, 0)) }
    }
}

impl Instruction for Relu {
    const NAME: &'static str = "relu";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map(pointwise::relu, self.from, self.to);
    }
}

impl Instruction for ReluBack {
    const NAME: &'static str = "relu back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::read(self.result), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map_two_into(pointwise::relu_backward, self.from, self.result, self.into);
    }
}
