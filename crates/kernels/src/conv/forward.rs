//! The convolution itself, and the walk over tiles that the input's gradient shares.

use super::{ConvPlan, blocks, tiles_at_once};
use crate::matmul::{COLUMNS, tile};
use crate::norm::add_sums;
use crate::real::{Real, wide};
use crate::view::View;
use std::ops::Range;

/// What is done to the result as it is written: relu(conv + bias + residual).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Epilogue<'a, T> {
    /// One value per output channel.
    pub bias: Option<&'a [T]>,
    pub residual: Option<View<T>>,
    pub relu: bool,
}

impl<T> Epilogue<'_, T> {
    /// The bare convolution.
    pub const NONE: Self = Epilogue { bias: None, residual: None, relu: false };
}

/// A product over all columns: `rows` of packed weights by columns that lie at `from + offsets`.
pub(super) struct Product<'a, T> {
    pub rows: usize,
    pub packed: &'a [T],
    pub from: *const T,
    /// One per product of a value.
    pub offsets: &'a [usize],
    /// Columns, from `from` on.
    pub columns: usize,
    /// Elements that may be read beyond the last column: whole tiles are read where there are enough.
    pub slack: usize,
}

impl<T: Real> Product<'_, T> {
    /// Calls `write` with each piece of the result: first column, columns, and rows of them `stride` apart.
    ///
    /// # Safety
    /// `from` must hold all columns at all offsets, and the slack beyond.
    pub(super) unsafe fn run(&self, panel: &mut [T], out: &mut [T], mut write: impl FnMut(usize, usize, &[T], usize)) {
        let depth = self.offsets.len();
        let at_once = tiles_at_once(depth);
        let stride = at_once * COLUMNS;
        for start in (0..self.columns).step_by(stride) {
            let columns = (self.columns - start).min(stride);
            let tiles = columns.div_ceil(COLUMNS);
            for i in 0..tiles {
                let first = start + i * COLUMNS;
                let readable = (self.columns + self.slack - first).min(COLUMNS);
                let panel = &mut panel[i * depth * COLUMNS..][..depth * COLUMNS];
                // SAFETY: so many are readable at each offset.
                unsafe { gather(self.from.add(first), self.offsets, readable, panel) };
            }
            let mut packed = self.packed;
            for rows in blocks(self.rows) {
                for i in 0..tiles {
                    let b = panel[i * depth * COLUMNS..].as_ptr();
                    let to = out[rows.start * stride + i * COLUMNS..].as_mut_ptr();
                    // SAFETY: panel, packed weights and temporary were sized for whole tiles.
                    unsafe { tile(depth, rows.len(), packed.as_ptr(), b, to, stride, false) };
                }
                packed = &packed[rows.len() * depth..];
            }
            write(start, columns, out, stride);
        }
    }
}

/// Sixteen columns at each offset, one behind the other; what is not readable is zero.
unsafe fn gather<T: Real>(from: *const T, offsets: &[usize], readable: usize, panel: &mut [T]) {
    wide(|| {
        for (offset, to) in offsets.iter().zip(panel.chunks_exact_mut(COLUMNS)) {
            // SAFETY: the caller's promise.
            let from = unsafe { std::slice::from_raw_parts(from.add(*offset), readable) };
            if readable == COLUMNS {
                to.copy_from_slice(from);
            } else {
                to[..readable].copy_from_slice(from);
                to[readable..].fill(T::ZERO);
            }
        }
    });
}

