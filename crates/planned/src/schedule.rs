//! The schedule: a pass over a program that inserts what threads do together. Afterwards the
//! program states everything that runs.
//!
//! - `Barrier` before an instruction that reads the sums of all threads, and before a convolution
//!   whose weights are not packed yet.
//! - `Pack` before the last barrier that precedes a convolution, so that packing needs no barrier
//!   of its own where there is one anyway.
//! - `AddPartials` after the first barrier behind an instruction that computes partial gradients,
//!   for the same reason.
//!
//! Buffers of packed weights and of partial gradients are used in turn, so that one can be written
//! while other threads still read the one before. A buffer is written again only after a barrier
//! behind its last use: at most one convolution's weights are packed in advance, and at most one
//! layer's partial gradients are not added yet.

use crate::access::{Access, Memory, PackedWeights, Part, Partials};
use crate::instructions::{Backward, Forward};
use crate::ops::synchronize::{AddPartials, Barrier, Pack};
use crate::program::Program;
use crate::tables::Tables;

/// Buffers of partial gradients.
pub const PARTIALS: usize = 2;

/// Buffers of packed weights for this number of threads. A single thread never packs while it
/// reads.
pub fn packed_buffers(threads: usize) -> usize {
    threads.min(2)
}

impl Program {
    /// Inserts what `threads` threads do together in a training step, in which each thread has
    /// images of its own.
    pub fn schedule(&mut self, threads: usize) {
        let forward = std::mem::take(&mut self.forward);
        self.forward = forward_of(forward, &self.tables, threads);
        let backward = std::mem::take(&mut self.backward);
        self.backward = backward_of(backward, &self.tables, threads);
    }

    /// Inserts a barrier after each instruction of an inference whose threads work on the same
    /// images: later instructions read the whole result.
    pub fn schedule_together(&mut self) {
        let instrs = std::mem::take(&mut self.forward);
        self.forward = instrs.into_iter().flat_map(|instr| [instr, Barrier.into()]).collect();
    }
}

/// Whether an instruction reads the sums of all threads.
fn reads_all_sums(accesses: &[Access]) -> bool {
    let is_sums = |access: &Access| matches!(access.memory, Memory::Sums(_));
    accesses.iter().any(|access| is_sums(access) && access.part == Part::Whole)
}

/// The packs of one pass, in the order in which the weights are used.
struct Packs {
    order: Vec<PackedWeights>,
    buffers: usize,
    packed: usize,
    used: usize,
}

impl Packs {
    fn new(order: Vec<PackedWeights>, threads: usize) -> Packs {
        Packs { order, buffers: packed_buffers(threads), packed: 0, used: 0 }
    }

    /// Whether the weights that are used next are packed already.
    fn is_ahead(&self) -> bool {
        self.packed > self.used
    }

    /// The next pack; None if one is ahead already, or if none is left.
    fn next(&mut self) -> Option<Pack> {
        let of = *self.order.get(self.packed).filter(|_| !self.is_ahead())?;
        let buffer = self.packed % self.buffers;
        self.packed += 1;
        Some(Pack { of, buffer })
    }

    /// The buffer of the weights that are used now.
    fn take(&mut self) -> usize {
        self.used += 1;
        (self.used - 1) % self.buffers
    }
}

/// Schedules a forward pass.
fn forward_of(mut instrs: Vec<Forward>, tables: &Tables, threads: usize) -> Vec<Forward> {
    let order = instrs.iter_mut().filter_map(|instr| Some(instr.packed()?.0)).collect();
    let mut packs = Packs::new(order, threads);
    let mut all: Vec<Forward> = Vec::new();
    for mut instr in instrs {
        let must_pack = instr.packed().is_some() && !packs.is_ahead();
        if must_pack || reads_all_sums(&instr.accesses(tables)) {
            all.extend(packs.next().map(Forward::from));
            all.extend((threads > 1).then_some(Barrier.into()));
        }
        if let Some((_, buffer)) = instr.packed() {
            *buffer = packs.take();
        }
        all.push(instr);
    }
    all
}

/// Schedules a backward pass.
fn backward_of(mut instrs: Vec<Backward>, tables: &Tables, threads: usize) -> Vec<Backward> {
    let order = instrs.iter_mut().filter_map(|instr| Some(instr.packed()?.0)).collect();
    let mut packs = Packs::new(order, threads);
    let mut pending: Option<Partials> = None;
    let mut computed = 0;
    let mut all: Vec<Backward> = Vec::new();
    for mut instr in instrs {
        let must_pack = instr.packed().is_some() && !packs.is_ahead();
        let must_wait = must_pack || reads_all_sums(&instr.accesses(tables));
        if must_wait {
            all.extend(packs.next().map(Backward::from));
        }
        if must_wait || (instr.partials().is_some() && pending.is_some()) {
            all.extend(barrier(threads, pending.take()));
        }
        if let Some((_, buffer)) = instr.packed() {
            *buffer = packs.take();
        }
        if let Some(partials) = instr.partials() {
            partials.buffer = computed % PARTIALS;
            computed += 1;
            pending = Some(partials.clone()).filter(|_| threads > 1);
        }
        all.push(instr);
    }
    if pending.is_some() {
        all.extend(barrier(threads, pending));
    }
    all
}

/// A barrier, and the addition of the partial gradients that were computed before it.
fn barrier(threads: usize, pending: Option<Partials>) -> Vec<Backward> {
    let barrier = (threads > 1).then_some(Barrier.into());
    let add = pending.map(|partials| AddPartials { partials }.into());
    barrier.into_iter().chain(add).collect()
}
