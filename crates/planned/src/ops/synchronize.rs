//! Instructions that synchronize threads, or that threads divide among them. The schedule inserts
//! them (see `schedule`).

use crate::access::{Access, Memory, PackedWeights, Partials};
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::tables::Tables;
use res2lab_kernels::Stored;

/// Packs a convolution's weights into a buffer; each thread packs its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    pub of: PackedWeights,
    pub buffer: usize,
}

/// Waits until all threads have arrived here.
#[derive(Clone, Debug, PartialEq)]
pub struct Barrier;

/// Adds the other threads' partial gradients to the gradients, which hold the first thread's; each
/// thread does so for its share.
#[derive(Clone, Debug, PartialEq)]
pub struct AddPartials {
    pub partials: Partials,
}

impl Instruction for Pack {
    const NAME: &'static str = "pack";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let Pack { of, buffer } = *self;
        let weights = Access::read_all(Memory::Values(tables.convs[of.conv].weight));
        vec![weights, Access::write_share(Memory::Packed { buffer, of })]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.pack(self.of, self.buffer);
    }
}

impl Instruction for Barrier {
    const NAME: &'static str = "barrier";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        Vec::new()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.barrier.wait();
    }
}

impl Instruction for AddPartials {
    const NAME: &'static str = "add partials";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        self.partials.added().collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        for entry in self.partials.entries.clone() {
            let (gradient, share) = thread.gradient_share(entry);
            for other in 1..thread.team.of {
                let theirs = &thread.partial_of(&self.partials, entry, other)[share.clone()];
                gradient.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum += *theirs);
            }
        }
    }
}
