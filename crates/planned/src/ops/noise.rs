//! Random factors of drop path and dropout: a tensor times one value per image and channel, which
//! the caller of the step gives.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::{NodeId, Op};
use res2lab_kernels::Stored;

/// Computes `to = from * factors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    pub from: BufferSlice,
    pub to: BufferSlice,
    /// The channels of all factors before these.
    pub before: usize,
}

/// The gradient of [`Noise`]'s input.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseBack {
    pub from: BufferSlice,
    pub into: GradientTarget,
    pub before: usize,
}

impl Noise {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Noise {
        let earlier = nodes.graph.nodes[..id.0].iter();
        let earlier = earlier.filter(|node| matches!(node.op, Op::Noise { .. }));
        let before = earlier.map(|node| node.shape.channels).sum();
        Noise { from: nodes.input(id, 0), to: nodes.at(id), before }
    }
}

impl NoiseBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> NoiseBack {
        let Noise { from: x, to, before } = Noise::plan(nodes, id);
        let from = gradients.complete(to);
        NoiseBack { from, into: gradients.contribute(x), before }
    }
}

impl Instruction for Noise {
    const NAME: &'static str = "noise";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let to = GradientTarget { to: self.to, add: false };
        thread.gate_by_noise(self.from, self.before, to);
    }
}

impl Instruction for NoiseBack {
    const NAME: &'static str = "noise back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.gate_by_noise(self.from, self.before, self.into);
    }
}
