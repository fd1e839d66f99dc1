//! The gradients of a convolution's input and weights.

use super::forward::Product;
use super::{ConvPlan, PhaseTaps};
use crate::matmul::{COLUMNS, DOT_COLUMNS, DOT_ROWS, dots};
use crate::real::{Real, wide};
use crate::view::View;
use std::ops::Range;

/// How the gradient of the convolution's result follows from that of what comes after it, worked out image by image as it is
/// read, so that it never lies in memory as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a, T> {
    /// Gradient of what comes after.
    pub of: View<T>,
    /// The ReLU's result, if there is one: where it is not above zero, nothing flows.
    pub relu: Option<View<T>>,
    /// The batch norm between, if there is one.
    pub norm: Option<NormBackward<'a, T>>,
}

/// Batch norm's input gradient: a * g + b * x + c, one a, b, c per channel.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct NormBackward<'a, T> {
    pub x: View<T>,
    pub a: &'a [T],
    pub b: &'a [T],
    pub c: &'a [T],
}

/// Columns of a dot product at a time: rows of both sides then stay in the cache.
const CHUNK: usize = 512;

impl ConvPlan {
    /// The gradients of these images: added to `weights` (as weights lie), and written or added to each place of `into`, all
    /// of which get the same. `packed` comes from [`ConvPlan::pack_backward`] and is read only if there is such a place.
    ///
    /// # Safety
    /// Views must have the plan's shapes and hold these images; nobody else may use the places' images meanwhile.
    #[allow(clippy::too_many_arguments, reason = "as for `forward`")]
    pub unsafe fn backward<T: Real>(
        &self,
        gradient: &Gradient<T>,
        inputs: &[View<T>],
        packed: &[T],
        mut weights: Option<&mut [T]>,
        into: &[(View<T>, bool)],
        images: Range<usize>,
        scratch: &mut [T],
    ) {
        let offsets = self.offsets();
        let (input, scratch) = scratch.split_at_mut(self.input_len());
        let (planes, scratch) = scratch.split_at_mut(self.shape.out * self.gradient_plane());
        let is_direct = self.is_direct() && inputs.len() == 1;
        for first in images.clone().step_by(self.join) {
            let count = self.join.min(images.end - first);
            // SAFETY: the caller's promise.
            unsafe {
                self.fill_gradient(gradient, first, count, planes);
                if let Some(weights) = &mut weights {
                    if !is_direct {
                        self.fill_input(inputs, first, count, input);
                    }
                    let from = if is_direct { inputs[0].channel(first, 0).cast_const() } else { input.as_ptr() };
                    self.weight_gradient(planes, from, &offsets, count, weights);
                }
                if !into.is_empty() {
                    self.input_gradient(planes, packed, into, first, count, scratch);
                }
            }
        }
    }

