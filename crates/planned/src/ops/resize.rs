//! Maps in another size.

use crate::access::{Access, GradientTarget};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::{ResizeId, ResizeOf, Tables};
use res2lab_arch::{Interpolation, NodeId};
use res2lab_kernels::Stored;

/// Computes a map in another size.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    pub resize: ResizeId,
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradient of the map that was resized.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizeBack {
    pub resize: ResizeId,
    pub from: BufferSlice,
    pub into: GradientTarget,
}

impl Resize {
    /// Registers the change of size of a node.
    pub(crate) fn plan(
        tables: &mut Tables,
        nodes: &Nodes,
        id: NodeId,
        how: Interpolation,
    ) -> Resize {
        let from = nodes.input(id, 0);
        let to = nodes.at(id);
        tables.resizes.push(ResizeOf { input: from.shape, output: to, how });
        Resize { resize: tables.resizes.len() - 1, from, to }
    }
}

impl ResizeBack {
    pub(crate) fn plan(
        tables: &Tables,
        nodes: &Nodes,
        gradients: &mut Gradients,
        id: NodeId,
    ) -> ResizeBack {
        let result = nodes.at(id);
        let resize = tables.resizes.iter().position(|resize| resize.output == result);
        let from = gradients.complete(result);
        let into = gradients.contribute(nodes.input(id, 0));
        ResizeBack { resize: resize.expect("every change of size runs forward"), from, into }
    }
}

impl Instruction for Resize {
    const NAME: &'static str = "resize";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::write(self.to)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.resize(self.resize, self.from, self.to);
    }
}

impl Instruction for ResizeBack {
    const NAME: &'static str = "resize back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::read(self.from), Access::target(self.into)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.resize_back(self.resize, self.from, self.into);
    }
}
