//! The forward pass of a convolution.

use std::ops::Range;

use super::epilogue::{Epilogue, PlanePart};
use super::kernel::ConvKernel;
use super::panel::{Strip, aligned, pack_input, runs, strips};
use super::results::Results;
use super::rows::TileRows;
use crate::dispatch::Stored;
use crate::share::Share;
use crate::view::View;

impl ConvKernel {
    /// Convolves the sum of one or two `inputs` (`[channels][height][width]`) into `out`, and
    /// computes one thread's `share` of the results.
    ///
    /// # Safety
    /// The contract at [`View`]; a residual may be `out` itself. `packed` is from
    /// [`ConvKernel::pack`].
    pub unsafe fn forward<T: Stored>(
        &self,
        packed: &[T::Real],
        inputs: &[View<T>],
        out: View<T>,
        mut epilogue: Epilogue<T>,
        images: Range<usize>,
        scratch: &mut [T::Real],
        share: Share,
    ) {
        let shape = &self.shape;
        let layout = &self.layout;
        assert_eq!(packed.len(), self.packed_len());
        assert_eq!((out.channels, (out.height, out.width)), (shape.out, shape.output()));
        let input = (shape.channels, shape.height, shape.width);
        assert!(inputs.iter().all(|view| (view.channels, view.height, view.width) == input));
        epilogue.check(out);
        let panel = aligned(scratch, self.scratch_len());
        let results = panel.wrapping_add(self.input_planes() * layout.plane);
        let pairs = results.wrapping_add(self.product.result_rows() * layout.plane);
        let [rows, channels] = self.divide(share);
        for strip in strips(layout, images) {
            let strip = Strip { rows: rows.within(strip.rows), ..strip };
            let Some(runs) = runs(layout, &layout.forward, &strip) else { continue };
            for group in 0..shape.groups {
                // SAFETY: the panel and the results have the sizes of the layout; the caller
                // guarantees the views.
                unsafe {
                    self.pack_inputs(inputs, group, &strip, panel);
                    self.product.prepare::<T>(panel, pairs);
                    let packed = packed.as_ptr().add(group * self.product.packed_len());
                    let panels = (panel.cast_const(), pairs.cast_const());
                    for tiles in self.product.cache_blocks::<T>(channels) {
                        self.product.multiply_panel::<T>(
                            tiles,
                            packed,
                            panels,
                            runs,
                            results,
                            layout.plane,
                        );
                        let first = group * self.product.rows + tiles[0].first;
                        let part = OutputPart { tiles, first, is_share: share.of > 1 };
                        self.write_results(&strip, part, results, out, &mut epilogue);
                    }
                }
            }
        }
    }

    /// Divides work among threads: the share of the rows and the share of the output channels. Rows
    /// are divided unless they are few.
    fn divide(&self, share: Share) -> [Share; 2] {
        const FEW: usize = 6;
        if self.layout.strip_rows >= FEW * share.of {
            [share, Share::WHOLE]
        } else {
            [Share::WHOLE, share]
        }
    }

    /// Packs a group's input channels into the panel.
    pub(super) unsafe fn pack_inputs<T: Stored>(
        &self,
        inputs: &[View<T>],
        group: usize,
        strip: &Strip,
        panel: *mut T::Real,
    ) {
        let layout = &self.layout;
        let channels = self.shape.group_channels();
        let planes = layout.forward.phases.pow(2);
        for channel in 0..channels {
            let into = panel.wrapping_add(channel * planes * layout.plane);
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { pack_input(layout, strip, inputs, group * channels + channel, into) }
        }
    }

    /// Writes the results of a cache block to their planes.
    unsafe fn write_results<T: Stored>(
        &self,
        strip: &Strip,
        part: OutputPart,
        results: *const T::Real,
        out: View<T>,
        epilogue: &mut Epilogue<T>,
    ) {
        let layout = &self.layout;
        let rows = strip.rows.end.min(layout.forward.rows) - strip.rows.start;
        let skip = strip.rows.start * out.width;
        // The rows after this share's belong to another thread.
        let room = if part.is_share { rows * out.width } else { out.plane_len() - skip };
        let (rows, cols, pitch) = match layout.pitch == out.width {
            true => (1, rows * out.width, rows * out.width),
            false => (rows, out.width, layout.pitch),
        };
        let count: usize = part.tiles.iter().map(|tile| tile.rows).sum();
        for row in 0..count {
            let channel = part.first + row;
            for (i, image) in strip.images.clone().enumerate() {
                // SAFETY: the results of this row lie within its plane; the caller guarantees the
                // views.
                unsafe {
                    let results = Results {
                        from: results.add(row * layout.plane + i * layout.span),
                        pitch,
                        rows,
                        cols,
                        into: out.plane(image, channel).add(skip),
                        room,
                        prefetch_distance: out.plane_len(),
                    };
                    epilogue.write(results, PlanePart { image, channel, skip });
                }
            }
        }
    }
}

/// The output channels of a cache block.
#[derive(Clone, Copy)]
struct OutputPart<'a> {
    tiles: &'a [TileRows],
    /// The first channel.
    first: usize,
    /// Whether other threads write other rows of the same planes.
    is_share: bool,
}
