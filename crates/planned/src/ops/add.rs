//! Sums of several values, where they are not fused with a norm or a convolution.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::ops::concat::Copy;
use crate::planning::{Gradients, Nodes, is_image};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::Stored;

/// Computes the sum of all terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    pub from: Vec<BufferSlice>,
    pub to: BufferSlice,
}

impl Add {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Add {
        Add { from: nodes.inputs(id), to: nodes.at(id) }
    }

    /// The backward pass: the gradient of each term is that of the sum.
    pub(crate) fn plan_back(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> Vec<Copy> {
        let from = gradients.complete(nodes.at(id));
        let reached = nodes.inputs(id).into_iter().filter(|term| !is_image(term));
        reached.map(|term| Copy { from, into: gradients.contribute(term) }).collect()
    }
}

impl Instruction for Add {
    const NAME: &'static str = "add";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        self.from.iter().map(|from| Access::read(*from)).chain([Access::write(self.to)]).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.add(&self.from, GradientTarget { to: self.to, add: false });
    }
}
