//! Liveness: the live range of each buffer, from the first instruction that accesses it to the
//! last.

use crate::allocation::{BufferSlice, IMAGES};
use crate::instructions::{Added, GradientSource, Instr, NormSums};
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
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; program.buffers.len()];
    let mut touch = |slice: &BufferSlice, time: usize| {
        let life = &mut lives[program.alias_of[slice.buffer]];
        let (first, last) = life.unwrap_or((time, time));
        *life = Some((first.min(time), last.max(time)));
    };
    let between = program.forward.len();
    for segment in segments {
        let Range { start, end } = segment.instrs;
        let repeats = segment.micro_batch < images;
        for (i, instr) in program.forward[start..end].iter().enumerate() {
            for slice in touched(program, instr) {
                let is_kept = repeats && local[slice.buffer].is_none();
                let times = if is_kept { [start, end - 1] } else { [start + i; 2] };
                times.into_iter().for_each(|time| touch(&slice, time));
            }
        }
    }
    touch(&program.logits, between);
    touch(&program.logits_gradient, between);
    for (i, instr) in program.backward.iter().enumerate() {
        touched(program, instr).iter().for_each(|slice| touch(slice, between + 1 + i));
    }
    // Buffers start on whole cache lines, for elements of either size.
    const LINE: usize = 16;
    let need = |(buffer, life): (usize, Option<(usize, usize)>)| Need {
        length: (program.buffers[buffer].elements() * local[buffer].unwrap_or(images))
            .next_multiple_of(LINE),
        life: life.filter(|_| buffer != IMAGES).map(|(first, last)| first..=last),
    };
    lives.into_iter().enumerate().map(need).collect()
}

/// The slices that an instruction reads or writes.
pub(crate) fn touched(program: &Program, instr: &Instr) -> Vec<BufferSlice> {
    let x = |norm: &usize| program.norms[*norm].x;
    let from = |from: &GradientSource| {
        std::iter::once(from.of).chain(from.norm.as_ref().map(x)).collect::<Vec<BufferSlice>>()
    };
    let norm_sums = |sums: &NormSums| {
        [sums.of, x(&sums.norm)].into_iter().chain(sums.relu).collect::<Vec<BufferSlice>>()
    };
    match instr {
        Instr::Statistics { .. } | Instr::NormCoefficients { .. } => Vec::new(),
        Instr::Sums { norm } => vec![x(norm)],
        Instr::Zero { slice } => vec![*slice],
        Instr::Conv { inputs, out, epilogue, .. } => {
            let residual = epilogue.and_then(|epilogue| epilogue.residual);
            inputs.iter().copied().chain([*out]).chain(residual).collect()
        }
        Instr::Normalize { norm, added, out, .. } => {
            let added = added.map(|added| match added {
                Added::Value(slice) => slice,
                Added::Norm(norm) => x(&norm),
            });
            [x(norm), *out].into_iter().chain(added).collect()
        }
        Instr::Pool { from, to, .. }
        | Instr::GlobalPool { from, to }
        | Instr::Relu { from, to }
        | Instr::Sigmoid { from, to }
        | Instr::Linear { from, to, .. } => vec![*from, *to],
        Instr::Add { from, to } => [&from[..], &[*to]].concat(),
        Instr::Gate { x, gate, to } => vec![*x, *gate, *to],
        Instr::NormSums(of) => norm_sums(of),
        Instr::NormBack { from: source, into } => [from(source), vec![into.to]].concat(),
        Instr::ConvBack { from: source, inputs, into, norm_sums: of, .. } => {
            let into: Vec<BufferSlice> = into.iter().map(|into| into.to).collect();
            [from(source), inputs.clone(), into, of.iter().flatten().flat_map(norm_sums).collect()]
                .concat()
        }
        Instr::Copy { from, into }
        | Instr::PoolBack { from, into, .. }
        | Instr::GlobalPoolBack { from, into } => {
            vec![*from, into.to]
        }
        Instr::ReluBack { from, result, into } | Instr::SigmoidBack { from, result, into } => {
            vec![*from, *result, into.to]
        }
        Instr::GateBack { from, x, gate, into_x, into_gate } => {
            vec![*from, *x, *gate, into_x.to, into_gate.to]
        }
        Instr::LinearBack { from, input, into, .. } => vec![*from, *input, into.to],
    }
}

/// The gradients that a backward instruction writes, in order.
pub(crate) fn gradients_written(instr: &Instr) -> Vec<BufferSlice> {
    match instr {
        Instr::Zero { slice } => vec![*slice],
        Instr::NormSums(sums) => vec![sums.of],
        Instr::NormBack { into, .. }
        | Instr::ReluBack { into, .. }
        | Instr::Copy { into, .. }
        | Instr::PoolBack { into, .. }
        | Instr::GlobalPoolBack { into, .. }
        | Instr::SigmoidBack { into, .. }
        | Instr::LinearBack { into, .. } => vec![into.to],
        Instr::GateBack { into_x, into_gate, .. } => vec![into_x.to, into_gate.to],
        Instr::ConvBack { into, .. } => into.iter().map(|into| into.to).collect(),
        _ => Vec::new(),
    }
}
