//! The forward pass of a convolution.

use std::ops::Range;

use super::ConvKernel;
use super::epilogue::{BIAS_RESIDUAL_RELU, STORE, SUMS, TileEpilogue};
use super::panel::{Strip, aligned, pack_channel, runs, strips, sum_of};
use super::product::TileRows;
use crate::real::Real;
use crate::view::View;

/// One thread's share of an operation that several threads divide among them: share `index` of
/// `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub index: usize,
    pub of: usize,
}

impl Share {
    /// The whole operation, for a single thread.
    pub const WHOLE: Share = Share { index: 0, of: 1 };

    /// This share of a range; the shares of all threads cover the range without overlap.
    pub fn within(self, range: Range<usize>) -> Range<usize> {
        let at = |index: usize| range.start + range.len() * index / self.of;
        at(self.index)..at(self.index + 1)
    }
}

/// The epilogue of a convolution in an inference: `relu(convolution + bias + residual)`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// One value per output channel.
    pub bias: Option<&'a [T]>,
    /// A tensor of the output's shape.
    pub residual: Option<View<T>>,
    /// Whether to apply a ReLU.
    pub relu: bool,
}

/// The epilogue of a pass, and which results are computed.
struct Output<'a, T> {
    mode: usize,
    epilogue: Epilogue<'a, T>,
    sums: Option<&'a mut [f64]>,
    share: Share,
}

impl ConvKernel {
    /// Convolves the sum of one or two `inputs` (`[channels][height][width]`) into `out`. If `sums`
    /// (`[2 * out]`) is given, adds each channel's sum to its first half and each channel's sum of
    /// squares to its second half, for a batch norm.
    ///
    /// # Safety
    /// The contract at [`View`]. `packed` is from [`ConvKernel::pack`].
    pub unsafe fn forward<T: Real>(
        &self,
        packed: &[T],
        inputs: &[View<T>],
        out: View<T>,
        images: Range<usize>,
        scratch: &mut [T],
        sums: Option<&mut [f64]>,
    ) {
        let mode = if sums.is_some() { SUMS } else { STORE };
        let epilogue = Epilogue { bias: None, residual: None, relu: false };
        // SAFETY: the caller guarantees the views and the panel.
        unsafe {
            self.run(
                packed,
                inputs,
                out,
                images,
                scratch,
                Output { mode, epilogue, sums, share: Share::WHOLE },
            )
        }
    }

    /// Convolves as [`ConvKernel::forward`] does, with an epilogue for inference, and computes one
    /// thread's `share` of the results.
    ///
    /// # Safety
    /// The contract at [`View`]; the residual may be `out` itself.
    pub unsafe fn infer<T: Real>(
        &self,
        packed: &[T],
        inputs: &[View<T>],
        out: View<T>,
        epilogue: &Epilogue<T>,
        images: Range<usize>,
        scratch: &mut [T],
        share: Share,
    ) {
        assert!(epilogue.bias.is_none_or(|bias| bias.len() == self.shape.out));
        assert!(epilogue.residual.is_none_or(|residual| residual.same_shape(&out)));
        // SAFETY: the caller guarantees the views and the panel.
        unsafe {
            self.run(
                packed,
                inputs,
                out,
                images,
                scratch,
                Output { mode: BIAS_RESIDUAL_RELU, epilogue: *epilogue, sums: None, share },
            )
        }
    }

    unsafe fn run<T: Real>(
        &self,
        packed: &[T],
        inputs: &[View<T>],
        out: View<T>,
        images: Range<usize>,
        scratch: &mut [T],
        mut output: Output<T>,
    ) {
        let shape = &self.shape;
        let layout = &self.layout;
        assert_eq!(packed.len(), self.packed_len());
        assert_eq!((out.channels, (out.height, out.width)), (shape.out, shape.output()));
        let input = (shape.channels, shape.height, shape.width);
        assert!(inputs.iter().all(|view| (view.channels, view.height, view.width) == input));
        assert!(output.sums.as_ref().is_none_or(|sums| sums.len() == 2 * shape.out));
        let panel = aligned(scratch, self.scratch_len());
        let results = panel.wrapping_add(self.input_planes() * layout.plane);
        let [rows, channels] = self.divide(output.share);
        for strip in strips(layout, images) {
            let strip = Strip { rows: rows.within(strip.rows), ..strip };
            let Some(runs) = runs(layout, &layout.forward, &strip) else { continue };
            for group in 0..shape.groups {
                // SAFETY: the panel and the results have the sizes of the layout; the caller
                // guarantees the views.
                unsafe {
                    self.pack_inputs(inputs, group, &strip, panel);
                    let packed = packed.as_ptr().add(group * self.product.packed_len());
                    for tiles in self.product.cache_blocks(channels) {
                        self.product.multiply(tiles, packed, panel, runs, results, layout.plane);
                        self.apply_epilogue(&strip, group, tiles, results, out, &mut output);
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
    pub(super) unsafe fn pack_inputs<T: Real>(
        &self,
        inputs: &[View<T>],
        group: usize,
        strip: &Strip,
        panel: *mut T,
    ) {
        let layout = &self.layout;
        let channels = self.shape.group_channels();
        let planes = layout.forward.phases.pow(2);
        for channel in 0..channels {
            let (kind, source) = sum_of(inputs, group * channels + channel);
            let into = panel.wrapping_add(channel * planes * layout.plane);
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { pack_channel(layout, &layout.forward, strip, kind, into, source) }
        }
    }

    /// Copies the results of `tiles` to their planes, through the epilogue.
    unsafe fn apply_epilogue<T: Real>(
        &self,
        strip: &Strip,
        group: usize,
        tiles: &[TileRows],
        results: *const T,
        out: View<T>,
        output: &mut Output<T>,
    ) {
        let layout = &self.layout;
        let kernels = T::kernels();
        let rows = strip.rows.end.min(layout.forward.rows) - strip.rows.start;
        let skip = strip.rows.start * out.width;
        // The rows after this share's belong to another thread.
        let room = if output.share.of > 1 { rows * out.width } else { out.plane_len() - skip };
        let mut rows = rows;
        let mut cols = out.width;
        let mut pitch = layout.pitch;
        if pitch == cols {
            (cols, pitch, rows) = (rows * cols, rows * cols, 1);
        }
        let first = tiles[0].first;
        let count = tiles.iter().map(|tile| tile.rows).sum();
        for row in 0..count {
            let channel = group * self.product.rows + first + row;
            for (i, image) in strip.images.clone().enumerate() {
                let sums = output.sums.as_deref_mut().map_or([std::ptr::null_mut(); 2], |sums| {
                    let (sum, squares) = sums.split_at_mut(self.shape.out);
                    [&raw mut sum[channel], &raw mut squares[channel]]
                });
                // SAFETY: the results of this row lie within its plane; the caller guarantees the
                // views.
                unsafe {
                    let epilogue = TileEpilogue {
                        from: results.add(row * layout.plane + i * layout.span),
                        pitch,
                        rows,
                        cols,
                        into: out.plane(image, channel).add(skip),
                        room,
                        bias: output.epilogue.bias.map_or(T::ZERO, |bias| bias[channel]),
                        residual: output.epilogue.residual.map_or(std::ptr::null(), |view| {
                            view.plane(image, channel).add(skip).cast_const()
                        }),
                        relu: output.epilogue.relu,
                        gate: std::ptr::null(),
                        x: std::ptr::null(),
                        mean: T::ZERO,
                        sums,
                        prefetch_distance: out.plane_len(),
                    };
                    (kernels.epilogue[output.mode])(&epilogue);
                }
            }
        }
    }
}
