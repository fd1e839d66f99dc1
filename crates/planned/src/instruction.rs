//! What every instruction provides: its accesses, and how one thread runs it.

use crate::access::{Access, PackedWeights, Partials};
use crate::interpreter::thread::Thread;
use crate::profile::Products;
use crate::tables::Tables;
use res2lab_kernels::Stored;

/// An instruction, which every thread runs for its own images.
pub(crate) trait Instruction {
    /// The name in a program's text.
    const NAME: &'static str;

    /// Everything that it reads and writes, in the order in which it does.
    fn accesses(&self, tables: &Tables) -> Vec<Access>;

    /// Runs it on one thread.
    fn run<T: Stored>(&self, thread: &mut Thread<T>);

    /// The products of convolutions that it computes, for a profile.
    fn products(&self, _: &Tables) -> Option<Products> {
        None
    }

    /// The packed weights that it reads, and the buffer that holds them, which the schedule sets.
    fn packed(&mut self) -> Option<(PackedWeights, &mut usize)> {
        None
    }

    /// The buffer of its partial gradients, which the schedule sets, and their entries.
    fn partials(&mut self) -> Option<&mut Partials> {
        None
    }
}
