//! The text of a program and of a plan: every buffer, every instruction with what it writes and
//! reads, and the memory that it needs.
//!
//! An instruction is printed as `NAME WRITTEN <- READ`. `+` stands before memory that is updated,
//! which is read as well: a gradient that accumulates, or sums that are added to.

use crate::access::{Access, Mode, slices};
use crate::allocation::IMAGES;
use crate::plan::Plan;
use crate::program::Program;
use crate::tables::Tables;
use res2lab_arch::Shape;
use res2lab_kernels::Stored;
use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let tables = &self.tables;
        write_buffers(f, tables)?;
        writeln!(f, "\nconvolutions")?;
        for (conv, of) in tables.convs.iter().enumerate() {
            writeln!(f, "{:>6}  {}", format!("c{conv}"), tables.state[of.weight].name)?;
        }
        writeln!(f, "\nnorms")?;
        for (norm, of) in tables.norms.iter().enumerate() {
            writeln!(f, "{:>6}  {}", format!("n{norm}"), tables.state[of.state].name)?;
        }
        writeln!(f, "\nforward")?;
        for (at, instr) in self.forward.iter().enumerate() {
            write_instruction(f, (at, instr.name()), &instr.accesses(tables), tables)?;
        }
        if !self.is_inference() {
            writeln!(f, "\nbackward")?;
        }
        for (at, instr) in self.backward.iter().enumerate() {
            write_instruction(f, (at, instr.name()), &instr.accesses(tables), tables)?;
        }
        Ok(())
    }
}

/// The columns of a line of instructions.
const WIDTH: usize = 94;

fn write_buffers(f: &mut Formatter<'_>, tables: &Tables) -> Result {
    writeln!(f, "buffers, of one image")?;
    for (buffer, shape) in tables.buffers.iter().enumerate() {
        let Shape { channels, height, width } = shape;
        write!(f, "{:>6}  {channels}x{height}x{width}", format!("b{buffer}"))?;
        let notes = [
            (buffer == IMAGES).then(|| "images".to_owned()),
            (buffer == tables.logits.buffer).then(|| "logits".to_owned()),
            (tables.alias_of[buffer] != buffer)
                .then(|| format!("in the memory of b{}", tables.alias_of[buffer])),
        ];
        notes.iter().flatten().try_for_each(|note| write!(f, ", {note}"))?;
        writeln!(f)?;
    }
    Ok(())
}

fn write_instruction(
    f: &mut Formatter<'_>,
    (at, name): (usize, &str),
    accesses: &[Access],
    tables: &Tables,
) -> Result {
    let text = |access: &Access| match access.mode {
        Mode::Read | Mode::Write => access.memory.text(tables),
        Mode::Update => format!("+{}", access.memory.text(tables)),
    };
    let mut line = format!("{at:>6}  {name:<16}");
    let mut listed: Vec<String> = Vec::new();
    for is_written in [true, false] {
        let mut separator = if is_written { " " } else { " <- " };
        for access in accesses.iter().filter(|access| access.writes() == is_written) {
            let text = text(access);
            if listed.contains(&text) {
                continue;
            }
            let last = line.rfind('\n').map_or(0, |end| end + 1);
            if line.len() - last + separator.len() + text.len() > WIDTH {
                line += &format!("{}\n{:24}", separator.trim_end(), "");
                separator = " ";
            }
            line += separator;
            line += &text;
            separator = ", ";
            listed.push(text);
        }
    }
    writeln!(f, "{}", line.trim_end())
}

impl<T: Stored> Display for Plan<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let layout = &self.layout;
        let lengths = &layout.lengths;
        write!(f, "{}", self.program)?;
        if self.segments.len() > 1 {
            writeln!(f, "\nsegments")?;
        }
        for segment in self.segments.iter().filter(|_| self.segments.len() > 1) {
            let images = segment.micro_batch;
            writeln!(f, "  {:?}, {images} images at a time", segment.instrs)?;
        }
        let bytes = size_of::<T>();
        let threads = layout.threads;
        writeln!(f, "\nmemory, {} images, {threads} threads, {bytes} bytes each", layout.batch)?;
        let mut line = |what: &str, elements: usize| writeln!(f, "{elements:>12}  {what}");
        line("arena of each thread", lengths.arena)?;
        line("scratch memory of each thread", lengths.scratch)?;
        line("packed weights of a convolution", lengths.packed)?;
        line("partial gradients of each thread but the first", lengths.partials)?;
        line("sums of each thread, of 8 bytes", 2 * lengths.channels)?;
        line("positions of maxima of each thread, of 4 bytes", lengths.positions.iter().sum())?;
        writeln!(f, "\narena")?;
        let mut buffers = accessed(&self.program);
        buffers.sort_by_key(|buffer| (layout.offsets[*buffer], *buffer));
        for buffer in buffers {
            writeln!(f, "{:>12}  b{buffer}", layout.offsets[buffer])?;
        }
        Ok(())
    }
}

/// The buffers that instructions access, except the images, which are the caller's.
fn accessed(program: &Program) -> Vec<usize> {
    let tables = &program.tables;
    let forward = program.forward.iter().map(|instr| instr.accesses(tables));
    let backward = program.backward.iter().map(|instr| instr.accesses(tables));
    let slices = forward.chain(backward).flat_map(slices).map(|slice| slice.buffer);
    let all: BTreeSet<usize> = slices.filter(|buffer| *buffer != IMAGES).collect();
    all.into_iter().collect()
}
