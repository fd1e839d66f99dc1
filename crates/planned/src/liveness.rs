//! Liveness: the live range of each buffer, from the first instruction that accesses it to the
//! last.

use crate::access::slices;
use crate::allocation::{BufferSlice, IMAGES};
use crate::memory::Need;
use crate::program::Program;
use crate::segments::Segment;
use std::ops::Range;

/// The sizes and live ranges of all buffers for `images` images. Aliases have no live range of
/// their own. Instructions are numbered through both passes; the number between them stands for the
/// caller's computation of the logits' gradient.
///
/// A segment runs again for each micro-batch. A buffer that holds more than one micro-batch (its
/// entry in `local` is None) is therefore live from the beginning to the end of every such segment
/// that accesses it.
pub(crate) fn needs(
    program: &Program,
    segments: &[Segment],
    local: &[Option<usize>],
    images: usize,
) -> Vec<Need> {
    let tables = &program.tables;
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; tables.buffers.len()];
    let mut touch = |slice: &BufferSlice, time: usize| {
        let life = &mut lives[tables.alias_of[slice.buffer]];
        let (first, last) = life.unwrap_or((time, time));
        *life = Some((first.min(time), last.max(time)));
    };
    let between = program.forward.len();
    for segment in segments {
        let Range { start, end } = segment.instrs;
        let repeats = segment.micro_batch < images;
        for (i, instr) in program.forward[start..end].iter().enumerate() {
            for slice in slices(instr.accesses(tables)) {
                let is_kept = repeats && local[slice.buffer].is_none();
                let times = if is_kept { [start, end - 1] } else { [start + i; 2] };
                times.into_iter().for_each(|time| touch(&slice, time));
            }
        }
    }
    touch(&tables.logits, between);
    touch(&tables.logits_gradient, between);
    for (i, instr) in program.backward.iter().enumerate() {
        slices(instr.accesses(tables)).for_each(|slice| touch(&slice, between + 1 + i));
    }
    // Buffers start on whole cache lines, for elements of either size.
    const LINE: usize = 16;
    let need = |(buffer, life): (usize, Option<(usize, usize)>)| Need {
        length: (tables.buffers[buffer].elements() * local[buffer].unwrap_or(images))
            .next_multiple_of(LINE),
        life: life.filter(|_| buffer != IMAGES).map(|(first, last)| first..=last),
    };
    lives.into_iter().enumerate().map(need).collect()
}
