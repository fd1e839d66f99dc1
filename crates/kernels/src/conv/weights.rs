//! The gradient of a convolution's weights for one strip: products of rows of the output's gradient
//! and of the input, along positions.

use super::kernel::ConvKernel;
use super::rows::Runs;
use super::tile::{Dot, Outer, Transpose, VECTORS, next_width, widest, widest_dot};
use crate::dispatch::Real;

/// The elements of the gradient that consecutive tiles should find in the first-level cache.
const FIRST_LEVEL: usize = 4 * 1024;
/// The elements of the input that should stay in the second-level cache.
const SECOND_LEVEL: usize = 64 * 1024;
/// The most positions that are transposed at a time.
const TRANSPOSED: usize = 320;
/// The most channels that are transposed at a time: those of a tile of the longest vectors.
const CHANNELS: usize = 16 * VECTORS;

/// The two factors: a strip's gradients and inputs, in panels or in place.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a, T> {
    pub gradients: *const T,
    pub inputs: *const T,
    /// The offset at which each column of the weights reads the inputs.
    pub offsets: &'a [u32],
    pub runs: Runs,
}

impl ConvKernel {
    /// Whether outer products are faster than dot products. Outer products keep the sums of a tile
    /// in registers over all positions, where dot products add the lanes of a vector every few
    /// hundred positions. They need the input transposed, which pays if many rows read it and few
    /// lanes stay empty. They are limited to 1x1 convolutions, since with several taps the sums of
    /// a tile are not contiguous in the weights.
    pub(super) fn is_outer(&self) -> bool {
        let shape = &self.shape;
        let waste = shape.group_channels().next_multiple_of(8) - shape.group_channels();
        shape.kernel == 1 && shape.group_out() >= 64 && 16 * waste <= shape.group_channels()
    }

    /// Elements of scratch memory for the transposed input.
    pub(super) fn transposed_len(&self) -> usize {
        if self.is_outer() { TRANSPOSED * CHANNELS } else { 0 }
    }

    /// Writes, or accumulates, a strip's gradient of one group's weights by outer products. The
    /// channels of the inputs must be equally far apart.
    pub(super) unsafe fn outer_products<T: Real>(
        &self,
        Sides { gradients, inputs, offsets, runs }: Sides<T>,
        (weights, add): (&mut [T], bool),
        transposed: *mut T,
    ) {
        let product = &self.product;
        let kernels = T::real_kernels();
        let channels = self.shape.group_channels();
        let plane = offsets.get(1).map_or(0, |&offset| offset as usize);
        let all = channels.div_ceil(kernels.lanes);
        let lanes = kernels.lanes;
        let widest = widest(super::tile::ROWS, kernels.registers);
        let parts = runs.len.div_ceil(TRANSPOSED);
        let part = runs.len.div_ceil(parts);
        for (run, first) in (0..runs.count)
            .flat_map(|run| (0..runs.len).step_by(part).map(move |first| (run, first)))
        {
            let at = run * runs.span + first;
            let len = part.min(runs.len - first);
            let mut done = 0;
            while done < all {
                let width = next_width(all - done, widest);
                let channel = done * lanes;
                let columns = (width * lanes).min(channels - channel);
                // SAFETY: channels, rows and positions lie within those of the group, which the
                // caller guarantees.
                unsafe {
                    (kernels.transpose)(&Transpose {
                        panel: inputs.add(channel * plane + at),
                        plane,
                        channels: columns,
                        len,
                        into: transposed,
                        width: width * lanes,
                    });
                    for tile in &product.tiles {
                        let outer = Outer {
                            rows: gradients.add(tile.first * self.layout.plane + at),
                            plane: self.layout.plane,
                            transposed,
                            len,
                            out: weights.as_mut_ptr().add(tile.first * channels + channel),
                            stride: channels,
                            columns,
                            add: add || run + first > 0,
                        };
                        (kernels.outer[tile.rows - 1][width - 1])(&outer);
                    }
                }
                done += width;
            }
        }
    }

    /// Writes, or accumulates, a strip's gradient of one group's weights by dot products.
    pub(super) unsafe fn dot_products<T: Real>(
        &self,
        Sides { gradients, inputs, offsets, runs }: Sides<T>,
        (weights, add): (&mut [T], bool),
    ) {
        let layout = &self.layout;
        let product = &self.product;
        let kernels = T::real_kernels();
        let widest_dot = |rows| widest_dot(rows, kernels.registers);
        let depth = product.offsets.len();
        // The panel of the gradient has zeros above and to the left of output (0, 0).
        let origin = layout.backward.padding * (layout.pitch + 1);
        let taps = self.shape.kernel * self.shape.kernel;
        let columns = (SECOND_LEVEL / layout.plane * taps / 12 * 12).max(12);
        // The zeros after a run's last row add nothing to the sums, and often complete the last
        // vector.
        let len =
            if layout.flat { runs.len } else { runs.len + layout.pitch - layout.forward.cols };
        let positions = runs.count * len;
        let together = (FIRST_LEVEL / positions / 4).max(1);
        for start in (0..depth).step_by(columns) {
            let end = (start + columns).min(depth);
            for same in self.dots.chunk_by(|a, b| widest_dot(a.rows) == widest_dot(b.rows)) {
                for tiles in same.chunks(together) {
                    let mut column = start;
                    while column < end {
                        let width = next_width(end - column, widest_dot(same[0].rows));
                        for tile in tiles {
                            // SAFETY: columns and rows lie within those of the group, and runs
                            // within the layout.
                            unsafe {
                                let dot = Dot {
                                    rows: gradients.add(tile.first * layout.plane + origin),
                                    plane: layout.plane,
                                    panel: inputs,
                                    offsets: offsets.as_ptr().add(column),
                                    count: runs.count,
                                    span: runs.span,
                                    len,
                                    out: weights.as_mut_ptr().add(tile.first * depth + column),
                                    stride: depth,
                                    add,
                                };
                                (kernels.dot[tile.rows - 1][width - 1])(&dot);
                            }
                        }
                        column += width;
                    }
                }
            }
        }
    }
}
