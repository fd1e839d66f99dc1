//! Runs a program on one thread: every instruction, for this thread's images, in this thread's
//! arena. `weights` has the layers with weights, `norms` the batch norms, `pools` the pools.
//!
//! All threads wait at a barrier before the statistics and before the backward coefficients of a
//! norm, which need the sums of all threads. Before such a barrier, every thread packs its share of
//! the next convolution's weights, so that only a convolution without a barrier before it needs one
//! of its own. After a barrier, the pending reduction adds the threads' partial gradients.

mod norms;
mod pools;
mod weights;

use crate::allocation::{BufferSlice, IMAGES};
use crate::instructions::Instr;
use crate::linear;
use crate::step::{ExecutionPlan, Own};
use res2lab_kernels::pool::global;
use res2lab_kernels::{Real, Share, View, norm, pointwise};
use std::ops::Range;

/// Memory that all threads access.
pub(crate) struct Shared<T> {
    pub images: *const T,
    pub values: *const T,
    pub grads: *mut T,
    /// Whether gradients accumulate.
    pub adds: bool,
    pub running: *mut T,
    pub sums: *mut f64,
    pub partial_gradients: [*mut T; 2],
    /// Buffers for the packed weights of one convolution: one for a single thread, else two.
    pub packed: Vec<*mut T>,
}

/// The address of an arena, which several threads may access.
pub(crate) struct Arena<T>(pub *mut T);

// SAFETY: threads write to disjoint ranges of the arena, and a barrier precedes every read of a
// range that another thread wrote.
unsafe impl<T: Send> Send for Arena<T> {}

// SAFETY: threads write to disjoint ranges (their sums, their partial gradients, their share of a
// gradient), and a barrier precedes every read of a range that another thread wrote.
unsafe impl<T: Send> Sync for Shared<T> {}

/// The state of one thread during a pass.
pub(crate) struct Interpreter<'a, T> {
    pub plan: &'a ExecutionPlan<T>,
    pub shared: &'a Shared<T>,
    pub thread: usize,
    pub own: &'a mut Own<T>,
    pub arena: *mut T,
    /// The positions of maxima that each max pool stored.
    pub indices: Vec<*mut u32>,
    /// The images of the current micro-batch, within this thread's images.
    pub images: Range<usize>,
    /// This thread's share of each instruction, where all threads work on the same images.
    pub share: Share,
    /// Whether views cover only this thread's share of the channels.
    pub is_split: bool,
    /// Partial gradients computed so far in this pass; selects the buffer of the next one.
    pub partials_used: usize,
    /// The entry of the state whose partial gradients await their reduction.
    pub pending: Option<usize>,
    /// 0 in the forward pass, 1 in the backward pass.
    pub direction: usize,
    /// Convolutions whose weights have been packed in this pass.
    pub convs_packed: usize,
    /// Convolutions with packed weights that have run in this pass.
    pub convs_run: usize,
}

