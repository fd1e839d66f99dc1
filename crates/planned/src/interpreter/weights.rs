//! Layers with weights: forward, backward, and the reduction of partial gradients over threads.

use super::Interpreter;
use crate::allocation::BufferSlice;
use crate::instructions::{ConvId, EpilogueOf, GradientSource, GradientTarget, NormId, NormSums};
use crate::linear;
use res2lab_kernels::{Epilogue, InputGradient, Real, Share, View, norm};
use std::ops::Range;

impl<'a, T: Real> Interpreter<'a, T> {
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
            (inputs.iter().map(|slice| self.view(*slice)).collect(), self.view(out));
        let images = self.images.clone();
        let mut sums = norm.map(|norm| self.own_sums(norm));
        if let Some(sums) = &mut sums {
            sums.fill(0.0);
        }
        let bias = of.bias.map(|bias| self.value(bias));
        let packed = self.packed();
        let scratch = &mut self.own.scratch;
        // SAFETY: see the comment at `Interpreter::run`.
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

    /// The packed weights of the convolution that runs now.
    fn packed(&mut self) -> &'a [T] {
        if self.convs_packed == self.convs_run {
            self.pack_next();
            self.wait();
        }
        let nth = self.convs_run;
        let buffers = &self.shared.packed;
        self.convs_run += 1;
        let entry = self.plan.program.convs[self.plan.packs[self.direction][nth]].weight;
        Self::slice(buffers[nth % buffers.len()], 0..self.plan.lengths[entry])
    }

    /// Packs this thread's share of the next convolution's weights. The caller waits at a barrier
    /// afterwards.
    ///
    /// The weights are double-buffered. Overwriting a buffer is safe: the barrier after the
    /// previous pack implies that every thread has finished the convolution that last read this
    /// buffer.
    pub(super) fn pack_next(&mut self) {
        if self.convs_packed > self.convs_run {
            return;
        }
        let Some(&conv) = self.plan.packs[self.direction].get(self.convs_packed) else { return };
        let weights = self.value(self.plan.program.convs[conv].weight);
        let kernel = &self.plan.convs[conv];
        let buffer = self.shared.packed[self.convs_packed % self.shared.packed.len()];
        let share = Share { index: self.thread, of: self.plan.threads };
        // SAFETY: each thread packs its own share, and the buffer is as long as the weights of the
        // largest convolution.
        unsafe {
            match self.direction {
                0 => kernel.pack_share(weights, buffer, share),
                _ => kernel.pack_backward_share(weights, buffer, share),
            }
        }
        self.convs_packed += 1;
    }

    /// Runs a convolution of an inference, whose weights are packed and have the batch norm folded
    /// into them.
    pub(super) fn folded_conv(
        &mut self,
        conv: ConvId,
        inputs: &[BufferSlice],
        out: BufferSlice,
        epilogue: EpilogueOf,
    ) {
        let of = &self.plan.program.convs[conv];
        let kernel = &self.plan.convs[conv];
        let (inputs, out): (Vec<View<T>>, _) =
            (inputs.iter().map(|slice| self.view(*slice)).collect(), self.view(out));
        let bias = of.bias.map(|bias| self.value(bias));
        let epilogue = Epilogue {
            bias,
            residual: epilogue.residual.map(|slice| self.view(slice)),
            relu: epilogue.relu,
        };
        let packed = self.value(of.weight);
        let images = self.images.clone();
        // SAFETY: see the comment at `Interpreter::run`.
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
        norm_sums: &[Vec<NormSums>],
    ) {
        let of = &self.plan.program.convs[conv];
        let kernel = &self.plan.convs[conv];
        let packed = if into.is_empty() { &[] } else { self.packed() };
        let weights = self.partial_gradient(of.weight);
        let inputs: Vec<View<T>> = inputs.iter().map(|slice| self.view(*slice)).collect();
        let mut scratch = std::mem::take(&mut self.own.scratch);
        let masked_sums: Vec<_> = into
            .iter()
            .zip(norm_sums)
            .map(|(into, sums)| self.masked_sums(into.to, sums))
            .collect();
        let into = into.iter().zip(&masked_sums);
        let into = into.map(|(into, masked_sums)| InputGradient {
            into: self.view(into.to),
            add: into.add,
            masked_sums,
        });
        let into: Vec<InputGradient<T>> = into.collect();
        let gradient = self.gradient(from);
        let images = self.images.clone();
        // SAFETY: see the comment at `Interpreter::run`.
        unsafe {
            kernel.backward(&gradient, &inputs, packed, Some(weights), &into, images, &mut scratch)
        };
        self.own.scratch = scratch;
        self.defer_reduction(of.weight);
        if let Some(bias) = of.bias {
            let mut sums = vec![0.0; 2 * self.plan.lengths[bias]];
            // SAFETY: see the comment at `Interpreter::run`.
            unsafe { norm::sums(self.view(from.of), self.images.clone(), &mut sums) };
            let (partial, add) = self.partial_gradient(bias);
            for (partial, sum) in partial.iter_mut().zip(&sums) {
                *partial = T::from_f64(*sum) + if add { *partial } else { T::ZERO };
            }
            self.defer_reduction(bias);
        }
    }

    /// The kernel's arguments for the channels of one slice whose gradient is complete.
    fn masked_sums(
        &self,
        within: BufferSlice,
        norm_sums: &[NormSums],
    ) -> Vec<res2lab_kernels::MaskedSums<'_, T>> {
        let view = |sums_of: &NormSums| {
            let (x, mean, sums) = self.sums_over(*sums_of);
            let start = sums_of.of.start - within.start;
            res2lab_kernels::MaskedSums {
                channels: start..start + sums_of.of.shape.channels,
                relu: self
                    .view(sums_of.relu.expect("a convolution completes gradients of ReLUs only")),
                x,
                mean,
                sums: sums.map(<[f64]>::as_mut_ptr),
            }
        };
        norm_sums.iter().map(view).collect()
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
        let weights = self.partial_gradient(state);
        linear::weight_gradient(x, dy, outputs, weights);
        self.defer_reduction(state);
        let bias = self.partial_gradient(state + 1);
        linear::bias_gradient(dy, bias);
        self.defer_reduction(state + 1);
    }

    /// The buffer for this thread's partial gradient of an entry, and whether to accumulate into
    /// it. The first thread writes to the gradient itself, the other threads to buffers of their
    /// own, which they overwrite.
    ///
    /// The buffers are double-buffered, so that one can be read while the other is written. If a
    /// reduction is pending, it runs first; its barrier guarantees that no thread still reads the
    /// buffer that is about to be overwritten.
    pub(super) fn partial_gradient(&mut self, entry: usize) -> (&'a mut [T], bool) {
        if self.pending.is_some() {
            self.wait();
        }
        self.partials_used += 1;
        if self.thread == 0 {
            return (self.grad(entry), self.shared.adds);
        }
        (
            Self::slice_mut(
                self.shared.partial_gradients[self.partials_used % 2],
                self.partial_range(self.thread, entry),
            ),
            false,
        )
    }

    pub(super) fn partial_range(&self, thread: usize, entry: usize) -> Range<usize> {
        let start = (thread - 1) * self.plan.partial_length;
        start..start + self.plan.lengths[entry]
    }

    /// Defers the reduction of an entry's partial gradients to the next barrier.
    fn defer_reduction(&mut self, entry: usize) {
        self.pending = Some(entry).filter(|_| self.plan.threads > 1);
    }

    /// Waits at the barrier, then runs the pending reduction if there is one.
    pub(super) fn wait(&mut self) {
        self.plan.barrier.wait();
        if let Some(entry) = self.pending.take() {
            self.reduce_partials(entry);
        }
    }

    /// Adds the other threads' partial gradients to the gradient. Each thread does so for its share
    /// of the entry.
    fn reduce_partials(&self, entry: usize) {
        let length = self.plan.lengths[entry];
        let share = length * self.thread / self.plan.threads
            ..length * (self.thread + 1) / self.plan.threads;
        let sums = &mut self.grad_part(entry, share.clone());
        for thread in 1..self.plan.threads {
            let theirs = self.partial_range(thread, entry).start;
            let theirs = theirs + share.start..theirs + share.end;
            let theirs = Self::slice(self.shared.partial_gradients[self.partials_used % 2], theirs);
            sums.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum += *theirs);
        }
    }

    pub(super) fn grad_part(&self, entry: usize, part: Range<usize>) -> &'a mut [T] {
        let start = self.plan.entries[entry];
        Self::slice_mut(self.shared.grads, start + part.start..start + part.end)
    }
}
