//! Accesses: what an instruction reads and writes, and which part of it each thread accesses.
//!
//! Every other part of the crate that has to know this derives it from here: live ranges, aliasing,
//! segments, the schedule, the check of a program, and its text.

use crate::allocation::BufferSlice;
use crate::tables::{ConvId, EntryId, NormId, PoolId, Tables};
use std::ops::Range;

/// Memory that an instruction accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Channels of a buffer.
    Slice(BufferSlice),
    /// The two sums of each channel of a norm, for each thread: forward those of its statistics,
    /// backward those of its coefficients.
    Sums(NormId),
    /// A thread's copy of a norm's statistics.
    Statistics(NormId),
    /// A thread's copy of a norm's backward coefficients.
    Coefficients(NormId),
    /// The positions of a max pool's maxima.
    Positions(PoolId),
    /// A buffer of packed weights, and the weights that it holds.
    Packed { buffer: usize, of: PackedWeights },
    /// The partial gradients of an entry of the state, in a buffer of each thread but the first.
    Partials { buffer: usize, entry: EntryId },
    /// The values of an entry of the state: weights, biases.
    Values(EntryId),
    /// The gradient of an entry of the state.
    Gradient(EntryId),
    /// The running statistics in an entry of the state.
    Running(EntryId),
}

/// A convolution's weights in the order in which one of its passes reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedWeights {
    pub conv: ConvId,
    pub pass: Pass,
}

/// One of the two passes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Forward,
    Backward,
}

/// How memory is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// Overwritten, without regard to its contents.
    Write,
    /// Read and written: accumulated, or changed in place.
    Update,
}

/// The part that each thread accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Memory of its own, or that of its images.
    Own,
    /// Its share of memory that all threads have in common.
    Share,
    /// All of it.
    Whole,
    /// All of it, by the first thread; the other threads access none.
    First,
}

/// One access of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub memory: Memory,
    pub mode: Mode,
    pub part: Part,
}

impl Access {
    fn new(memory: Memory, mode: Mode, part: Part) -> Access {
        Access { memory, mode, part }
    }

    /// A thread reads its own part.
    pub(crate) fn read(memory: impl Into<Memory>) -> Access {
        Access::new(memory.into(), Mode::Read, Part::Own)
    }

    /// A thread overwrites its own part.
    pub(crate) fn write(memory: impl Into<Memory>) -> Access {
        Access::new(memory.into(), Mode::Write, Part::Own)
    }

    /// A thread updates its own part.
    pub(crate) fn update(memory: impl Into<Memory>) -> Access {
        Access::new(memory.into(), Mode::Update, Part::Own)
    }

    /// A thread writes the target of a gradient.
    pub(crate) fn target(target: GradientTarget) -> Access {
        let mode = if target.add { Mode::Update } else { Mode::Write };
        Access::new(target.to.into(), mode, Part::Own)
    }

    /// Each thread reads what all threads have written.
    pub(crate) fn read_all(memory: Memory) -> Access {
        Access::new(memory, Mode::Read, Part::Whole)
    }

    /// A thread writes its share.
    pub(crate) fn write_share(memory: Memory) -> Access {
        Access::new(memory, Mode::Write, Part::Share)
    }

    /// A thread updates its share.
    pub(crate) fn update_share(memory: Memory) -> Access {
        Access::new(memory, Mode::Update, Part::Share)
    }

    /// The first thread updates all of it.
    pub(crate) fn update_first(memory: Memory) -> Access {
        Access::new(memory, Mode::Update, Part::First)
    }

    /// The buffer slice that is accessed, if it is one.
    pub fn slice(&self) -> Option<BufferSlice> {
        if let Memory::Slice(slice) = self.memory { Some(slice) } else { None }
    }

    /// Whether the contents are read.
    pub fn reads(&self) -> bool {
        self.mode != Mode::Write
    }

    /// Whether the contents change.
    pub fn writes(&self) -> bool {
        self.mode != Mode::Read
    }
}

impl From<BufferSlice> for Memory {
    fn from(slice: BufferSlice) -> Memory {
        Memory::Slice(slice)
    }
}

/// The slices among several accesses.
pub(crate) fn slices(
    accesses: impl IntoIterator<Item = Access>,
) -> impl Iterator<Item = BufferSlice> {
    accesses.into_iter().filter_map(|access| access.slice())
}

/// The target of a gradient, and whether to accumulate into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientTarget {
    pub to: BufferSlice,
    pub add: bool,
}

/// The partial gradients of one layer. The first thread adds to the gradients themselves, every
/// other thread writes to its part of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Partials {
    /// The index of the buffer, which the schedule sets.
    pub buffer: usize,
    /// The entries of the state, one after the other in the buffer.
    pub entries: Range<EntryId>,
}

impl Partials {
    /// The partial gradients of these entries, in a buffer that is not chosen yet.
    pub(crate) fn of(entries: Range<EntryId>) -> Partials {
        Partials { buffer: 0, entries }
    }

    /// The accesses of the instruction that computes them.
    pub(crate) fn written(&self) -> impl Iterator<Item = Access> {
        let buffer = self.buffer;
        self.entries.clone().flat_map(move |entry| {
            let partials = Access::write(Memory::Partials { buffer, entry });
            [partials, Access::update_first(Memory::Gradient(entry))]
        })
    }

    /// The accesses of the instruction that adds those of all threads.
    pub(crate) fn added(&self) -> impl Iterator<Item = Access> {
        let buffer = self.buffer;
        self.entries.clone().flat_map(move |entry| {
            let partials = Access::read_all(Memory::Partials { buffer, entry });
            [partials, Access::update_share(Memory::Gradient(entry))]
        })
    }
}

impl Memory {
    /// A short name, as in a program's text.
    pub fn text(&self, tables: &Tables) -> String {
        let name = |entry: EntryId| tables.state[entry].name.clone();
        match *self {
            Memory::Slice(slice) => slice.text(tables.buffers[slice.buffer]),
            Memory::Sums(norm) => format!("sums n{norm}"),
            Memory::Statistics(norm) => format!("statistics n{norm}"),
            Memory::Coefficients(norm) => format!("coefficients n{norm}"),
            Memory::Positions(pool) => format!("positions p{pool}"),
            Memory::Packed { buffer, of } => format!("packed {buffer} (c{})", of.conv),
            Memory::Partials { buffer, entry } => format!("partials {buffer} ({})", name(entry)),
            Memory::Values(entry) => name(entry),
            Memory::Gradient(entry) => format!("d {}", name(entry)),
            Memory::Running(entry) => name(entry),
        }
    }
}
