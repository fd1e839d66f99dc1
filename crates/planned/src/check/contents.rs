//! Contents: every read finds what it expects. A slice has been written and not been overwritten
//! through another buffer in the same memory, a buffer of packed weights holds those of the
//! convolution that reads it, and partial gradients are added once each.

use crate::access::{Access, Memory, PackedWeights};
use crate::allocation::{BufferSlice, IMAGES};
use crate::tables::{EntryId, Tables};
use std::collections::{BTreeMap, BTreeSet};

/// What memory holds, one instruction after the other.
pub(super) struct Contents<'a> {
    tables: &'a Tables,
    /// For each buffer, the others of which it uses a part of the memory.
    overlaps: Vec<Vec<usize>>,
    /// For each buffer, the channels that hold what was written to them.
    written: Vec<Vec<bool>>,
    packed: BTreeMap<usize, PackedWeights>,
    /// For each buffer of partial gradients, the entries that are not added yet.
    partials: BTreeMap<usize, BTreeSet<EntryId>>,
    /// Whether several threads have partial gradients.
    adds_partials: bool,
    /// Other memory that has been written.
    others: Vec<Memory>,
}

impl Contents<'_> {
    pub(super) fn new(
        tables: &Tables,
        overlaps: Vec<Vec<usize>>,
        adds_partials: bool,
    ) -> Contents<'_> {
        let mut written: Vec<Vec<bool>> =
            tables.buffers.iter().map(|shape| vec![false; shape.channels]).collect();
        written[IMAGES].fill(true);
        Contents {
            tables,
            overlaps,
            written,
            packed: BTreeMap::new(),
            partials: BTreeMap::new(),
            adds_partials,
            others: Vec::new(),
        }
    }

    /// The end of the forward pass: the caller reads the logits and writes their gradient.
    pub(super) fn use_logits(&mut self) -> Vec<String> {
        let found = self.add(&[Access::read(self.tables.logits)]);
        self.write_slice(self.tables.logits_gradient);
        // The sums of the backward pass are others.
        self.others.retain(|memory| !matches!(memory, Memory::Sums(_)));
        found
    }

    /// Runs an instruction with these accesses, and returns the reads that do not find what they
    /// expect.
    pub(super) fn add(&mut self, accesses: &[Access]) -> Vec<String> {
        let mut found = Vec::new();
        for access in accesses.iter().filter(|access| access.reads()) {
            if !self.is_there(access.memory) {
                let memory = access.memory.text(self.tables);
                found.push(format!("{memory} does not hold what is read"));
            }
        }
        // Two entries of one buffer are written by one instruction.
        let fresh: BTreeSet<usize> = accesses.iter().filter_map(written_partials).collect();
        for buffer in fresh {
            let lost = self.partials.insert(buffer, BTreeSet::new()).unwrap_or_default();
            found.extend(self.not_added(&lost));
        }
        // The instruction that reads partial gradients adds them.
        for access in accesses.iter().filter(|access| !access.writes()) {
            if let Memory::Partials { buffer, entry } = access.memory {
                self.partials.entry(buffer).or_default().remove(&entry);
            }
        }
        accesses.iter().filter(|access| access.writes()).for_each(|access| self.write(access));
        found
    }

    fn write(&mut self, access: &Access) {
        match access.memory {
            Memory::Slice(slice) => self.write_slice(slice),
            Memory::Packed { buffer, of } => _ = self.packed.insert(buffer, of),
            Memory::Partials { buffer, entry } => {
                self.partials.entry(buffer).or_default().insert(entry);
            }
            Memory::Sums(_)
            | Memory::Statistics(_)
            | Memory::Coefficients(_)
            | Memory::Positions(_) => {
                if !self.others.contains(&access.memory) {
                    self.others.push(access.memory);
                }
            }
            Memory::Values(_) | Memory::Gradient(_) | Memory::Running(_) => {}
        }
    }

    /// What is missing at the end of the program.
    pub(super) fn at_end(&self) -> Vec<String> {
        self.partials.values().flat_map(|entries| self.not_added(entries)).collect()
    }

    fn not_added(&self, entries: &BTreeSet<EntryId>) -> Vec<String> {
        let lost = entries.iter().filter(|_| self.adds_partials);
        lost.map(|entry| {
            format!("partial gradients of {} are never added", self.tables.state[*entry].name)
        })
        .collect()
    }

    /// Whether memory holds what an instruction expects to read.
    fn is_there(&self, memory: Memory) -> bool {
        match memory {
            Memory::Slice(slice) => {
                let channels = slice.start..slice.start + slice.shape.channels;
                self.written[self.tables.alias_of[slice.buffer]][channels].iter().all(|w| *w)
            }
            Memory::Packed { buffer, of } => self.packed.get(&buffer) == Some(&of),
            Memory::Partials { buffer, entry } => {
                self.partials.get(&buffer).is_some_and(|entries| entries.contains(&entry))
            }
            // The caller's memory, in which gradients may accumulate.
            Memory::Values(_) | Memory::Gradient(_) | Memory::Running(_) => true,
            Memory::Sums(_)
            | Memory::Statistics(_)
            | Memory::Coefficients(_)
            | Memory::Positions(_) => self.others.contains(&memory),
        }
    }

    fn write_slice(&mut self, slice: BufferSlice) {
        let channels = slice.start..slice.start + slice.shape.channels;
        self.written[self.tables.alias_of[slice.buffer]][channels].fill(true);
        for other in &self.overlaps[slice.buffer] {
            self.written[self.tables.alias_of[*other]].fill(false);
        }
    }
}

/// The buffer of partial gradients that an access writes.
fn written_partials(access: &Access) -> Option<usize> {
    let Memory::Partials { buffer, .. } = access.memory else { return None };
    access.writes().then_some(buffer)
}
