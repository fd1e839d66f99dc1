//! Average and max pools, forward and backward.

use super::Interpreter;
use crate::allocation::BufferSlice;
use crate::instructions::{GradientTarget, PoolId};
use crate::step::Pooling;
use res2lab_kernels::{Real, View};
use std::ops::Range;

impl<T: Real> Interpreter<'_, T> {
    pub(super) unsafe fn pool(
        &mut self,
        pool: PoolId,
        from: BufferSlice,
        to: BufferSlice,
        images: Range<usize>,
    ) {
        let from = self.view(from);
        let to = self.view(to);
        // SAFETY: see the comment at `Interpreter::run`.
        unsafe {
            match &self.plan.pools[pool] {
                Pooling::Average(average) => {
                    average.forward(from, to, images, &mut self.own.scratch)
                }
                Pooling::Max(max) if self.plan.program.is_inference() => {
                    max.infer(from, to, images, &mut self.own.scratch);
                }
                Pooling::Max(max) => {
                    let indices = self.indices(pool, to);
                    max.forward(from, to, indices, images, &mut self.own.scratch);
                }
            }
        }
    }

    pub(super) unsafe fn pool_back(
        &mut self,
        pool: PoolId,
        from: BufferSlice,
        into: GradientTarget,
        images: Range<usize>,
    ) {
        let from = self.view(from);
        let to = self.view(into.to);
        // SAFETY: see the comment at `Interpreter::run`.
        unsafe {
            match &self.plan.pools[pool] {
                Pooling::Average(average) => {
                    average.backward(from, to, into.add, images, &mut self.own.scratch);
                }
                Pooling::Max(max) => {
                    max.backward(from, self.indices(pool, from), to, into.add, images)
                }
            }
        }
    }

    /// The stored positions of a max pool's maxima, one for each value of its result.
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
