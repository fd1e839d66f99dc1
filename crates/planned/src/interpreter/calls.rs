//! Calls of kernels. Kernels work on memory that threads share, so their functions are unsafe; this
//! is the only file that calls them.
//!
//! Safety: the operands of a call are slices of the instruction that runs, of this thread's images
//! or its share of the channels. The layout gives memory of its own to each slice that is live, and
//! the checked program (see `check`) has a barrier between accesses of two threads to the same
//! memory. This is what the contract at [`View`] demands.

use super::thread::Thread;
use crate::access::{GradientTarget, PackedWeights, Pass};
use crate::allocation::BufferSlice;
use crate::layout::Pooling;
use crate::tables::{ConvId, PoolId, ResizeId};
use res2lab_arch::Per;
use res2lab_kernels::norm::group::{self, GroupNorm};
use res2lab_kernels::norm::{self, Affine, Residual};
use res2lab_kernels::{Epilogue, Gradient, InputGradient, Stored, View, pointwise};
use std::ops::Range;

/// A kernel that computes one tensor from another.
type Map<T> = unsafe fn(View<T>, View<T>, Range<usize>);
/// A kernel that writes, or accumulates, one tensor from another.
type MapInto<T> = unsafe fn(View<T>, View<T>, bool, Range<usize>);
/// A kernel that writes, or accumulates, one tensor from two others.
type MapTwoInto<T> = unsafe fn(View<T>, View<T>, View<T>, bool, Range<usize>);

