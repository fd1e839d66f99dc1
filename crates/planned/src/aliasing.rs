//! Aliasing of gradients: copies that are elided.
//!
//! The gradient of an addition's term is that of its result. The copy can alias its source if the
//! last reader of the source comes before the next write to the copy. This holds along the residual
//! connections of a stage.

use crate::allocation::BufferSlice;
use crate::instructions::Instr;
use crate::liveness::touched;
use crate::program::Program;

/// Removes the copies that can be elided, and records which buffers are aliases.
pub(crate) fn alias_copies(program: &mut Program) {
    let touches: Vec<Vec<usize>> = program
        .backward
        .iter()
        .map(|instr| touched(program, instr).iter().map(|slice| slice.buffer).collect())
        .collect();
    let mut is_copied = vec![false; program.buffers.len()];
    let mut elided = vec![false; touches.len()];
    for (i, instr) in program.backward.iter().enumerate() {
        let Instr::Copy { from, into } = instr else { continue };
        let is_whole = |slice: &BufferSlice| slice.shape == program.buffers[slice.buffer];
        let touch = |buffer: usize| move |touches: &Vec<usize>| touches.contains(&buffer);
        let last_read = touches.iter().rposition(touch(from.buffer));
        let next_written =
            touches[i + 1..].iter().position(touch(into.to.buffer)).map(|after| i + 1 + after);
        let is_free =
            next_written.is_none_or(|next| last_read < Some(next)) && !is_copied[from.buffer];
        if is_free
            && !into.add
            && from.shape == into.to.shape
            && is_whole(from)
            && is_whole(&into.to)
        {
            is_copied[from.buffer] = true;
            elided[i] = true;
            program.alias_of[into.to.buffer] = program.alias_of[from.buffer];
        }
    }
    let mut elided = elided.into_iter();
    program.backward.retain(|_| !elided.next().unwrap_or(false));
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
            .alias_of
            .iter()
            .enumerate()
            .filter(|(buffer, memory)| buffer != *memory)
            .count();
        // All blocks but the first of each of four stages.
        assert_eq!(aliases, 16 - 4);
        let is_whole = |slice: &BufferSlice| slice.shape == program.buffers[slice.buffer];
        assert!(
            !program
                .backward
                .iter()
                .any(|instr| matches!(instr, Instr::Copy { from, .. } if is_whole(from)))
        );
    }
}
