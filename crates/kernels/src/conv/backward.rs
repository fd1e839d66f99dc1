//! The gradients of a convolution: of its weights, and of its input.

use std::ops::Range;

use super::epilogue::{ADD, MASKED_ADD, MASKED_STORE, STORE, StridedScatter, TileEpilogue};
use super::forward::Share;
use super::layout::skip;
use super::pack::{NORM, ONE, PlaneSource};
use super::panel::{Strip, aligned, pack_channel, runs, strips};
use super::weights::Sides;
use super::{ConvKernel, Phase};
use crate::real::Real;
use crate::view::View;

/// The gradient of a convolution's output. The backward pass of a batch norm after the convolution
/// is computed as the gradient is read, so that its result is never stored as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a, T> {
    /// The gradient of the norm's output, or of the convolution's output without a norm. A ReLU's
    /// mask has been applied to it.
    pub of: View<T>,
    /// The batch norm after the convolution.
    pub norm: Option<NormBackward<'a, T>>,
}

/// The backward pass of a batch norm: `dx = dy_coefficient * dy + x_coefficient * x + constant`,
/// with three coefficients per channel.
#[derive(Clone, Copy, Debug)]
pub struct NormBackward<'a, T> {
    /// The norm's input, which is the convolution's output.
    pub x: View<T>,
    pub dy_coefficient: &'a [T],
    pub x_coefficient: &'a [T],
    pub constant: &'a [T],
}

impl<T: Real> Gradient<'_, T> {
    /// The kind of plane source that this is.
    pub(crate) fn kind(&self) -> usize {
        if self.norm.is_some() { NORM } else { ONE }
    }

    /// The source of one plane.
    pub(crate) fn source(&self, image: usize, channel: usize) -> PlaneSource<T> {
        let plane = |view: View<T>| {
            view.at
                .wrapping_add(image * view.image_stride + channel * view.plane_len())
                .cast_const()
        };
        let mut source = PlaneSource::one(plane(self.of));
        if let Some(norm) = &self.norm {
            source.x = plane(norm.x);
            source.first_factor = norm.dy_coefficient[channel];
            source.x_factor = norm.x_coefficient[channel];
            source.constant = norm.constant[channel];
        }
        source
    }

    pub(crate) fn check(&self) {
        let shape = self.of;
        assert!(self.norm.as_ref().is_none_or(|norm| {
            norm.x.same_shape(&shape)
                && [norm.dy_coefficient, norm.x_coefficient, norm.constant]
                    .iter()
                    .all(|numbers| numbers.len() == shape.channels)
        }));
    }
}

/// The target of the gradient of a convolution's input.
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a, T> {
    pub into: View<T>,
    /// Whether to accumulate.
    pub add: bool,
    /// Channels whose gradient is complete after this pass. Only convolutions of stride 1 can have
    /// any.
    pub masked_sums: &'a [MaskedSums<'a, T>],
}

/// The epilogue of a gradient that is complete. While the gradient is in registers, it is masked by
/// the ReLU that computed its value, and the sums are taken that the backward pass of the batch
/// norm before that ReLU needs (see [`crate::norm::backward_sums`]).
#[derive(Clone, Debug)]
pub struct MaskedSums<'a, T> {
    /// The channels of the gradient that are complete.
    pub channels: Range<usize>,
    /// The ReLU's output, of these channels.
    pub relu: View<T>,
    /// The norm's input, of these channels.
    pub x: View<T>,
    /// The mean of the norm's input, of these channels.
    pub mean: &'a [T],
    /// The addresses to which the two sums of these channels are added.
    pub sums: [*mut f64; 2],
}

impl<T> InputGradient<'_, T> {
    fn check(&self) {
        for masked_sums in self.masked_sums {
            let of = |view: &View<T>| (view.channels, view.height, view.width);
            let wanted = (masked_sums.channels.len(), self.into.height, self.into.width);
            assert!(
                masked_sums.channels.end <= self.into.channels
                    && masked_sums.mean.len() == masked_sums.channels.len()
            );
            assert!(of(&masked_sums.relu) == wanted && of(&masked_sums.x) == wanted);
        }
    }
}

