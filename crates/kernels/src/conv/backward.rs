//! The gradients of a convolution: of its weights, and of its input.

use std::ops::Range;

use super::epilogue::PlanePart;
use super::gradient::{Gradient, InputGradient};
use super::kernel::{ConvKernel, Phase};
use super::layout::skip;
use super::panel::{Strip, aligned, pack_gradient, runs, strips};
use super::results::Results;
use super::scatter::StridedScatter;
use super::weights::Sides;
use crate::dispatch::Stored;
use crate::element::Element;
use crate::share::Share;
use crate::view::View;

impl ConvKernel {
    /// Computes the gradient of the weights, for the sum of `inputs`, into `weight_gradient` (in
    /// the order of the weights; the flag makes it accumulate), and the gradient of the input into
    /// each of `input_gradients`, through its epilogue.
    ///
    /// # Safety
    /// The contract at [`View`]. The masked sums have as many elements as channels, and no other
    /// thread accesses them. `packed_backward` is from [`ConvKernel::pack_backward`]; it may be
    /// empty without input gradients, and `inputs` may be empty without a weight gradient.
    pub unsafe fn backward<T: Stored>(
        &self,
        gradient: &Gradient<T>,
        inputs: &[View<T>],
        packed_backward: &[T::Real],
        mut weight_gradient: Option<(&mut [T::Real], bool)>,
        input_gradients: &mut [InputGradient<T>],
        images: Range<usize>,
        scratch: &mut [T::Real],
    ) {
        let shape = &self.shape;
        let layout = &self.layout;
        gradient.check();
        assert_eq!(
            (gradient.of.channels, (gradient.of.height, gradient.of.width)),
            (shape.out, shape.output())
        );
        let input = (shape.channels, shape.height, shape.width);
        let mut all = inputs.iter().chain(input_gradients.iter().map(|gradient| &gradient.into));
        assert!(all.all(|view| (view.channels, view.height, view.width) == input));
        for InputGradient { into, epilogue } in input_gradients.iter() {
            epilogue.check(*into);
            assert!(shape.stride == 1 || epilogue.is_plain(), "an epilogue needs whole rows");
        }
        assert!(input_gradients.is_empty() || packed_backward.len() == self.packed_backward_len());
        assert!(
            weight_gradient
                .as_ref()
                .is_none_or(|(weights, _)| weights.len() == shape.weights_len())
        );
        if let (true, Some((weights, false))) = (images.is_empty(), &mut weight_gradient) {
            weights.fill(T::Real::ZERO);
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
                    self.pack_gradients(gradient, group, &strip, panel);
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
                        let free = rest.wrapping_add(self.backward_rows() * layout.plane);
                        if let Some(amx) = self.product.amx::<T>() {
                            self.amx_weights_of::<T>(amx, sides, weights, free);
                        } else if self.is_outer() {
                            self.outer_products(sides, weights, free);
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
    unsafe fn pack_gradients<T: Stored>(
        &self,
        gradient: &Gradient<T>,
        group: usize,
        strip: &Strip,
        panel: *mut T::Real,
    ) {
        let layout = &self.layout;
        let out = self.shape.group_out();
        for row in 0..out {
            let channel = group * out + row;
            let into = panel.wrapping_add(row * layout.plane);
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { pack_gradient(layout, strip, gradient, channel, into) }
        }
    }

    /// The address of a group's channels in the input itself, if they need no packing: 1x1
    /// convolutions read a strip of one image in place.
    unsafe fn in_place<T: Stored>(
        &self,
        inputs: &[View<T>],
        group: usize,
        strip: &Strip,
    ) -> Option<*const T::Real> {
        match inputs {
            [input] if self.layout.flat && self.shape.stride == 1 && strip.images.len() == 1 => {
                // SAFETY: the caller guarantees the views and the panel.
                let plane =
                    unsafe { input.plane(strip.images.start, group * self.shape.group_channels()) };
                T::real_address(plane.wrapping_add(strip.rows.start * input.width))
            }
            _ => None,
        }
    }

    /// Computes the gradient of one group's input channels for a strip.
    unsafe fn input<T: Stored>(
        &self,
        strip: &Strip,
        group: usize,
        packed: &[T::Real],
        panel: *const T::Real,
        results: *mut T::Real,
        gradients: &mut [InputGradient<T>],
    ) {
        let layout = &self.layout;
        let Some(runs) = runs(layout, &layout.backward, strip) else { return };
        let is_read = |phase: &&Phase| !phase.product.offsets.is_empty();
        if strip.rows.start == 0 && !self.phases.iter().all(|phase| is_read(&phase)) {
            // SAFETY: the caller guarantees the views and the panel.
            unsafe { self.zero_input_gradients(strip, group, gradients) };
        }
        let pairs = results.wrapping_add(self.backward_rows() * layout.plane);
        if let Some(phase) = self.phases.iter().find(is_read) {
            // All phases read the same channels.
            // SAFETY: the pairs have the size of the layout.
            unsafe { phase.product.prepare::<T>(panel, pairs) };
        }
        for phase in self.phases.iter().filter(is_read) {
            for tiles in phase.product.cache_blocks::<T>(Share::WHOLE) {
                let count = tiles.iter().map(|tile| tile.rows).sum::<usize>();
                let first = group * self.shape.group_channels() + tiles[0].first;
                // SAFETY: panels and results have the sizes of the layout; the caller guarantees
                // the gradients.
                unsafe {
                    let packed = packed.as_ptr().add(phase.start);
                    let panels = (panel, pairs.cast_const());
                    phase.product.multiply_panel::<T>(
                        tiles,
                        packed,
                        panels,
                        runs,
                        results,
                        layout.plane,
                    );
                    for row in 0..count {
                        for (i, image) in strip.images.clone().enumerate() {
                            let from = results.add(row * layout.plane + i * layout.span);
                            for gradient in gradients.iter_mut() {
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
    unsafe fn zero_input_gradients<T: Stored>(
        &self,
        strip: &Strip,
        group: usize,
        gradients: &[InputGradient<T>],
    ) {
        let channels = self.shape.group_channels();
        for gradient in gradients.iter().filter(|gradient| !gradient.epilogue.adds()) {
            for image in strip.images.clone() {
                // SAFETY: the caller guarantees the views and the panel.
                unsafe { gradient.into.zero(image, group * channels..(group + 1) * channels) };
            }
        }
    }
}

/// Writes rows of a plane of the input's gradient, through the epilogue. For stride 1.
unsafe fn write_rows<T: Stored>(
    conv: &ConvKernel,
    strip: &Strip,
    from: *const T::Real,
    gradient: &mut InputGradient<T>,
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
        let prefetch_distance = view.plane_len();
        let results = Results { from, pitch, rows, cols, into, room, prefetch_distance };
        gradient.epilogue.write(results, PlanePart { image, channel, skip });
    }
}

/// Writes the elements of a plane that belong to one phase. For strides above 1.
unsafe fn scatter_phase<T: Stored>(
    conv: &ConvKernel,
    strip: &Strip,
    phase: &Phase,
    from: *const T::Real,
    gradient: &InputGradient<T>,
    image: usize,
    channel: usize,
) {
    let layout = &conv.layout;
    let shape = &conv.shape;
    let view = gradient.into;
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
        (T::kernels().scatter.of(gradient.epilogue.adds()))(&scatter);
    }
}
