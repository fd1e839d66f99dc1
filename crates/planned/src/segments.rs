//! Segments: which instructions run for how many images at a time.
//!
//! A training step needs the whole batch at once. An inference runs the early layers, whose
//! activations are large, in micro-batches of few images, so that the result of a layer is still in
//! a cache when the next layer reads it. It runs the late layers, whose weights are large, with
//! many images.

use crate::access::slices;
use crate::allocation::IMAGES;
use crate::instructions::Forward;
use crate::program::Program;
use std::collections::BTreeSet;
use std::ops::Range;

/// The most bytes that an instruction may access, where more than one image is run at a time.
pub const BYTES: usize = 4 << 20;

/// Consecutive instructions that run for one micro-batch after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// A range of the forward instructions.
    pub instrs: Range<usize>,
    /// Images of a micro-batch.
    pub micro_batch: usize,
}

/// One segment: all instructions run for all images at once.
pub fn whole_batch(program: &Program, images: usize) -> Vec<Segment> {
    vec![Segment { instrs: 0..program.forward.len(), micro_batch: images.max(1) }]
}

/// Segments with micro-batches so small that neither an instruction nor any later one accesses more
/// than `elements` elements. Micro-batches never become smaller from one segment to the next.
pub fn micro_batched(program: &Program, images: usize, elements: usize) -> Vec<Segment> {
    let images = images.max(1);
    let mut segments: Vec<Segment> = Vec::new();
    let mut most = 1;
    for (i, instr) in program.forward.iter().enumerate().rev() {
        // A barrier belongs to the instruction before it, which may run again at once.
        if matches!(instr, Forward::Barrier(_)) {
            continue;
        }
        let slices = slices(instr.accesses(&program.tables));
        most = most.max(slices.map(|slice| slice.shape.elements()).sum());
        let count = images.div_ceil((elements / most).max(1));
        let micro_batch = images.div_ceil(count);
        match segments.last_mut().filter(|segment| segment.micro_batch == micro_batch) {
            Some(segment) => segment.instrs.start = i,
            None => {
                let end = segments.last().map_or(program.forward.len(), |next| next.instrs.start);
                segments.push(Segment { instrs: i..end, micro_batch });
            }
        }
    }
    segments.reverse();
    segments
}

/// For each buffer that only one segment accesses, the images of its micro-batch, which are all
/// that the buffer holds. Other buffers hold all images, and so do the input images and the logits.
pub fn local(program: &Program, segments: &[Segment]) -> Vec<Option<usize>> {
    let mut users = vec![BTreeSet::new(); program.tables.buffers.len()];
    for (nth, segment) in segments.iter().enumerate() {
        let slices = program.forward[segment.instrs.clone()]
            .iter()
            .flat_map(|instr| slices(instr.accesses(&program.tables)));
        slices.for_each(|slice| _ = users[slice.buffer].insert(nth));
    }
    let images_of = |(buffer, users): (usize, BTreeSet<usize>)| match users.first() {
        Some(&nth)
            if users.len() == 1 && ![IMAGES, program.tables.logits.buffer].contains(&buffer) =>
        {
            Some(segments[nth].micro_batch)
        }
        _ => None,
    };
    users.into_iter().enumerate().map(images_of).collect()
}