impl ConvKernel {
    /// Computes the gradient of the weights, for the sum of `inputs`, into `weight_gradient` (in
    /// the order of the weights), and the gradient of the input into each of `input_gradients`.
    /// Each has a flag that makes it accumulate.
    ///
    /// # Safety
    /// The contract at [`View`]. The masked sums have as many elements as channels, and no other
    /// thread accesses them. `packed_backward` is from [`ConvKernel::pack_backward`]; it may be
    /// empty without input gradients, and `inputs` may be empty without a weight gradient.
    pub unsafe fn backward<T: Real>(
        &self,
        gradient: &Gradient<T>,
        inputs: &[View<T>],
        packed_backward: &[T],
        mut weight_gradient: Option<(&mut [T], bool)>,
        input_gradients: &[InputGradient<T>],
        images: Range<usize>,
        scratch: &mut [T],
    ) {
        let shape = &self.shape;
        let layout = &self.layout;
        gradient.check();
        assert_eq!(
            (gradient.of.channels, (gradient.of.height, gradient.of.width)),
            (shape.out, shape.output())
        );
        let input = (shape.channels, shape.height, shape.width);
        let all = inputs.iter().chain(input_gradients.iter().map(|gradient| &gradient.into));
        assert!(all.into_iter().all(|view| (view.channels, view.height, view.width) == input));
        assert!(
            shape.stride == 1
                || input_gradients.iter().all(|gradient| gradient.masked_sums.is_empty())
        );
        input_gradients.iter().for_each(InputGradient::check);
        assert!(input_gradients.is_empty() || packed_backward.len() == self.packed_backward_len());
        assert!(
            weight_gradient
                .as_ref()
                .is_none_or(|(weights, _)| weights.len() == shape.weights_len())
        );
        if let (true, Some((weights, false))) = (images.is_empty(), &mut weight_gradient) {
            weights.fill(T::ZERO);
        }
        let panel = aligned(scratch, self.backward_scratch_len());
        let rest = panel.wrapping_add(shape.group_out() * layout.plane);
        let first = images.start;
        for strip in strips(layout, images) {
            let is_first = strip.images.start == first && strip.rows.start == 0;
            for group in 0..shape.groups {
                // SAFETY: the panels and the results have the sizes of the layout; the caller
                // guarantees the views.
                unsafe {
                    self.pack_gradient(gradient, group, &strip, panel);
                    if let Some((weights, add)) = &mut weight_gradient
                        && let Some(runs) = runs(layout, &layout.forward, &strip)
                    {
                        let len = self.product.packed_len();
                        let weights = (&mut weights[group * len..][..len], *add || !is_first);
                        let (at, offsets) = match self.in_place(inputs, group, &strip) {
                            Some(at) => (at, &self.planes),
                            None => {
                                self.pack_inputs(inputs, group, &strip, rest);
                                (rest.cast_const(), &self.product.offsets)
                            }
                        };
                        let sides =
                            Sides { gradients: panel.cast_const(), inputs: at, offsets, runs };
                        if self.is_outer() {
                            let transposed = rest.wrapping_add(self.backward_rows() * layout.plane);
                            self.outer_products(sides, weights, transposed);
                        } else {
                            self.dot_products(sides, weights);
                        }
                    }
                    if !input_gradients.is_empty() {
                        let len = packed_backward.len() / shape.groups;
                        let packed = &packed_backward[group * len..][..len];
                        self.input(&strip, group, packed, panel, rest, input_gradients);
                    }
                }
            }
        }
    }

    /// Packs the gradients of a group's output channels into the panel.
    unsafe fn pack_gradient<T: Real>(
        &self,
        gradient: &Gradient<T>,
        group: usize,
        strip: &Strip,
        panel: *mut T,
    ) {
        let layout = &self.layout;
        let out = self.shape.group_out();
        for row in 0..out {
            let channel = group * out + row;
            let into = panel.wrapping_add(row * layout.plane);
            let source = |image| gradient.source(image, channel);
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { pack_channel(layout, &layout.backward, strip, gradient.kind(), into, source) }
        }
    }

    /// The address of a group's channels in the input itself, if they need no packing: 1x1
    /// convolutions read a strip of one image in place.
    unsafe fn in_place<T: Real>(
        &self,
        inputs: &[View<T>],
        group: usize,
        strip: &Strip,
    ) -> Option<*const T> {
        match inputs {
            [input] if self.layout.flat && self.shape.stride == 1 && strip.images.len() == 1 => {
                // SAFETY: the caller guarantees the views and the panel.
                let plane =
                    unsafe { input.plane(strip.images.start, group * self.shape.group_channels()) };
                Some(plane.wrapping_add(strip.rows.start * input.width))
            }
            _ => None,
        }
    }

