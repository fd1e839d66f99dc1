//! Batch norms: statistics forward and coefficients backward, each from all threads' sums.

use super::Interpreter;
use crate::allocation::BufferSlice;
use crate::instructions::{Added, GradientSource, NormId, NormSums};
use crate::norms::{Affine, ChannelSums, moments};
use res2lab_kernels::norm::{self, Residual};
use res2lab_kernels::{Gradient, NormBackward, Real, View};
use std::ops::Range;

impl<'a, T: Real> Interpreter<'a, T> {
    /// This thread's two sums for each channel of a norm: all first sums, then all second sums.
    pub(super) fn own_sums(&self, norm: NormId) -> &'a mut [f64] {
        let range = self.sums_of(norm, self.thread);
        // SAFETY: each thread has a range of its own, and no two slices of one norm's sums exist at
        // the same time.
        unsafe { std::slice::from_raw_parts_mut(self.shared.sums.add(range.start), range.len()) }
    }

    pub(super) fn sums_of(&self, norm: NormId, thread: usize) -> Range<usize> {
        let of = &self.plan.program.norms[norm];
        let start = 2 * (thread * self.plan.channels + of.first_channel);
        start..start + 2 * of.x.shape.channels
    }

    /// All threads' sums of one channel, added in the order of threads.
    pub(super) fn summed(&self, norm: NormId, channel: usize) -> ChannelSums {
        let channels = self.plan.program.norms[norm].x.shape.channels;
        let mut sums = ChannelSums { first: 0.0, second: 0.0 };
        for thread in 0..self.plan.threads {
            let start = self.sums_of(norm, thread).start + channel;
            // SAFETY: the barrier before this instruction separates the other threads' writes from
            // these reads.
            unsafe {
                sums.first += *self.shared.sums.add(start);
                sums.second += *self.shared.sums.add(start + channels);
            }
        }
        sums
    }

    pub(super) fn affine(&self, norm: NormId, channel: usize) -> Affine {
        let state = self.plan.program.norms[norm].state;
        Affine {
            weight: self.value(state)[channel].to_f64(),
            bias: self.value(state + 1)[channel].to_f64(),
        }
    }

    /// The number of values over which the statistics of one channel are taken.
    pub(super) fn count(&self, norm: NormId) -> f64 {
        let shape = self.plan.program.norms[norm].x.shape;
        (self.plan.batch * shape.height * shape.width) as f64
    }

    pub(super) fn statistics(&mut self, norms: &[NormId]) {
        self.pack_next();
        self.wait();
        for &norm in norms {
            let of = &self.plan.program.norms[norm];
            let n = self.count(norm);
            for channel in 0..of.x.shape.channels {
                let (mean, var) = moments(self.summed(norm, channel), n);
                let affine = self.affine(norm, channel);
                self.own.constants.set_statistics(
                    of.first_channel + channel,
                    mean,
                    var,
                    of.eps,
                    affine,
                );
                if self.thread == 0 {
                    self.move_running(of.state + 2, channel, of.momentum, mean);
                    self.move_running(
                        of.state + 3,
                        channel,
                        of.momentum,
                        var * n / (n - 1.0).max(1.0),
                    );
                }
            }
        }
    }

    pub(super) fn move_running(&self, entry: usize, channel: usize, momentum: f64, towards: f64) {
        let running = &mut Self::slice_mut(self.shared.running, self.entry(entry))[channel];
        *running = T::from_f64((1.0 - momentum) * running.to_f64() + momentum * towards);
    }

    pub(super) fn channels(&self, norm: NormId) -> Range<usize> {
        let of = &self.plan.program.norms[norm];
        of.first_channel..of.first_channel + of.x.shape.channels
    }

    pub(super) fn normalize(
        &mut self,
        norm: NormId,
        added: Option<Added>,
        relu: bool,
        out: BufferSlice,
    ) {
        let constants = &self.own.constants;
        let range = self.channels(norm);
        let x = self.view(self.plan.program.norms[norm].x);
        let residual = added.map(|added| match added {
            Added::Value(slice) => Residual { view: self.view(slice), affine: None },
            Added::Norm(other) => {
                let range = self.channels(other);
                let affine = Some((&constants.scale[range.clone()], &constants.shift[range]));
                Residual { view: self.view(self.plan.program.norms[other].x), affine }
            }
        });
        let scale = &constants.scale[range.clone()];
        let shift = &constants.shift[range];
        // SAFETY: see the comment at `Interpreter::run`.
        unsafe {
            norm::normalize(x, scale, shift, residual, relu, self.view(out), self.images.clone())
        };
    }

    pub(super) fn gradient(&self, from: GradientSource) -> Gradient<'_, T> {
        let constants = &self.own.constants;
        let norm = from.norm.map(|norm| {
            let range = self.channels(norm);
            NormBackward {
                x: self.view(self.plan.program.norms[norm].x),
                dy_coefficient: &constants.dy_coefficient[range.clone()],
                x_coefficient: &constants.x_coefficient[range.clone()],
                constant: &constants.constant[range],
            }
        });
        Gradient { of: self.view(from.of), norm }
    }

    /// Zeroes this thread's sums before a backward pass, in which several instructions may add to
    /// the sums of one norm.
    pub(super) fn zero_sums(&mut self) {
        let channels = self.plan.channels;
        // SAFETY: this range of all sums belongs to this thread.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.shared.sums.add(2 * channels * self.thread),
                2 * channels,
            )
        }
        .fill(0.0);
    }

    /// The input, mean and sums of a norm, restricted to some of its channels.
    pub(super) fn sums_over(&self, of_norm: NormSums) -> (View<T>, &[T], [&'a mut [f64]; 2]) {
        let shape = of_norm.of.shape;
        let of = &self.plan.program.norms[of_norm.norm];
        let own = of_norm.first..of_norm.first + shape.channels;
        let (first, second) = self.own_sums(of_norm.norm).split_at_mut(of.x.shape.channels);
        let mean = &self.own.constants.mean[self.channels(of_norm.norm)][own.clone()];
        (
            self.view(of.x.channels(of_norm.first, shape)),
            mean,
            [&mut first[own.clone()], &mut second[own]],
        )
    }

    pub(super) fn norm_sums(&mut self, of_norm: NormSums) {
        let (x, mean, sums) = self.sums_over(of_norm);
        let of = self.view(of_norm.of);
        let relu = of_norm.relu.map(|slice| self.view(slice));
        // SAFETY: see the comment at `Interpreter::run`.
        unsafe { norm::backward_sums(of, relu, x, mean, self.images.clone(), sums) };
    }

    pub(super) fn norm_coefficients(&mut self, norms: &[NormId]) {
        self.pack_next();
        self.wait();
        for &norm in norms {
            let of = &self.plan.program.norms[norm];
            let n = self.count(norm);
            for channel in 0..of.x.shape.channels {
                let sums = self.summed(norm, channel);
                let affine = self.affine(norm, channel);
                let gradient = self.own.constants.set_backward_coefficients(
                    of.first_channel + channel,
                    sums,
                    n,
                    affine,
                );
                if self.thread == 0 {
                    for (entry, gradient) in
                        [(of.state, gradient.weight), (of.state + 1, gradient.bias)]
                    {
                        let kept = &mut self.grad(entry)[channel];
                        let before = if self.shared.adds { kept.to_f64() } else { 0.0 };
                        *kept = T::from_f64(before + gradient);
                    }
                }
            }
        }
    }
}
