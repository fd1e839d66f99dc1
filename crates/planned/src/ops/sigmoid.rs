//! The sigmoid.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::{Stored, pointwise};

/// Computes `to = 1 / (1 + exp(-from))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sigmoid {
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradient of a sigmoid's input: `gradient * result * (1 - result)`.
#[derive(Clone, Debug, PartialEq)]
pub struct SigmoidBack {
    pub from: BufferSlice,
    pub result: BufferSlice,
    pub into: GradientTarget,
}

impl Sigmoid {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Sigmoid {
        Sigmoid { from: nodes.input(id, 0), to: nodes.at(id) }
    }
}

impl SigmoidBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> SigmoidBack {
        let result = nodes.at(id);
        let from = gradients.complete(result);
        SigmoidBack { from, result, into: gradients.contribute(nodes.input(id, 0)) }
    }
}

impl Instruction for Sigmoid {
    const NAME: &'static str = "sigmoid";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map(pointwise::sigmoid, self.from, self.to);
    }
}

impl Instruction for SigmoidBack {
    const NAME: &'static str = "sigmoid back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::read(self.result), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map_two_into(pointwise::sigmoid_backward, self.from, self.result, self.into);
    }
}
