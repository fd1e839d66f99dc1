//! One thread's part of the step: every instruction, for its own images, in an arena of its own.
//! `weights`: layers with weights; `norms`: batch norms.
//!
//! Threads meet before statistics and before the terms of a norm's gradient, for the others' sums.
//! Before they do, they pack the next convolution's weights together, so that only a convolution
//! with no such meeting before it asks for one of its own. What each has found of a weight's
//! gradient is added where they meet next.

mod norms;
mod weights;

use crate::allocation::{BufferSlice, IMAGES};
use crate::linear;
use crate::program::Instr;
use crate::step::{ExecutionPlan, Own, Pooling};
use res2lab_kernels::pool::global;
use res2lab_kernels::{Real, Share, View, norm, pointwise};
use std::ops::Range;

/// Memory that all threads work on.
pub(crate) struct Shared<T> {
    pub images: *const T,
    pub values: *const T,
    pub grads: *mut T,
    /// Whether gradients are added to what is there.
    pub adds: bool,
    pub running: *mut T,
    pub sums: *mut f64,
    pub partials: [*mut T; 2],
    /// Packed weights of one convolution each; two where there are several threads.
    pub packed: Vec<*mut T>,
}

/// An arena that several threads may work in.
pub(crate) struct Arena<T>(pub *mut T);

// SAFETY: threads write to disjoint parts of it, and read what others wrote behind a barrier only.
unsafe impl<T: Send> Send for Arena<T> {}

// SAFETY: threads write to disjoint parts (their sums, their partial gradients, their share of a
// gradient), and read what others wrote behind a barrier only.
unsafe impl<T: Send> Sync for Shared<T> {}

/// One thread.
pub(crate) struct Worker<'a, T> {
    pub plan: &'a ExecutionPlan<T>,
    pub shared: &'a Shared<T>,
    pub thread: usize,
    pub own: &'a mut Own<T>,
    /// Its arena, and what each max pool remembers.
    pub arena: *mut T,
    pub indices: Vec<*mut u32>,
    /// Those of its images that the instructions are run for now.
    pub images: Range<usize>,
    /// Its share of each instruction, where threads work on the same images.
    pub share: Share,
    /// Whether views are of this thread's share of the channels now.
    pub is_split: bool,
    /// Entries whose gradient has been computed in parts in this pass.
    pub turn: usize,
    /// The last of them, if its parts have not been added yet.
    pub left: Option<usize>,
    /// Forward, 0, or backward, 1.
    pub direction: usize,
    /// Of the convolutions whose weights are packed in this pass: how many have been, and how many
    /// of them have run.
    pub packed: usize,
    pub used: usize,
}

impl<'a, T: Real> Worker<'a, T> {
    /// Runs all forward instructions, each segment's for one block of images after the other.
    pub(crate) fn forward(&mut self) {
        let plan = self.plan;
        for segment in &plan.segments {
            for start in self.own.images.clone().step_by(segment.block) {
                let first = self.own.images.start;
                self.images =
                    start - first..(start + segment.block).min(self.own.images.end) - first;
                for instr in &plan.program.forward[segment.instrs.clone()] {
                    if plan.shares_images { self.run_together(instr) } else { self.run(instr) }
                }
            }
        }
        self.images = 0..self.own.images.len();
    }

    /// Runs all backward instructions.
    pub(crate) fn backward(&mut self) {
        let plan = self.plan;
        self.zero_sums();
        self.direction = 1;
        plan.program.backward.iter().for_each(|instr| self.run(instr));
        if self.left.is_some() {
            self.meet();
        }
    }

