//! Aliasing of gradients: copies that are elided.
//!
//! The gradient of an addition's term is that of its result. The copy can alias its source if the
//! last reader of the source comes before the next write to the copy. This holds along the residual
//! connections of a stage.

use crate::allocation::BufferSlice;
use crate::instructions::Backward;
use crate::program::Program;
use crate::tables::Tables;

/// Removes the copies that can be elided, and records which buffers are aliases.
pub(crate) fn alias_copies(program: &mut Program) {
    let tables = &program.tables;
    let touches: Vec<Vec<usize>> =
        program.backward.iter().map(|instr| buffers(instr, tables)).collect();
    let mut is_copied = vec![false; tables.buffers.len()];
    let mut alias_of = tables.alias_of.clone();
    let mut elided = vec![false; touches.len()];
    for (i, instr) in program.backward.iter().enumerate() {
        let Backward::Copy(copy) = instr else { continue };
        let from = copy.from;
        let to = copy.into.to;
        let is_whole = |slice: BufferSlice| slice.shape == tables.buffers[slice.buffer];
        let touch = |buffer: usize| move |touches: &Vec<usize>| touches.contains(&buffer);
        let last_read = touches.iter().rposition(touch(from.buffer));
        let next_written = touches[i + 1..].iter().position(touch(to.buffer));
        let is_free = next_written.is_none_or(|after| last_read < Some(i + 1 + after))
            && !is_copied[from.buffer];
        if is_free && !copy.into.add && from.shape == to.shape && is_whole(from) && is_whole(to) {
            is_copied[from.buffer] = true;
            elided[i] = true;
            alias_of[to.buffer] = alias_of[from.buffer];
        }
    }
    program.tables.alias_of = alias_of;
    let mut elided = elided.into_iter();
    program.backward.retain(|_| !elided.next().unwrap_or(false));
}

/// The buffers that an instruction accesses.
fn buffers(instr: &Backward, tables: &Tables) -> Vec<usize> {
    let accesses = instr.accesses(tables);
    accesses.iter().filter_map(|access| Some(access.slice()?.buffer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_arch::Input;

    #[test]
    fn residual_connections_need_no_copy() {
        let spec = res2lab_arch::zoo::find("res2net50_26w_4s").unwrap().words.resolve().unwrap().0;
        let graph =
            res2lab_arch::build(&spec, Input { height: 64, width: 64, channels: 3, classes: 7 })
                .unwrap();
        let program = Program::new(&graph);
        let aliases = program
            .tables
            .alias_of
            .iter()
            .enumerate()
            .filter(|(buffer, memory)| buffer != *memory)
            .count();
        // All blocks but the first of each of four stages.
        assert_eq!(aliases, 16 - 4);
        let is_whole = |slice: &BufferSlice| slice.shape == program.tables.buffers[slice.buffer];
        let is_left =
            |instr: &Backward| matches!(instr, Backward::Copy(copy) if is_whole(&copy.from));
        assert!(!program.backward.iter().any(is_left));
    }
}