    /// Adds the products of result gradients and inputs.
    unsafe fn weight_gradient<T: Real>(
        &self,
        planes: &[T],
        input: *const T,
        offsets: &[usize],
        count: usize,
        weights: &mut [T],
    ) {
        let (depth, out) = (self.depth(), self.group_out());
        let channel = self.phases * self.phases * self.plane();
        let columns = self.columns(count);
        let lead = self.lead();
        for group in 0..self.shape.groups {
            // SAFETY: the caller's promise.
            let from = unsafe { input.add(group * self.group_channels() * channel) };
            for start in (0..columns).step_by(CHUNK) {
                let n = CHUNK.min(columns - start);
                for k in (0..depth).step_by(DOT_COLUMNS) {
                    // Past the end a column is taken twice and its products are dropped.
                    // SAFETY: offsets lie within the input's planes.
                    let x = std::array::from_fn(|i| unsafe { from.add(offsets[(k + i).min(depth - 1)] + start) });
                    for row in (0..out).step_by(DOT_ROWS) {
                        let g = std::array::from_fn(|i| {
                            let channel = group * out + (row + i).min(out - 1);
                            planes[channel * self.gradient_plane() + lead + start..].as_ptr()
                        });
                        let mut sums = [[T::ZERO; DOT_COLUMNS]; DOT_ROWS];
                        // SAFETY: so many columns lie in each row.
                        unsafe { dots(n, g, x, &mut sums) };
                        for (i, sums) in sums.iter().enumerate().take(out - row) {
                            let to = &mut weights[(group * out + row + i) * depth + k..][..DOT_COLUMNS.min(depth - k)];
                            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = *to + *sum);
                        }
                    }
                }
            }
        }
    }

    unsafe fn input_gradient<T: Real>(
        &self,
        planes: &[T],
        packed: &[T],
        into: &[(View<T>, bool)],
        first: usize,
        count: usize,
        scratch: &mut [T],
    ) {
        let covers = self.covers();
        let group_len = self.depth() * self.group_out();
        if !covers {
            for (to, _) in into.iter().filter(|(_, add)| !add) {
                for (image, channel) in to.planes(first..first + count) {
                    // SAFETY: the caller's promise.
                    unsafe { to.write(image, channel).fill(T::ZERO) };
                }
            }
        }
        for group in 0..self.shape.groups {
            for phase in self.backward.iter().filter(|phase| !phase.taps.is_empty()) {
                let offsets = self.gradient_offsets(phase);
                let (panel, temporary) = scratch.split_at_mut(self.panel_len(offsets.len()));
                let product = Product {
                    rows: self.group_channels(),
                    packed: &packed[group * group_len + phase.start..],
                    from: planes[group * self.group_out() * self.gradient_plane()..].as_ptr(),
                    offsets: &offsets,
                    columns: count * self.rows * self.pitch,
                    slack: COLUMNS,
                };
                let channel = group * self.group_channels();
                let write = |start, columns, rows: &[T], stride| {
                    // SAFETY: the caller's promise.
                    unsafe { self.scatter(into, covers, (first, channel), phase, (start, columns), rows, stride) };
                };
                // SAFETY: gradient planes have zeros enough on both sides.
                unsafe { product.run(panel, temporary, write) };
            }
        }
    }

    /// Where each product's column lies, relative to a group's first gradient plane: up and left by the tap.
    fn gradient_offsets(&self, phase: &PhaseTaps) -> Vec<usize> {
        let (stride, plane) = (self.shape.stride, self.gradient_plane());
        let tap = |&(y, x): &(usize, usize)| self.lead() - (y / stride) * self.pitch - x / stride;
        (0..self.group_out()).flat_map(|out| phase.taps.iter().map(move |t| out * plane + tap(t))).collect()
    }

    /// Whether every pixel of the input lies under some window, so that all of its gradient is written.
    fn covers(&self) -> bool {
        let (stride, padding) = (self.shape.stride, self.shape.padding);
        let last = |size: usize| (size - 1 + padding) / stride;
        self.phases == stride && last(self.shape.height) < self.rows && last(self.shape.width) < self.pitch
    }

    /// Columns of one phase to the pixels they belong to.
    #[allow(clippy::too_many_arguments, reason = "as for `forward`")]
    unsafe fn scatter<T: Real>(
        &self,
        into: &[(View<T>, bool)],
        covers: bool,
        (first, channel): (usize, usize),
        phase: &PhaseTaps,
        (start, columns): (usize, usize),
        rows: &[T],
        stride: usize,
    ) {
        let (step, padding) = (self.shape.stride, self.shape.padding);
        let (height, width) = (self.shape.height, self.shape.width);
        let end = start + columns;
        // Columns of a row whose pixel lies within the image.
        let from = padding.saturating_sub(phase.column).div_ceil(step);
        let until = (width + padding).saturating_sub(phase.column).div_ceil(step).min(self.pitch);
        for line in start / self.pitch..end.div_ceil(self.pitch) {
            let (image, q) = (line / self.rows, line % self.rows);
            let y = (step * q + phase.row).wrapping_sub(padding);
            let base = line * self.pitch;
            let (low, high) = ((base + from).max(start), (base + until).min(end));
            if y >= height || low >= high {
                continue;
            }
            let at = y * width + step * (low - base) + phase.column - padding;
            for (row, from) in rows.chunks_exact(stride).take(self.group_channels()).enumerate() {
                let from = &from[low - start..high - start];
                for (to, add) in into {
                    // SAFETY: the caller's promise.
                    let to = unsafe { &mut to.write(first + image, channel + row)[at..] };
                    put(from, to, step, *add || !covers);
                }
            }
        }
    }
}

fn put<T: Real>(from: &[T], to: &mut [T], step: usize, add: bool) {
    wide(|| match (step, add) {
        (1, false) => to[..from.len()].copy_from_slice(from),
        (1, true) => to.iter_mut().zip(from).for_each(|(to, from)| *to = *to + *from),
        (_, false) => to.iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to = *from),
        (_, true) => to.iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to = *to + *from),
    });
}
