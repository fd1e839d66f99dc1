//! Random factors of drop path and dropout: a tensor times one factor per image and channel, or per
//! value. The caller of the step gives the factors.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::Tables;
use res2lab_arch::{Node, NodeId, Op, Per};
use res2lab_kernels::Stored;

/// Computes `to = from * factors`.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    pub from: BufferSlice,
    pub to: BufferSlice,
    /// The factors of one image before these.
    pub before: usize,
    /// What has a factor of its own.
    pub per: Per,
}

/// The gradient of [`Noise`]'s input.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseBack {
    pub from: BufferSlice,
    pub into: GradientTarget,
    pub before: usize,
    pub per: Per,
}

impl Noise {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Noise {
        let factors = |node: &Node| {
            let Op::Noise { per, .. } = node.op else { return 0 };
            per.factors(node.shape).elements()
        };
        let before = nodes.graph.nodes[..id.0].iter().map(factors).sum();
        let Op::Noise { per, .. } = nodes.op(id) else {
            unreachable!("the caller passes a node of noise");
        };
        Noise { from: nodes.input(id, 0), to: nodes.at(id), before, per }
    }

    /// The factors of one image.
    pub(crate) fn factors(&self) -> usize {
        self.per.factors(self.from.shape).elements()
    }
}

impl NoiseBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> NoiseBack {
        let Noise { from: x, to, before, per } = Noise::plan(nodes, id);
        let from = gradients.complete(to);
        NoiseBack { from, into: gradients.contribute(x), before, per }
    }
}

impl Instruction for Noise {
    const NAME: &'static str = "noise";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let to = GradientTarget { to: self.to, add: false };
        thread.multiply_by_noise(self.from, (self.before, self.per), to);
    }
}

impl Instruction for NoiseBack {
    const NAME: &'static str = "noise back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.multiply_by_noise(self.from, (self.before, self.per), self.into);
    }
}
