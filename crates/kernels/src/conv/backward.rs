//! The gradients of a convolution: of its weights, and of its input.

use std::ops::Range;

use super::epilogue::{ADD, LAST_ADD, LAST_STORE, STORE, StridedScatter, TileEpilogue};
use super::forward::Share;
use super::layout::skip;
use super::pack::{NORM, ONE, PlaneSource};
use super::panel::{Strip, aligned, pack_channel, runs, strips};
use super::weights::Sides;
use super::{ConvKernel, Phase};
use crate::real::Real;
use crate::view::View;

/// How the gradient of an output is made as it is read, so that it never stands in memory as a
/// whole.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a, T> {
    /// The gradient of what follows, which a ReLU's mask has been applied to.
    pub of: View<T>,
    /// The batch norm that follows.
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
    /// Which of the ways to make a plane this is.
    pub(crate) fn kind(&self) -> usize {
        if self.norm.is_some() { NORM } else { ONE }
    }

    /// What one plane is made of.
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

/// Where the gradient of a convolution's input goes.
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a, T> {
    pub into: View<T>,
    /// Whether it is added to what is there.
    pub add: bool,
    /// Channels whose gradient is complete with this. A convolution of stride 1 alone can go on
    /// with them.
    pub last: &'a [Last<'a, T>],
}

/// What is done with a gradient that is complete, while it is in registers: it goes through the
/// ReLU that its value came out of, and the sums are taken that the batch norm before that ReLU
/// needs (see [`crate::norm::backward_sums`]).
#[derive(Clone, Debug)]
pub struct Last<'a, T> {
    /// Which channels.
    pub channels: Range<usize>,
    /// The ReLU's output, of these channels.
    pub relu: View<T>,
    /// The norm's input, of these channels.
    pub x: View<T>,
    /// Its mean, of these channels.
    pub mean: &'a [T],
    /// What each of these channels' two sums are added to.
    pub sums: [*mut f64; 2],
}

impl<T> InputGradient<'_, T> {
    fn check(&self) {
        for last in self.last {
            let of = |view: &View<T>| (view.channels, view.height, view.width);
            let wanted = (last.channels.len(), self.into.height, self.into.width);
            assert!(
                last.channels.end <= self.into.channels && last.mean.len() == last.channels.len()
            );
            assert!(of(&last.relu) == wanted && of(&last.x) == wanted);
        }
    }
}

impl ConvKernel {
    /// Writes the gradient of the weights, for the sum of `inputs`, to `weight_gradient` (in the
    /// order of the weights), and that of the input to each of `input_gradients`; where a flag says
    /// so, it is added to what is there.
    ///
    /// # Safety
    /// The promise at [`View`], and sums are as many as channels and nobody else's.
    /// `packed_backward` is from [`ConvKernel::pack_backward`]; it may be empty without input
    /// gradients, and `inputs` without a weight gradient.
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
            shape.stride == 1 || input_gradients.iter().all(|gradient| gradient.last.is_empty())
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
                // SAFETY: the panels and the results have the sizes of the layout; views are the
                // caller's promise.
                unsafe {
                    self.pack_gradient(gradient, group, &strip, panel);
                    if let Some((weights, add)) = &mut weight_gradient
                        && let Some(runs) = runs(layout, &layout.forward, &strip)
                    {
                        let len = self.product.packed_len();
                        let weights = (&mut weights[group * len..][..len], *add || !is_first);
                        let (at, offsets) = match self.where_they_lie(inputs, group, &strip) {
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
            // SAFETY: the caller's promise.
            unsafe { pack_channel(layout, &layout.backward, strip, gradient.kind(), into, source) }
        }
    }

    /// A group's channels of a strip of one image, where nothing has to be put around them.
    unsafe fn where_they_lie<T: Real>(
        &self,
        inputs: &[View<T>],
        group: usize,
        strip: &Strip,
    ) -> Option<*const T> {
        match inputs {
            [input] if self.layout.flat && self.shape.stride == 1 && strip.images.len() == 1 => {
                // SAFETY: the caller's promise.
                let plane =
                    unsafe { input.plane(strip.images.start, group * self.shape.group_channels()) };
                Some(plane.wrapping_add(strip.rows.start * input.width))
            }
            _ => None,
        }
    }

    /// Computes a strip's gradient of one group's input.
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
            // SAFETY: the caller's promise.
            unsafe { self.clear(strip, group, gradients) };
        }
        for phase in self.phases.iter().filter(is_read) {
            for tiles in phase.product.cache_blocks(Share::WHOLE) {
                let count = tiles.iter().map(|tile| tile.rows).sum::<usize>();
                let first = group * self.shape.group_channels() + tiles[0].first;
                // SAFETY: the caller's promise, and the sizes of the layout.
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

    /// Where no tap reads some of the input, its gradient is zero.
    unsafe fn clear<T: Real>(&self, strip: &Strip, group: usize, gradients: &[InputGradient<T>]) {
        let channels = self.shape.group_channels();
        for gradient in gradients.iter().filter(|gradient| !gradient.add) {
            for image in strip.images.clone() {
                // SAFETY: the caller's promise.
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
    // SAFETY: the rows are the view's; the caller's promise.
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
        if let Some(last) = gradient.last.iter().find(|last| last.channels.contains(&channel)) {
            let of = channel - last.channels.start;
            epilogue.gate = last.relu.plane(image, of).add(skip);
            epilogue.x = last.x.plane(image, of).add(skip);
            epilogue.mean = last.mean[of];
            epilogue.sums = last.sums.map(|sums| sums.add(of));
            mode = if gradient.add { LAST_ADD } else { LAST_STORE };
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
    // SAFETY: rows and columns are inside the view and the results; the caller's promise.
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
