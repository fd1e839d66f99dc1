//! The check of a scheduled program: what must hold for any order in which threads run between two
//! barriers. It derives everything from the accesses of instructions, and nothing from the way in
//! which the schedule was made.
//!
//! - Every read finds what it expects: `contents`.
//! - No thread reads what another one writes meanwhile: `races`.

mod contents;
mod races;

use crate::access::{Access, Pass};
use crate::allocation::IMAGES;
use crate::instructions::{Backward, Forward};
use crate::plan::Plan;
use crate::program::Program;
use contents::Contents;
use races::Races;
use res2lab_kernels::Stored;
use std::fmt;

pub use races::Team;

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub pass: Pass,
    /// The index of the instruction in its pass.
    pub at: usize,
    /// The name of the instruction.
    pub name: &'static str,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} ({}): {}", self.pass, self.at, self.name, self.what)
    }
}

/// The faults of a scheduled program; none if it is correct.
pub fn faults(program: &Program, team: Team) -> Vec<Fault> {
    let order = (0..program.forward.len()).collect();
    check(program, team, order, vec![Vec::new(); program.tables.buffers.len()])
}

impl<T: Stored> Plan<T> {
    /// The faults of the plan's program in the plan's memory; none if it is correct.
    pub fn faults(&self) -> Vec<Fault> {
        let team = match (self.layout.threads, self.layout.shares_images) {
            (1, _) => Team::Single,
            (_, false) => Team::OwnImages,
            (_, true) => Team::SameImages,
        };
        let images = self.layout.most_images();
        let order = self.segments.iter().flat_map(|segment| {
            // A segment of several micro-batches is checked twice, since it runs again.
            let times = if segment.micro_batch < images { 2 } else { 1 };
            std::iter::repeat_n(segment.instrs.clone(), times).flatten()
        });
        let order = order.collect();
        check(&self.program, team, order, overlaps(self))
    }
}

/// For each buffer, those other buffers of which it uses a part of the memory, aliases excepted.
fn overlaps<T: Stored>(plan: &Plan<T>) -> Vec<Vec<usize>> {
    let tables = &plan.program.tables;
    let most = plan.layout.most_images();
    let range = |buffer: usize| {
        let images = plan.layout.local[buffer].unwrap_or(most);
        let start = plan.layout.offsets[buffer];
        start..start + tables.buffers[buffer].elements() * images
    };
    let all = || (0..tables.buffers.len()).filter(|buffer| *buffer != IMAGES);
    let is_other = |a: usize, b: usize| {
        let a_range = range(a);
        let b_range = range(b);
        tables.alias_of[a] != tables.alias_of[b]
            && a_range.start < b_range.end
            && b_range.start < a_range.end
    };
    let of = |buffer: usize| all().filter(|other| is_other(buffer, *other)).collect();
    let mut overlaps: Vec<Vec<usize>> = (0..tables.buffers.len()).map(of).collect();
    overlaps[IMAGES].clear();
    overlaps
}

/// Checks the forward instructions in this order, and then the backward pass.
fn check(
    program: &Program,
    team: Team,
    order: Vec<usize>,
    overlaps: Vec<Vec<usize>>,
) -> Vec<Fault> {
    let tables = &program.tables;
    let mut checker = Checker {
        contents: Contents::new(tables, overlaps, team != Team::Single),
        races: Races::new(tables, team),
        faults: Vec::new(),
    };
    for at in order {
        let instr = &program.forward[at];
        let is_barrier = matches!(instr, Forward::Barrier(_));
        let accesses = instr.accesses(tables);
        checker.add((Pass::Forward, at, instr.name()), is_barrier, &accesses);
    }
    // Threads end with a pass. The caller then reads the logits and writes their gradient.
    checker.races.clear();
    let found = checker.contents.use_logits();
    checker.report((Pass::Forward, program.forward.len(), "end"), found);
    for (at, instr) in program.backward.iter().enumerate() {
        let is_barrier = matches!(instr, Backward::Barrier(_));
        let accesses = instr.accesses(tables);
        checker.add((Pass::Backward, at, instr.name()), is_barrier, &accesses);
    }
    let last = (Pass::Backward, program.backward.len(), "end");
    let found = checker.contents.at_end();
    checker.report(last, found);
    checker.faults
}

struct Checker<'a> {
    contents: Contents<'a>,
    races: Races<'a>,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn add(&mut self, label: (Pass, usize, &'static str), is_barrier: bool, accesses: &[Access]) {
        if is_barrier {
            self.races.clear();
        }
        let found = self.races.add(accesses);
        self.report(label, found);
        let found = self.contents.add(accesses);
        self.report(label, found);
    }

    fn report(&mut self, (pass, at, name): (Pass, usize, &'static str), found: Vec<String>) {
        self.faults.extend(found.into_iter().map(|what| Fault { pass, at, name, what }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_arch::Input;

    #[test]
    fn live_buffers_in_the_same_memory_are_found() {
        let spec = res2lab_arch::zoo::find("seresnet50").unwrap().words.resolve().unwrap().0;
        let graph = res2lab_arch::build(&spec, Input::square(32, 7)).unwrap();
        for threads in [1, 2] {
            let entries = vec![0; graph.state.len()];
            let mut plan = Plan::<f32>::new(&graph, entries, 3, threads);
            assert_eq!(plan.faults(), []);
            plan.layout.offsets.fill(0);
            assert_ne!(plan.faults(), []);
            let mut plan = Plan::<f32>::inference(&graph, 3, threads);
            assert_eq!(plan.faults(), []);
            plan.layout.offsets.fill(0);
            assert_ne!(plan.faults(), []);
        }
    }
}