impl<T: Stored> Thread<'_, T> {
    /// Runs a kernel that computes `to` from `from`.
    pub(crate) fn map(&self, kernel: Map<T>, from: BufferSlice, to: BufferSlice) {
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel(self.view(from), self.view(to), self.images.clone()) }
    }

    /// Runs a kernel that computes the target of a gradient from one slice.
    pub(crate) fn map_into(&self, kernel: MapInto<T>, from: BufferSlice, into: GradientTarget) {
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel(self.view(from), self.view(into.to), into.add, self.images.clone()) }
    }

    /// Runs a kernel that computes the target of a gradient from two slices.
    pub(crate) fn map_two_into(
        &self,
        kernel: MapTwoInto<T>,
        a: BufferSlice,
        b: BufferSlice,
        into: GradientTarget,
    ) {
        let a = self.view(a);
        let b = self.view(b);
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel(a, b, self.view(into.to), into.add, self.images.clone()) }
    }

    /// Multiplies a slice by the random factors behind `before` others: one for each value, or for
    /// each channel.
    pub(crate) fn multiply_by_noise(
        &self,
        from: BufferSlice,
        (before, per): (usize, Per),
        into: GradientTarget,
    ) {
        let factors = self.noise(before, per.factors(from.shape));
        let from = self.view(from);
        let to = self.view(into.to);
        let images = self.images.clone();
        // SAFETY: see the comment at the top of this file.
        unsafe {
            match per {
                Per::Value => pointwise::multiply(from, factors, to, into.add, images),
                Per::Image | Per::Channel => {
                    pointwise::gate(from, factors, to, into.add, images);
                }
            }
        }
    }

    /// Changes the size of a map.
    pub(crate) fn resize(&self, resize: ResizeId, from: BufferSlice, to: BufferSlice) {
        let kernel = &self.layout.resizes[resize];
        let [from, to] = [from, to].map(|slice| self.view(slice));
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel.forward(from, to, self.images.clone(), self.scratch()) }
    }

    /// Computes the gradient of a map that was resized.
    pub(crate) fn resize_back(&self, resize: ResizeId, from: BufferSlice, into: GradientTarget) {
        let kernel = &self.layout.resizes[resize];
        let [from, to] = [from, into.to].map(|slice| self.view(slice));
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel.backward(from, to, into.add, self.images.clone(), self.scratch()) }
    }

    /// Normalizes this thread's share of the groups.
    pub(crate) fn group_norm(&self, of: GroupNorm<T::Real>, from: BufferSlice, to: BufferSlice) {
        let groups = self.share.within(0..of.groups);
        let [from, to] = [from, to].map(|slice| self.view(slice));
        // SAFETY: see the comment at the top of this file.
        unsafe { group::forward(of, from, to, self.images.clone(), groups) }
    }

    /// Computes the gradients of a group norm's weights, biases and input.
    pub(crate) fn group_norm_back(
        &self,
        of: GroupNorm<T::Real>,
        slices: [BufferSlice; 2],
        partials: [&mut [T::Real]; 2],
        into: GradientTarget,
    ) {
        let views = slices.map(|slice| self.view(slice));
        let target = (self.view(into.to), into.add);
        // SAFETY: see the comment at the top of this file.
        unsafe { group::backward(of, views, partials, target, self.images.clone()) }
    }

    /// Writes the sum of slices, or accumulates it.
    pub(crate) fn add(&self, from: &[BufferSlice], into: GradientTarget) {
        let to = self.view(into.to);
        // SAFETY: see the comment at the top of this file.
        unsafe { pointwise::add(&self.views(from), to, into.add, self.images.clone()) }
    }

    /// Fills a slice with zeros.
    pub(crate) fn zero(&self, slice: BufferSlice) {
        let view = self.view(slice);
        // SAFETY: see the comment at the top of this file.
        self.images.clone().for_each(|image| unsafe { view.zero(image, 0..view.channels) });
    }

    /// Packs this thread's share of a convolution's weights.
    pub(crate) fn pack(&self, of: PackedWeights, buffer: usize) {
        let weights = self.values(self.tables.convs[of.conv].weight);
        let kernel = &self.layout.convs[of.conv];
        let packed = self.shared.packed[buffer];
        // SAFETY: each thread packs its own share, and the buffer is as long as the weights of the
        // largest convolution.
        unsafe {
            match of.pass {
                Pass::Forward => kernel.pack_share::<T>(weights, packed, self.team),
                Pass::Backward => kernel.pack_backward_share::<T>(weights, packed, self.team),
            }
        }
    }

    /// Convolves inputs, or this thread's share of the result.
    pub(crate) fn convolve(
        &self,
        conv: ConvId,
        packed: &[T::Real],
        inputs: &[BufferSlice],
        out: BufferSlice,
        epilogue: Epilogue<T>,
    ) {
        let kernel = &self.layout.convs[conv];
        let inputs = self.views(inputs);
        let out = self.view(out);
        let images = self.images.clone();
        let scratch = self.scratch();
        // SAFETY: see the comment at the top of this file.
        unsafe { kernel.forward(packed, &inputs, out, epilogue, images, scratch, self.share) }
    }

    /// Computes the gradients of a convolution's weights and inputs.
    pub(crate) fn convolve_back(
        &self,
        conv: ConvId,
        gradient: &Gradient<T>,
        inputs: &[BufferSlice],
        packed: &[T::Real],
        weights: (&mut [T::Real], bool),
        into: &mut [InputGradient<T>],
    ) {
        let kernel = &self.layout.convs[conv];
        let inputs = self.views(inputs);
        let images = self.images.clone();
        let weights = Some(weights);
        // SAFETY: see the comment at the top of this file.
        unsafe {
            kernel.backward(gradient, &inputs, packed, weights, into, images, self.scratch());
        }
    }

    /// Adds each channel's sum and sum of squares to `sums`.
    pub(crate) fn add_sums(&self, x: BufferSlice, sums: &mut [f64]) {
        // SAFETY: see the comment at the top of this file.
        unsafe { norm::sums(self.view(x), self.images.clone(), sums) }
    }

    /// Normalizes `x` with a scale and a shift per channel.
    pub(crate) fn normalize(
        &self,
        x: BufferSlice,
        affine: Affine<T::Real>,
        residual: Option<Residual<T>>,
        relu: bool,
        out: BufferSlice,
    ) {
        let x = self.view(x);
        let out = self.view(out);
        // SAFETY: see the comment at the top of this file.
        unsafe { norm::normalize(x, affine, residual, relu, out, self.images.clone()) }
    }

    /// Masks a gradient that is complete, and adds its sums.
    pub(crate) fn add_masked_sums(
        &self,
        gradient: BufferSlice,
        relu: Option<BufferSlice>,
        (x, mean): (BufferSlice, &[T::Real]),
        sums: [&mut [f64]; 2],
    ) {
        let gradient = self.view(gradient);
        let relu = relu.map(|slice| self.view(slice));
        let x = self.view(x);
        // SAFETY: see the comment at the top of this file.
        unsafe { norm::backward_sums(gradient, relu, x, mean, self.images.clone(), sums) }
    }

    /// Computes the gradient of a norm's input.
    pub(crate) fn norm_back(&self, gradient: &Gradient<T>, into: GradientTarget) {
        let to = self.view(into.to);
        // SAFETY: see the comment at the top of this file.
        unsafe { norm::input_gradient(gradient, to, into.add, self.images.clone()) }
    }

    /// Runs a pool. In a training step, a max pool stores the positions of its maxima.
    pub(crate) fn pool(&self, pool: PoolId, from: BufferSlice, to: BufferSlice, stores: bool) {
        let from = self.view(from);
        let to = self.view(to);
        let images = self.images.clone();
        let scratch = self.scratch();
        // SAFETY: see the comment at the top of this file.
        unsafe {
            match &self.layout.pools[pool] {
                Pooling::Average(average) => average.forward(from, to, images, scratch),
                Pooling::Max(max) if stores => {
                    max.forward(from, to, self.positions(pool, to), images, scratch);
                }
                Pooling::Max(max) => max.infer(from, to, images, scratch),
            }
        }
    }

    /// Computes the gradient of a pool's input.
    pub(crate) fn pool_back(&self, pool: PoolId, from: BufferSlice, into: GradientTarget) {
        let from = self.view(from);
        let to = self.view(into.to);
        let images = self.images.clone();
        // SAFETY: see the comment at the top of this file.
        unsafe {
            match &self.layout.pools[pool] {
                Pooling::Average(average) => {
                    average.backward(from, to, into.add, images, self.scratch());
                }
                Pooling::Max(max) => {
                    max.backward(from, self.positions(pool, from), to, into.add, images)
                }
            }
        }
    }
}