    /// Computes the gradient of one group's input channels for a strip.
    unsafe fn input<T: Real>(
        &self,
        strip: &Strip,
        group: usize,
        packed: &[T],
        panel: *const T,
        results: *mut T,
        gradients: &[InputGradient<T>],
    ) {
        let layout = &self.layout;
        let Some(runs) = runs(layout, &layout.backward, strip) else { return };
        let is_read = |phase: &&Phase| !phase.product.offsets.is_empty();
        if strip.rows.start == 0 && !self.phases.iter().all(|phase| is_read(&phase)) {
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { self.zero_input_gradients(strip, group, gradients) };
        }
        for phase in self.phases.iter().filter(is_read) {
            for tiles in phase.product.cache_blocks(Share::WHOLE) {
                let count = tiles.iter().map(|tile| tile.rows).sum::<usize>();
                let first = group * self.shape.group_channels() + tiles[0].first;
                // SAFETY: panels and results have the sizes of the layout; the caller guarantees
                // the gradients.
                unsafe {
                    let packed = packed.as_ptr().add(phase.start);
                    phase.product.multiply(tiles, packed, panel, runs, results, layout.plane);
                    for row in 0..count {
                        for (i, image) in strip.images.clone().enumerate() {
                            let from = results.add(row * layout.plane + i * layout.span);
                            for gradient in gradients {
                                if self.shape.stride == 1 {
                                    write_rows(self, strip, from, gradient, image, first + row);
                                } else {
                                    scatter_phase(
                                        self,
                                        strip,
                                        phase,
                                        from,
                                        gradient,
                                        image,
                                        first + row,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Zeroes the gradient of a group's input channels. Needed where no tap reads some elements of
    /// the input.
    unsafe fn zero_input_gradients<T: Real>(
        &self,
        strip: &Strip,
        group: usize,
        gradients: &[InputGradient<T>],
    ) {
        let channels = self.shape.group_channels();
        for gradient in gradients.iter().filter(|gradient| !gradient.add) {
            for image in strip.images.clone() {
                // SAFETY: the caller guarantees the views and the panel.
                unsafe { gradient.into.zero(image, group * channels..(group + 1) * channels) };
            }
        }
    }
}

/// Writes rows of a plane of the input's gradient, through the epilogue. For stride 1.
unsafe fn write_rows<T: Real>(
    conv: &ConvKernel,
    strip: &Strip,
    from: *const T,
    gradient: &InputGradient<T>,
    image: usize,
    channel: usize,
) {
    let layout = &conv.layout;
    let view = gradient.into;
    let skip = strip.rows.start * view.width;
    let rows = strip.rows.end.min(layout.backward.rows) - strip.rows.start;
    let (rows, cols, pitch) = match layout.pitch == view.width {
        true => (1, rows * view.width, rows * view.width),
        false => (rows, view.width, layout.pitch),
    };
    // SAFETY: the rows lie within the view, which the caller guarantees.
    unsafe {
        let into = view.plane(image, channel).add(skip);
        let room = view.plane_len() - skip;
        let none = std::ptr::null();
        let sums = [std::ptr::null_mut(); 2];
        let prefetch_distance = view.plane_len();
        let bias = T::ZERO;
        let residual = none;
        let relu = false;
        let gate = none;
        let x = none;
        let mean = T::ZERO;
        let mut epilogue = TileEpilogue {
            from,
            pitch,
            rows,
            cols,
            into,
            room,
            bias,
            residual,
            relu,
            gate,
            x,
            mean,
            sums,
            prefetch_distance,
        };
        let mut mode = if gradient.add { ADD } else { STORE };
        if let Some(masked_sums) =
            gradient.masked_sums.iter().find(|masked_sums| masked_sums.channels.contains(&channel))
        {
            let of = channel - masked_sums.channels.start;
            epilogue.gate = masked_sums.relu.plane(image, of).add(skip);
            epilogue.x = masked_sums.x.plane(image, of).add(skip);
            epilogue.mean = masked_sums.mean[of];
            epilogue.sums = masked_sums.sums.map(|sums| sums.add(of));
            mode = if gradient.add { MASKED_ADD } else { MASKED_STORE };
        }
        (T::kernels().epilogue[mode])(&epilogue);
    }
}

/// Writes the elements of a plane that belong to one phase. For strides above 1.
unsafe fn scatter_phase<T: Real>(
    conv: &ConvKernel,
    strip: &Strip,
    phase: &Phase,
    from: *const T,
    gradient: &InputGradient<T>,
    image: usize,
    channel: usize,
) {
    let layout = &conv.layout;
    let shape = &conv.shape;
    let view = gradient.into;
    let mode = if gradient.add { ADD } else { STORE };
    let step = shape.stride;
    let skip = skip(shape);
    // Positions of this phase that are elements of the input, along an axis of `size` elements.
    let valid = |offset: usize, size: usize, most: Range<usize>| {
        let first = shape
            .padding
            .saturating_sub(offset)
            .div_ceil(step)
            .saturating_sub(skip)
            .max(most.start);
        let end = (size + shape.padding)
            .saturating_sub(offset)
            .div_ceil(step)
            .saturating_sub(skip)
            .min(most.end);
        first..end.max(first)
    };
    let rows =
        valid(phase.a, view.height, strip.rows.start..strip.rows.end.min(layout.backward.rows));
    let cols = valid(phase.b, view.width, 0..layout.backward.cols);
    if rows.is_empty() || cols.is_empty() {
        return;
    }
    let y = (rows.start + skip) * step + phase.a - shape.padding;
    let x = (cols.start + skip) * step + phase.b - shape.padding;
    // SAFETY: rows and columns lie within the view and the results, which the caller guarantees.
    unsafe {
        let start = from.add((rows.start - strip.rows.start) * layout.pitch + cols.start);
        let scatter = StridedScatter {
            from: start,
            pitch: layout.pitch,
            rows: rows.len(),
            cols: cols.len(),
            into: view.plane(image, channel).add(y * view.width + x),
            step,
            into_pitch: step * view.width,
        };
        (T::kernels().strided_scatter[mode])(&scatter);
    }
}
