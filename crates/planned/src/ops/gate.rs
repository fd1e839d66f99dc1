//! Gates: a tensor times one value per channel, as in squeeze-and-excitation.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::{Stored, pointwise};

/// Computes `to = x * gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    pub x: BufferSlice,
    pub gate: BufferSlice,
    pub to: BufferSlice,
}

/// The gradients of a gate's two inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct GateBack {
    pub from: BufferSlice,
    pub x: BufferSlice,
    pub gate: BufferSlice,
    pub into_x: GradientTarget,
    pub into_gate: GradientTarget,
}

impl Gate {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Gate {
        Gate { x: nodes.input(id, 0), gate: nodes.input(id, 1), to: nodes.at(id) }
    }
}

impl GateBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> GateBack {
        let Gate { x, gate, to } = Gate::plan(nodes, id);
        let from = gradients.complete(to);
        let into_x = gradients.contribute(x);
        let into_gate = gradients.contribute(gate);
        GateBack { from, x, gate, into_x, into_gate }
    }
}

impl Instruction for Gate {
    const NAME: &'static str = "gate";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.x), Access::read(self.gate), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let to = GradientTarget { to: self.to, add: false };
        thread.map_two_into(pointwise::gate, self.x, self.gate, to);
    }
}

impl Instruction for GateBack {
    const NAME: &'static str = "gate back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        let read = [self.from, self.x, self.gate].map(Access::read);
        read.into_iter().chain([self.into_x, self.into_gate].map(Access::target)).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map_two_into(pointwise::gate, self.from, self.gate, self.into_x);
        thread.map_two_into(pointwise::gate_backward, self.from, self.x, self.into_gate);
    }
}
