//! Group norms. Their statistics are those of one image, so they need no barrier.

use crate::access::{Access, GradientTarget, Memory, Partials};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::{EntryId, Tables};
use res2lab_arch::{NodeId, Op};
use res2lab_kernels::Stored;
use res2lab_kernels::element::Element;
use res2lab_kernels::norm::group;

/// Normalizes groups of channels of each image.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNorm {
    /// The first of two entries of the state: weight, bias.
    pub state: EntryId,
    pub groups: usize,
    pub eps: f64,
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradients of a group norm's weights, biases and input.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormBack {
    /// The norm in the forward pass.
    pub norm: GroupNorm,
    /// The gradient of its result.
    pub from: BufferSlice,
    pub into: GradientTarget,
    pub partials: Partials,
}

impl GroupNorm {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> GroupNorm {
        let Op::GroupNorm { groups, eps } = nodes.op(id) else {
            unreachable!("the caller passes a group norm");
        };
        GroupNorm {
            state: nodes.state(id),
            groups,
            eps,
            from: nodes.input(id, 0),
            to: nodes.at(id),
        }
    }

    /// What is read of the state.
    fn values(&self) -> [Access; 2] {
        [self.state, self.state + 1].map(|entry| Access::read_all(Memory::Values(entry)))
    }

    /// The kernel's argument.
    fn kernel<'t, T: Stored>(&self, thread: &Thread<'t, T>) -> group::GroupNorm<'t, T::Real> {
        let [weight, bias] = [self.state, self.state + 1].map(|entry| thread.values(entry));
        group::GroupNorm { groups: self.groups, eps: self.eps, weight, bias }
    }
}

impl GroupNormBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> GroupNormBack {
        let norm = GroupNorm::plan(nodes, id);
        let from = gradients.complete(norm.to);
        let into = gradients.contribute(norm.from);
        let partials = Partials::of(norm.state..norm.state + 2);
        GroupNormBack { norm, from, into, partials }
    }
}

impl Instruction for GroupNorm {
    const NAME: &'static str = "group norm";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        [Access::read(self.from), Access::write(self.to)].into_iter().chain(self.values()).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.group_norm(self.kernel(thread), self.from, self.to);
    }
}

impl Instruction for GroupNormBack {
    const NAME: &'static str = "group norm back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        let slices =
            [Access::read(self.from), Access::read(self.norm.from), Access::target(self.into)];
        slices.into_iter().chain(self.norm.values()).chain(self.partials.written()).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let entries = [self.norm.state, self.norm.state + 1];
        let partials = entries.map(|entry| {
            let (partial, add) = thread.partial(&self.partials, entry);
            if !add {
                partial.fill(T::Real::ZERO);
            }
            partial
        });
        let slices = [self.from, self.norm.from];
        thread.group_norm_back(self.norm.kernel(thread), slices, partials, self.into);
    }

    fn partials(&mut self) -> Option<&mut Partials> {
        Some(&mut self.partials)
    }
}
