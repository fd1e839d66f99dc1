//! Zeros, where a gradient has no contribution.

use crate::access::Access;
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::tables::Tables;
use res2lab_kernels::Stored;

/// Fills a slice with zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct Zero {
    pub slice: BufferSlice,
}

impl Instruction for Zero {
    const NAME: &'static str = "zero";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        vec![Access::write(self.slice)]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.zero(self.slice);
    }
}