    /// A view of a place. The images are never written through it.
    fn view(&self, place: BufferSlice) -> View<T> {
        let whole = self.plan.program.buffers[place.buffer];
        let start = place.start * whole.height * whole.width;
        // A buffer of one block of images begins with the block's first.
        let before =
            self.plan.local[place.buffer].map_or(0, |_| self.images.start * whole.elements());
        let base = match place.buffer {
            // SAFETY: the batch holds this thread's images.
            IMAGES => unsafe {
                self.shared.images.add(self.own.images.start * whole.elements()).cast_mut()
            },
            // SAFETY: the arena holds every buffer from its offset on, and a place lies within its
            // buffer.
            buffer => unsafe { self.arena.add(self.plan.offsets[buffer]) },
        };
        let mut channels = 0..place.shape.channels;
        if self.is_split {
            channels = self.share.within(channels);
        }
        let start = start + channels.start * whole.height * whole.width;
        View {
            // SAFETY: as above.
            at: unsafe { base.add(start) }.wrapping_sub(before),
            image_stride: whole.elements(),
            channels: channels.len(),
            height: place.shape.height,
            width: place.shape.width,
        }
    }

    /// A piece of memory that no other thread writes to now.
    fn slice(at: *const T, range: Range<usize>) -> &'a [T] {
        // SAFETY: callers give ranges of buffers of the plan, whose lengths were worked out from
        // the same numbers.
        unsafe { std::slice::from_raw_parts(at.add(range.start), range.len()) }
    }

    /// A piece of memory that this thread alone touches now.
    fn slice_mut(at: *mut T, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: as for `slice`.
        unsafe { std::slice::from_raw_parts_mut(at.add(range.start), range.len()) }
    }

    fn entry(&self, entry: usize) -> Range<usize> {
        self.plan.entries[entry]..self.plan.entries[entry] + self.plan.lengths[entry]
    }

    fn value(&self, entry: usize) -> &'a [T] {
        Self::slice(self.shared.values, self.entry(entry))
    }

    fn grad(&self, entry: usize) -> &'a mut [T] {
        Self::slice_mut(self.shared.grads, self.entry(entry))
    }

    /// This thread's values of a place with one value per channel.
    fn rows(&self, place: BufferSlice) -> &'a mut [T] {
        let images = &self.images;
        let channels = place.shape.channels;
        Self::slice_mut(self.view(place).at, images.start * channels..images.end * channels)
    }

    /// One instruction that all threads work on, each on its share; what follows may read all of
    /// it.
    fn run_together(&mut self, instr: &Instr) {
        match instr {
            Instr::Normalize { .. } if self.thread > 0 => {}
            Instr::Conv { .. } | Instr::Linear { .. } | Instr::Normalize { .. } => self.run(instr),
            _ => {
                self.is_split = true;
                self.run(instr);
                self.is_split = false;
            }
        }
        self.plan.barrier.wait();
    }

    // Every kernel is told to write to this thread's images of places that the plan gives to nobody
    // else while this instruction runs; that is the promise each of them asks for.
    fn run(&mut self, instr: &Instr) {
        let images = self.images.clone();
        match instr {
            Instr::Conv { conv, inputs, out, then: Some(then), .. } => {
                self.folded_conv(*conv, inputs, *out, *then)
            }
            Instr::Conv { conv, inputs, out, sums, .. } => self.conv(*conv, inputs, *out, *sums),
            Instr::Sums { norm } => {
                let x = self.view(self.plan.program.norms[*norm].x);
                let sums = self.own_sums(*norm);
                sums.fill(0.0);
                // SAFETY: see above.
                unsafe { norm::sums(x, images, sums) };
            }
            Instr::Statistics { norms } => self.statistics(norms),
            Instr::Normalize { norm, added, relu, out } => {
                self.normalize(*norm, *added, *relu, *out)
            }
            Instr::NormSums(last) => self.norm_sums(*last),
            Instr::NormCoefficients { norms } => self.norm_coefficients(norms),
            Instr::ConvBack { conv, from, inputs, into, last } => {
                self.conv_back(*conv, *from, inputs, into, last)
            }
            Instr::Linear { state, from, to } => {
                let outputs = self.share.within(0..to.shape.channels);
                linear::forward(
                    self.rows(*from),
                    self.value(*state),
                    self.value(state + 1),
                    self.rows(*to),
                    outputs,
                );
            }
            Instr::LinearBack { state, from, input, into } => {
                self.linear_back(*state, *from, *input, *into)
            }
            // SAFETY: see above.
            other => unsafe { self.simple(other, images) },
        }
    }

    /// Instructions that are one kernel.
    unsafe fn simple(&mut self, instr: &Instr, images: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            match instr {
                Instr::NormBack { from, into } => {
                    norm::input_gradient(
                        &self.gradient(*from),
                        self.view(into.to),
                        into.add,
                        images,
                    );
                }
                Instr::Pool { pool, from, to } => {
                    let from = self.view(*from);
                    let to = self.view(*to);
                    match &self.plan.pools[*pool] {
                        Pooling::Average(average) => {
                            average.forward(from, to, images, &mut self.own.scratch)
                        }
                        Pooling::Max(max) if self.plan.program.is_inference() => {
                            max.infer(from, to, images, &mut self.own.scratch);
                        }
                        Pooling::Max(max) => {
                            let indices = self.indices(*pool, to);
                            max.forward(from, to, indices, images, &mut self.own.scratch);
                        }
                    }
                }
                Instr::PoolBack { pool, from, into } => {
                    let from = self.view(*from);
                    let to = self.view(into.to);
                    match &self.plan.pools[*pool] {
                        Pooling::Average(average) => {
                            average.backward(from, to, into.add, images, &mut self.own.scratch);
                        }
                        Pooling::Max(max) => {
                            max.backward(from, self.indices(*pool, from), to, into.add, images)
                        }
                    }
                }
                Instr::GlobalPool { from, to } => {
                    global::forward(self.view(*from), self.view(*to), images)
                }
                Instr::GlobalPoolBack { from, into } => {
                    global::backward(self.view(*from), self.view(into.to), into.add, images);
                }
                Instr::Relu { from, to } => {
                    pointwise::relu(self.view(*from), self.view(*to), images)
                }
                Instr::Sigmoid { from, to } => {
                    pointwise::sigmoid(self.view(*from), self.view(*to), images)
                }
                Instr::ReluBack { from, result, into } => {
                    let from = self.view(*from);
                    let result = self.view(*result);
                    pointwise::relu_backward(from, result, self.view(into.to), into.add, images);
                }
                Instr::SigmoidBack { from, result, into } => {
                    let from = self.view(*from);
                    let result = self.view(*result);
                    pointwise::sigmoid_backward(from, result, self.view(into.to), into.add, images);
                }
                Instr::Add { from, to } => {
                    let from: Vec<View<T>> = from.iter().map(|place| self.view(*place)).collect();
                    pointwise::add(&from, self.view(*to), false, images);
                }
                Instr::Copy { from, into } => {
                    pointwise::add(&[self.view(*from)], self.view(into.to), into.add, images);
                }
                Instr::Gate { x, gate, to } => {
                    pointwise::gate(self.view(*x), self.view(*gate), self.view(*to), false, images);
                }
                Instr::GateBack { from, x, gate, into_x, into_gate } => {
                    let from = self.view(*from);
                    let x = self.view(*x);
                    let gate = self.view(*gate);
                    pointwise::gate(from, gate, self.view(into_x.to), into_x.add, images.clone());
                    pointwise::gate_backward(
                        from,
                        x,
                        self.view(into_gate.to),
                        into_gate.add,
                        images,
                    );
                }
                Instr::Zero { place } => {
                    let view = self.view(*place);
                    images.for_each(|image| view.zero(image, 0..view.channels));
                }
                _ => unreachable!("{instr:?} is more than one kernel"),
            }
        }
    }

    /// Where a max pool remembers its maxima, one for each value of its result.
    fn indices(&self, pool: usize, result: View<T>) -> View<u32> {
        let View { channels, height, width, .. } = result;
        View {
            at: self.indices[pool],
            image_stride: channels * height * width,
            channels,
            height,
            width,
        }
    }
}
