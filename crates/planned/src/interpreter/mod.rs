//! Runs a program on one thread: every instruction in order, for this thread's images.
//!
//! The interpreter keeps no state from one instruction to the next. `thread` is what an instruction
//! may access, `calls` has the calls of kernels.

mod calls;
pub(crate) mod thread;

use crate::instructions::{Backward, Division, Forward};
use crate::segments::Segment;
use res2lab_kernels::Stored;
use thread::Thread;

/// Runs the forward instructions, segment by segment, and each segment for one micro-batch after
/// the other.
pub(crate) fn forward<T: Stored>(instrs: &[Forward], segments: &[Segment], thread: &mut Thread<T>) {
    let all = thread.batch.len();
    for segment in segments {
        for start in (0..all).step_by(segment.micro_batch) {
            thread.images = start..(start + segment.micro_batch).min(all);
            for instr in &instrs[segment.instrs.clone()] {
                if thread.layout.shares_images {
                    run_share(instr, thread);
                } else {
                    instr.run(thread);
                }
            }
        }
    }
}

/// Runs this thread's share of an instruction, where all threads work on the same images.
fn run_share<T: Stored>(instr: &Forward, thread: &mut Thread<T>) {
    match instr.division() {
        Division::First if !thread.is_first() => {}
        Division::First | Division::Results => instr.run(thread),
        Division::Channels => {
            thread.is_split = true;
            instr.run(thread);
            thread.is_split = false;
        }
    }
}

/// Runs the backward instructions.
pub(crate) fn backward<T: Stored>(instrs: &[Backward], thread: &mut Thread<T>) {
    thread.images = 0..thread.batch.len();
    instrs.iter().for_each(|instr| instr.run(thread));
}
