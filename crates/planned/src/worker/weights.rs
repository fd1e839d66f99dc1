//! Layers with weights: forward, backward, and their gradients' sums over threads.

use super::Worker;
use crate::allocation::BufferSlice;
use crate::linear;
use crate::program::{ConvId, EpilogueOf, GradientSource, GradientTarget, Last, NormId};
use res2lab_kernels::{Epilogue, InputGradient, Real, Share, View, norm};
use std::ops::Range;

impl<'a, T: Real> Worker<'a, T> {
    pub(super) fn conv(
        &mut self,
        conv: ConvId,
        inputs: &[BufferSlice],
        out: BufferSlice,
        norm: Option<NormId>,
    ) {
        let of = &self.plan.program.convs[conv];
        let kernel = &self.plan.convs[conv];
        let (inputs, out): (Vec<View<T>>, _) =
            (inputs.iter().map(|place| self.view(*place)).collect(), self.view(out));
        let images = self.images.clone();
        let mut sums = norm.map(|norm| self.own_sums(norm));
        if let Some(sums) = &mut sums {
            sums.fill(0.0);
        }
        let bias = of.bias.map(|bias| self.value(bias));
        let packed = self.packed();
        let scratch = &mut self.own.scratch;
        // SAFETY: as in `run`.
        unsafe {
            match bias {
                None => kernel.forward(packed, &inputs, out, images, scratch, sums),
                Some(_) => {
                    let epilogue = Epilogue { bias, residual: None, relu: false };
                    kernel.infer(
                        packed,
                        &inputs,
                        out,
                        &epilogue,
                        images.clone(),
                        scratch,
                        Share::WHOLE,
                    );
                    if let Some(sums) = sums {
                        norm::sums(out, images, sums);
                    }
                }
            }
        }
    }

