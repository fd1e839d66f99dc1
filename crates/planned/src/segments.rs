//! Which instructions are run for how many images at a time. A training step needs all of a batch
//! at once; an inference goes through a network's large early layers image by image, so that what
//! one layer leaves is still in a cache when the next one reads it, and through the late ones,
//! whose weights are large, with many images.

use crate::allocation::IMAGES;
use crate::liveness::touched;
use crate::program::Program;
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes that an instruction may touch.
pub const BYTES: usize = 4 << 20;

/// Instructions that are run for one block of images after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Of the forward pass.
    pub instrs: Range<usize>,
    /// Images at a time.
    pub block: usize,
}

/// All instructions for all images.
pub fn whole(program: &Program, images: usize) -> Vec<Segment> {
    vec![Segment { instrs: 0..program.forward.len(), block: images.max(1) }]
}

/// Blocks that keep what an instruction, and each of those after it, touches within so many
/// elements.
pub fn blocks(program: &Program, images: usize, elements: usize) -> Vec<Segment> {
    let images = images.max(1);
    let mut segments: Vec<Segment> = Vec::new();
    let mut most = 1;
    for (i, instr) in program.forward.iter().enumerate().rev() {
        let places = touched(program, instr);
        most = most.max(places.iter().map(|place| place.shape.elements()).sum());
        let blocks = images.div_ceil((elements / most).max(1));
        let block = images.div_ceil(blocks);
        match segments.last_mut().filter(|segment| segment.block == block) {
            Some(segment) => segment.instrs.start = i,
            None => segments.push(Segment { instrs: i..i + 1, block }),
        }
    }
    segments.reverse();
    segments
}

/// For each buffer that lives within one segment: the images of a block, which is all it holds. The
/// others hold all images, and so do the images themselves and the logits.
pub fn local(program: &Program, segments: &[Segment]) -> Vec<Option<usize>> {
    let mut users = vec![BTreeSet::new(); program.buffers.len()];
    for (nth, segment) in segments.iter().enumerate() {
        let places = program.forward[segment.instrs.clone()]
            .iter()
            .flat_map(|instr| touched(program, instr));
        places.for_each(|place| _ = users[place.buffer].insert(nth));
    }
    let block_of = |(buffer, users): (usize, BTreeSet<usize>)| match users.first() {
        Some(&nth) if users.len() == 1 && ![IMAGES, program.logits.buffer].contains(&buffer) => {
            Some(segments[nth].block)
        }
        _ => None,
    };
    users.into_iter().enumerate().map(block_of).collect()
}