impl<'a, T: Real> Interpreter<'a, T> {
    /// Runs all forward instructions, segment by segment, and each segment for one micro-batch
    /// after the other.
    pub(crate) fn forward(&mut self) {
        let plan = self.plan;
        for segment in &plan.segments {
            for start in self.own.images.clone().step_by(segment.micro_batch) {
                let first = self.own.images.start;
                self.images =
                    start - first..(start + segment.micro_batch).min(self.own.images.end) - first;
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
        if self.pending.is_some() {
            self.wait();
        }
    }

    /// A view of a buffer slice. No kernel writes through a view of the input images.
    fn view(&self, slice: BufferSlice) -> View<T> {
        let whole = self.plan.program.buffers[slice.buffer];
        let start = slice.start * whole.height * whole.width;
        // A buffer of one micro-batch begins with the first image of that micro-batch.
        let before =
            self.plan.local[slice.buffer].map_or(0, |_| self.images.start * whole.elements());
        let base = match slice.buffer {
            // SAFETY: the batch contains this thread's images.
            IMAGES => unsafe {
                self.shared.images.add(self.own.images.start * whole.elements()).cast_mut()
            },
            // SAFETY: the arena contains every buffer at its offset, and a slice lies within its
            // buffer.
            buffer => unsafe { self.arena.add(self.plan.offsets[buffer]) },
        };
        let mut channels = 0..slice.shape.channels;
        if self.is_split {
            channels = self.share.within(channels);
        }
        let start = start + channels.start * whole.height * whole.width;
        View {
            // SAFETY: the channels lie within the buffer, as above.
            at: unsafe { base.add(start) }.wrapping_sub(before),
            image_stride: whole.elements(),
            channels: channels.len(),
            height: slice.shape.height,
            width: slice.shape.width,
        }
    }

    /// A range of memory that no other thread writes during the current instruction.
    fn slice(at: *const T, range: Range<usize>) -> &'a [T] {
        // SAFETY: callers pass ranges of the plan's buffers, whose lengths follow from the same
        // sizes.
        unsafe { std::slice::from_raw_parts(at.add(range.start), range.len()) }
    }

    /// A range of memory that only this thread accesses during the current instruction.
    fn slice_mut(at: *mut T, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: as in `slice`.
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

    /// The values of this thread's images in a slice with one value per channel, row by row.
    fn rows(&self, slice: BufferSlice) -> &'a mut [T] {
        let images = &self.images;
        let channels = slice.shape.channels;
        Self::slice_mut(self.view(slice).at, images.start * channels..images.end * channels)
    }

    /// Runs this thread's share of an instruction that all threads divide among them, then waits
    /// for all threads, because later instructions read the whole result.
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

    /// Runs one instruction.
    // Safety of the kernels called here: they write only this thread's images of slices that the
    // plan assigns to this instruction alone, which is what the contract at `View` demands.
    fn run(&mut self, instr: &Instr) {
        let images = self.images.clone();
        match instr {
            Instr::Conv { conv, inputs, out, epilogue: Some(epilogue), .. } => {
                self.folded_conv(*conv, inputs, *out, *epilogue)
            }
            Instr::Conv { conv, inputs, out, sums, .. } => self.conv(*conv, inputs, *out, *sums),
            Instr::Sums { norm } => {
                let x = self.view(self.plan.program.norms[*norm].x);
                let sums = self.own_sums(*norm);
                sums.fill(0.0);
                // SAFETY: see the comment at this function.
                unsafe { norm::sums(x, images, sums) };
            }
            Instr::Statistics { norms } => self.statistics(norms),
            Instr::Normalize { norm, added, relu, out } => {
                self.normalize(*norm, *added, *relu, *out)
            }
            Instr::NormSums(sums) => self.norm_sums(*sums),
            Instr::NormCoefficients { norms } => self.norm_coefficients(norms),
            Instr::ConvBack { conv, from, inputs, into, norm_sums } => {
                self.conv_back(*conv, *from, inputs, into, norm_sums)
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
            // SAFETY: see the comment at this function.
            other => unsafe { self.run_kernel(other, images) },
        }
    }

    /// Runs an instruction that is a single kernel call.
    unsafe fn run_kernel(&mut self, instr: &Instr, images: Range<usize>) {
        // SAFETY: see `run`.
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
                Instr::Pool { pool, from, to } => self.pool(*pool, *from, *to, images),
                Instr::PoolBack { pool, from, into } => self.pool_back(*pool, *from, *into, images),
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
                    let from: Vec<View<T>> = from.iter().map(|slice| self.view(*slice)).collect();
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
                Instr::Zero { slice } => {
                    let view = self.view(*slice);
                    images.for_each(|image| view.zero(image, 0..view.channels));
                }
                _ => unreachable!("{instr:?} is more than one kernel"),
            }
        }
    }
}