    /// The weights that all threads have packed for the next convolution, which is this one.
    fn packed(&mut self) -> &'a [T] {
        if self.packed == self.used {
            self.pack_ahead();
            self.meet();
        }
        let nth = self.used;
        let buffers = &self.shared.packed;
        self.used += 1;
        let entry = self.plan.program.convs[self.plan.packs[self.direction][nth]].weight;
        Self::slice(buffers[nth % buffers.len()], 0..self.plan.lengths[entry])
    }

    /// Before a meeting: packs this thread's part of the next convolution's weights.
    ///
    /// Two buffers take turns. Whoever packs has met the others after they packed for the
    /// convolution before, which they did when they were done with the one that used this buffer.
    pub(super) fn pack_ahead(&mut self) {
        if self.packed > self.used {
            return;
        }
        let Some(&conv) = self.plan.packs[self.direction].get(self.packed) else { return };
        let weights = self.value(self.plan.program.convs[conv].weight);
        let kernel = &self.plan.convs[conv];
        let buffer = self.shared.packed[self.packed % self.shared.packed.len()];
        let share = Share { index: self.thread, of: self.plan.threads };
        // SAFETY: each thread packs its part, and the buffer holds the largest convolution's.
        unsafe {
            match self.direction {
                0 => kernel.pack_share(weights, buffer, share),
                _ => kernel.pack_backward_share(weights, buffer, share),
            }
        }
        self.packed += 1;
    }

    /// A convolution whose weights lie packed, with a batch norm in them.
    pub(super) fn folded_conv(
        &mut self,
        conv: ConvId,
        inputs: &[BufferSlice],
        out: BufferSlice,
        then: EpilogueOf,
    ) {
        let of = &self.plan.program.convs[conv];
        let kernel = &self.plan.convs[conv];
        let (inputs, out): (Vec<View<T>>, _) =
            (inputs.iter().map(|place| self.view(*place)).collect(), self.view(out));
        let bias = of.bias.map(|bias| self.value(bias));
        let epilogue = Epilogue {
            bias,
            residual: then.residual.map(|place| self.view(place)),
            relu: then.relu,
        };
        let packed = self.value(of.weight);
        let images = self.images.clone();
        // SAFETY: as in `run`.
        unsafe {
            kernel.infer(packed, &inputs, out, &epilogue, images, &mut self.own.scratch, self.share)
        }
    }

    pub(super) fn conv_back(
        &mut self,
        conv: ConvId,
        from: GradientSource,
        inputs: &[BufferSlice],
        into: &[GradientTarget],
        last: &[Vec<Last>],
    ) {
        let of = &self.plan.program.convs[conv];
        let kernel = &self.plan.convs[conv];
        let packed = if into.is_empty() { &[] } else { self.packed() };
        let weights = self.partial(of.weight);
        let inputs: Vec<View<T>> = inputs.iter().map(|place| self.view(*place)).collect();
        let mut scratch = std::mem::take(&mut self.own.scratch);
        let last: Vec<_> =
            into.iter().zip(last).map(|(into, last)| self.last(into.to, last)).collect();
        let into = into.iter().zip(&last);
        let into = into.map(|(into, last)| InputGradient {
            into: self.view(into.to),
            add: into.add,
            last,
        });
        let into: Vec<InputGradient<T>> = into.collect();
        let gradient = self.gradient(from);
        let images = self.images.clone();
        // SAFETY: as in `run`.
        unsafe {
            kernel.backward(&gradient, &inputs, packed, Some(weights), &into, images, &mut scratch)
        };
        self.own.scratch = scratch;
        self.leave_partials(of.weight);
        if let Some(bias) = of.bias {
            let mut sums = vec![0.0; 2 * self.plan.lengths[bias]];
            // SAFETY: as in `run`.
            unsafe { norm::sums(self.view(from.of), self.images.clone(), &mut sums) };
            let (partial, add) = self.partial(bias);
            for (partial, sum) in partial.iter_mut().zip(&sums) {
                *partial = T::from_f64(*sum) + if add { *partial } else { T::ZERO };
            }
            self.leave_partials(bias);
        }
    }

    /// What is done with channels of one place that are complete.
    fn last(&self, within: BufferSlice, last: &[Last]) -> Vec<res2lab_kernels::Last<'_, T>> {
        let view = |last: &Last| {
            let (x, mean, sums) = self.sums_over(*last);
            let start = last.of.start - within.start;
            res2lab_kernels::Last {
                channels: start..start + last.of.shape.channels,
                relu: self
                    .view(last.relu.expect("without a ReLU they are not left to a convolution")),
                x,
                mean,
                sums: sums.map(<[f64]>::as_mut_ptr),
            }
        };
        last.iter().map(view).collect()
    }

    pub(super) fn linear_back(
        &mut self,
        state: usize,
        from: BufferSlice,
        input: BufferSlice,
        into: GradientTarget,
    ) {
        let outputs = from.shape.channels;
        let x = self.rows(input);
        let dy = self.rows(from);
        linear::input_gradient(dy, self.value(state), outputs, self.rows(into.to), into.add);
        let weights = self.partial(state);
        linear::weight_gradient(x, dy, outputs, weights);
        self.leave_partials(state);
        let bias = self.partial(state + 1);
        linear::bias_gradient(dy, bias);
        self.leave_partials(state + 1);
    }

    /// Where this thread's part of an entry's gradient goes, and whether it is added to what is
    /// there: the first one's to the gradient itself, the others' to memory that held something
    /// else.
    ///
    /// Two pieces of memory take turns, so that one can be read while the other is written.
    /// Whatever was left before is added first; then, at the meeting for that, all have long read
    /// what this piece held.
    pub(super) fn partial(&mut self, entry: usize) -> (&'a mut [T], bool) {
        if self.left.is_some() {
            self.meet();
        }
        self.turn += 1;
        if self.thread == 0 {
            return (self.grad(entry), self.shared.adds);
        }
        (Self::slice_mut(self.shared.partials[self.turn % 2], self.part(self.thread, entry)), false)
    }

    pub(super) fn part(&self, thread: usize, entry: usize) -> Range<usize> {
        let start = (thread - 1) * self.plan.partial_length;
        start..start + self.plan.lengths[entry]
    }

    /// Threads' parts of an entry's gradient are added where all meet next, for whatever reason.
    fn leave_partials(&mut self, entry: usize) {
        self.left = Some(entry).filter(|_| self.plan.threads > 1);
    }

    /// Waits for all threads, and adds the parts that they left behind.
    pub(super) fn meet(&mut self) {
        self.plan.barrier.wait();
        if let Some(entry) = self.left.take() {
            self.add_partials(entry);
        }
    }

    /// Adds the other threads' parts to the gradient, each thread for its share of the entry.
    fn add_partials(&self, entry: usize) {
        let length = self.plan.lengths[entry];
        let share = length * self.thread / self.plan.threads
            ..length * (self.thread + 1) / self.plan.threads;
        let sums = &mut self.grad_part(entry, share.clone());
        for thread in 1..self.plan.threads {
            let theirs = self.part(thread, entry).start;
            let theirs = theirs + share.start..theirs + share.end;
            let theirs = Self::slice(self.shared.partials[self.turn % 2], theirs);
            sums.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum += *theirs);
        }
    }

    pub(super) fn grad_part(&self, entry: usize, part: Range<usize>) -> &'a mut [T] {
        let start = self.plan.entries[entry];
        Self::slice_mut(self.shared.grads, start + part.start..start + part.end)
    }
}
