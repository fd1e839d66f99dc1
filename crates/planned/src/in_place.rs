//! A gradient passes an addition unchanged. Where its last reader comes before anyone adds to the
//! copy, the copy is the same memory and costs nothing: so it is along the residual connections of
//! a stage.

use crate::allocation::BufferSlice;
use crate::liveness::touched;
use crate::program::{Instr, Program};

/// Takes out the copies that need not be made, and notes which buffers are one.
pub(crate) fn share(program: &mut Program) {
    let touches: Vec<Vec<usize>> = program
        .backward
        .iter()
        .map(|instr| touched(program, instr).iter().map(|place| place.buffer).collect())
        .collect();
    let mut is_copied = vec![false; program.buffers.len()];
    let mut spared = vec![false; touches.len()];
    for (i, instr) in program.backward.iter().enumerate() {
        let Instr::Copy { from, into } = instr else { continue };
        let is_whole = |place: &BufferSlice| place.shape == program.buffers[place.buffer];
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
            spared[i] = true;
            program.memory_of[into.to.buffer] = program.memory_of[from.buffer];
        }
    }
    let mut spared = spared.into_iter();
    program.backward.retain(|_| !spared.next().unwrap_or(false));
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
        let shared = program
            .memory_of
            .iter()
            .enumerate()
            .filter(|(buffer, memory)| buffer != *memory)
            .count();
        // All blocks but the first of each of four stages.
        assert_eq!(shared, 16 - 4);
        let is_whole = |place: &BufferSlice| place.shape == program.buffers[place.buffer];
        assert!(
            !program
                .backward
                .iter()
                .any(|instr| matches!(instr, Instr::Copy { from, .. } if is_whole(from)))
        );
    }
}
