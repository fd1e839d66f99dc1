//! Concatenations. Most inputs are computed into their channels of the concatenation's buffer; only
//! the others are copied.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes, is_image};
use crate::tables::Tables;
use res2lab_arch::NodeId;
use res2lab_kernels::Stored;

/// Copies a slice, or adds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    pub from: BufferSlice,
    pub into: GradientTarget,
}

impl Copy {
    /// The copies of the inputs of a concatenation that were computed elsewhere.
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Vec<Copy> {
        let copy = |(from, to)| Copy { from, into: GradientTarget { to, add: false } };
        copied(nodes, id).into_iter().map(copy).collect()
    }

    /// The backward pass of these copies.
    pub(crate) fn plan_back(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> Vec<Copy> {
        let reached = copied(nodes, id).into_iter().filter(|(source, _)| !is_image(source));
        let back = |(source, part)| {
            let from = gradients.complete(part);
            Copy { from, into: gradients.contribute(source) }
        };
        reached.map(back).collect()
    }
}

/// The inputs of a concatenation that were computed elsewhere: their slices, and the slices of the
/// concatenation to which they must be copied.
fn copied(nodes: &Nodes, id: NodeId) -> Vec<(BufferSlice, BufferSlice)> {
    let whole = nodes.at(id);
    let mut start = 0;
    let mut parts = Vec::new();
    for input in nodes.inputs(id) {
        let to = whole.channels(start, input.shape);
        if input != to {
            parts.push((input, to));
        }
        start += input.shape.channels;
    }
    parts
}

impl Instruction for Copy {
    const NAME: &'static str = "copy";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.add(&[self.from], self.into);
    }
}