impl ConvPlan {
    /// Where each product's column lies, relative to a group's first channel.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let (kernel, stride) = (self.shape.kernel, self.shape.stride);
        let plane = self.plane();
        let tap = |y: usize, x: usize| {
            ((y % stride) * self.phases + x % stride) * plane + (y / stride) * self.pitch + x / stride
        };
        let channel = |c: usize| {
            (0..kernel * kernel).map(move |i| c * self.phases * self.phases * plane + tap(i / kernel, i % kernel))
        };
        (0..self.group_channels()).flat_map(channel).collect()
    }

    /// Columns from the first value of the joined images to the last.
    pub(super) fn columns(&self, count: usize) -> usize {
        ((count - 1) * self.rows + self.out_height - 1) * self.pitch + self.out_width
    }

    /// The convolution of the sum of `inputs` (one or two) with packed weights, for these images. `sums` (2 * out) gets
    /// each output channel's sum and, behind all of those, its sum of squares added.
    ///
    /// # Safety
    /// Views must have the plan's shapes and hold these images; nobody else may use the output's images meanwhile.
    #[allow(clippy::too_many_arguments, reason = "each is one thing, and a struct of them would be made for one call")]
    pub unsafe fn forward<T: Real>(
        &self,
        packed: &[T],
        inputs: &[View<T>],
        out: View<T>,
        images: Range<usize>,
        scratch: &mut [T],
        epilogue: Epilogue<T>,
        mut sums: Option<&mut [f64]>,
    ) {
        let offsets = self.offsets();
        let (input, scratch) = scratch.split_at_mut(self.input_len());
        let (panel, temporary) = scratch.split_at_mut(self.panel_len(self.depth()));
        let is_direct = self.is_direct() && inputs.len() == 1;
        let group_len = self.depth() * self.group_out();
        for first in images.clone().step_by(self.join) {
            let count = self.join.min(images.end - first);
            if !is_direct {
                // SAFETY: the caller's promise.
                unsafe { self.fill_input(inputs, first, count, input) };
            }
            for group in 0..self.shape.groups {
                let channel = group * self.group_channels();
                // SAFETY: the caller's promise; scratch holds all phase planes.
                let from = unsafe {
                    match is_direct {
                        true => inputs[0].channel(first, channel).cast_const(),
                        false => input.as_ptr().add(channel * self.phases * self.phases * self.plane()),
                    }
                };
                let product = Product {
                    rows: self.group_out(),
                    packed: &packed[group * group_len..][..group_len],
                    from,
                    offsets: &offsets,
                    columns: self.columns(count),
                    slack: if is_direct { 0 } else { COLUMNS },
                };
                let to = |start, columns, rows: &[T], stride| {
                    // SAFETY: the caller's promise.
                    unsafe { self.write(out, first, group * self.group_out(), (start, columns), rows, stride, epilogue) };
                };
                // SAFETY: input planes and scratch were sized for it.
                unsafe { product.run(panel, temporary, to) };
            }
            if let Some(sums) = &mut sums {
                // SAFETY: the caller's promise.
                unsafe { add_sums(out, first..first + count, sums) };
            }
        }
    }

    /// Columns of a product to their places: those between rows are dropped.
    #[allow(clippy::too_many_arguments, reason = "as for `forward`")]
    unsafe fn write<T: Real>(
        &self,
        out: View<T>,
        first: usize,
        channel: usize,
        (start, columns): (usize, usize),
        rows: &[T],
        stride: usize,
        epilogue: Epilogue<T>,
    ) {
        for (row, from) in rows.chunks_exact(stride).take(self.group_out()).enumerate() {
            let channel = channel + row;
            let bias = epilogue.bias.map(|bias| bias[channel]);
            self.segments(start, columns, |image, at, from_column, length| {
                let from = &from[from_column..from_column + length];
                // SAFETY: the caller's promise.
                let to = unsafe { &mut out.write(first + image, channel)[at..at + length] };
                wide(|| {
                    match bias {
                        None => to.copy_from_slice(from),
                        Some(bias) => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from + bias),
                    }
                    if let Some(residual) = epilogue.residual {
                        // SAFETY: the caller's promise.
                        let residual = unsafe { &residual.read(first + image, channel)[at..at + length] };
                        to.iter_mut().zip(residual).for_each(|(to, r)| *to = *to + *r);
                    }
                    if epilogue.relu {
                        to.iter_mut().for_each(|to| *to = if *to < T::ZERO { T::ZERO } else { *to });
                    }
                });
            });
        }
    }

    /// The pieces of columns that are values: image, first value within its plane, first column, length.
    pub(super) fn segments(&self, start: usize, columns: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let end = start + columns;
        if self.reach == 0 {
            // Rows follow each other without gaps, and so do joined images.
            let plane = self.out_height * self.out_width;
            let mut at = start;
            while at < end {
                let until = (at / plane + 1) * plane;
                let length = until.min(end) - at;
                visit(at / plane, at % plane, at - start, length);
                at += length;
            }
            return;
        }
        for row in start / self.pitch..end.div_ceil(self.pitch) {
            let (image, q) = (row / self.rows, row % self.rows);
            let from = (row * self.pitch).max(start);
            let until = (row * self.pitch + self.out_width).min(end);
            if q < self.out_height && from < until {
                visit(image, q * self.out_width + from - row * self.pitch, from - start, until - from);
            }
        }
    }
}
