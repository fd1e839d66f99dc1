//! Races: no thread accesses what another one writes in the same phase. A phase lies between two
//! barriers; within it, a thread may be at any instruction while another one is at any other.

use crate::access::{Access, Memory, Part};
use crate::tables::Tables;

/// The threads that run a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Team {
    /// One thread.
    Single,
    /// Several threads, each with images of its own.
    OwnImages,
    /// Several threads that work on the same images.
    SameImages,
}

/// The accesses of the present phase.
pub(super) struct Races<'a> {
    tables: &'a Tables,
    team: Team,
    phase: Vec<Access>,
}

impl Races<'_> {
    pub(super) fn new(tables: &Tables, team: Team) -> Races<'_> {
        Races { tables, team, phase: Vec::new() }
    }

    /// Begins the next phase.
    pub(super) fn clear(&mut self) {
        self.phase.clear();
    }

    /// Adds an instruction to the phase, and returns its conflicts.
    pub(super) fn add(&mut self, accesses: &[Access]) -> Vec<String> {
        if self.team == Team::Single {
            return Vec::new();
        }
        let accesses: Vec<Access> = accesses.iter().map(|access| self.of_team(*access)).collect();
        let mut found = Vec::new();
        for (i, access) in accesses.iter().enumerate() {
            let earlier = self.phase.iter().filter(|other| self.conflict(access, other));
            // Two threads may be at the same instruction. One that works on a slice in place does
            // so within each thread's share.
            let own = accesses[i..]
                .iter()
                .filter(|other| self.conflict(access, other) && access.slice().is_none());
            for other in earlier.chain(own) {
                let mode = if access.writes() { "written" } else { "read" };
                let other_mode = if other.writes() { "writes" } else { "reads" };
                found.push(format!(
                    "{} is {mode} while another thread {other_mode} it",
                    access.memory.text(self.tables)
                ));
            }
        }
        self.phase.extend(accesses);
        found
    }

    /// The access of one of these threads. Where all threads work on the same images, each writes
    /// its share of a slice and may read all of it.
    fn of_team(&self, access: Access) -> Access {
        let is_shared = self.team == Team::SameImages && access.slice().is_some();
        match (is_shared, access.writes()) {
            (false, _) => access,
            (true, true) => Access { part: Part::Share, ..access },
            (true, false) => Access { part: Part::Whole, ..access },
        }
    }

    /// Whether two threads must not make these accesses at the same time.
    fn conflict(&self, a: &Access, b: &Access) -> bool {
        let is_apart = a.part == b.part && a.part != Part::Whole;
        (a.writes() || b.writes()) && !is_apart && self.overlap(a.memory, b.memory)
    }

    fn overlap(&self, a: Memory, b: Memory) -> bool {
        match (a, b) {
            (Memory::Slice(a), Memory::Slice(b)) => {
                let is_before =
                    |a: crate::allocation::BufferSlice, b: usize| a.start + a.shape.channels <= b;
                self.tables.alias_of[a.buffer] == self.tables.alias_of[b.buffer]
                    && !is_before(a, b.start)
                    && !is_before(b, a.start)
            }
            (Memory::Packed { buffer: a, .. }, Memory::Packed { buffer: b, .. })
            | (Memory::Partials { buffer: a, .. }, Memory::Partials { buffer: b, .. }) => a == b,
            (a, b) => a == b,
        }
    }
}
