//! The global pool: the mean of each plane.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::Stored;
use res2lab_kernels::pool::global;

/// Computes the mean of each plane.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPool {
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradient of a global pool's input.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPoolBack {
    pub from: BufferSlice,
    pub into: GradientTarget,
}

impl GlobalPool {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> GlobalPool {
        GlobalPool { from: nodes.input(id, 0), to: nodes.at(id) }
    }
}

impl GlobalPoolBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> GlobalPoolBack {
        let from = gradients.complete(nodes.at(id));
        GlobalPoolBack { from, into: gradients.contribute(nodes.input(id, 0)) }
    }
}

impl Instruction for GlobalPool {
    const NAME: &'static str = "global pool";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map(global::forward, self.from, self.to);
    }
}

impl Instruction for GlobalPoolBack {
    const NAME: &'static str = "global pool back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.map_into(global::backward, self.from, self.into);
    }
}
