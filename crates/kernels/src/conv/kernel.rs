//! The kernel of a convolution of one shape: its sizes and offsets, and the packing of its weights.

use super::layout::{Layout, skip};
use super::panel::ALIGN;
use super::product::Product;
use super::rows::{Order, TileRows, dot_tiles};
use super::shape::ConvShape;
use crate::share::Share;
use crate::stored::Storage;

/// One phase of the gradient of the input: the input elements `(step * Y + a - padding, step * X +
/// b - padding)` for every Y and X.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub a: usize,
    pub b: usize,
    pub product: Product,
    /// The offset of its packed weights within those of a group.
    pub start: usize,
}

/// A convolution of one shape, ready to run: its sizes and offsets, but no weights and no scratch
/// memory.
#[derive(Clone, Debug)]
pub struct ConvKernel {
    pub(super) shape: ConvShape,
    pub(super) layout: Layout,
    pub(super) product: Product,
    /// The offsets of channels in an image that is read in place.
    pub(super) planes: Vec<u32>,
    /// The tiles of the weights' gradient.
    pub(super) dots: Vec<TileRows>,
    pub(super) phases: Vec<Phase>,
}

impl ConvKernel {
    /// Prepares a convolution.
    ///
    /// # Panics
    /// If the sizes are not those of a convolution.
    pub fn new(shape: ConvShape) -> Self {
        assert!(shape.groups > 0 && shape.stride > 0 && shape.kernel > 0 && shape.dilation > 0);
        assert!(shape.channels > 0 && shape.channels.is_multiple_of(shape.groups));
        assert!(shape.out > 0 && shape.out.is_multiple_of(shape.groups));
        assert!(shape.dilation == 1 || shape.stride == 1, "dilation needs stride 1");
        assert!(
            shape.padding < shape.span(),
            "the padding of a convolution is smaller than its kernel"
        );
        assert!(shape.height.min(shape.width) > 0);
        assert!(
            shape.height.min(shape.width) + 2 * shape.padding >= shape.span(),
            "the kernel is larger than the image"
        );
        let shape = shape.within_image();
        let layout = Layout::new(&shape);
        let offsets = taps(&shape, &layout);
        let taps = shape.kernel * shape.kernel;
        let order =
            Order { row_stride: offsets.len(), columns: (0..offsets.len() as u32).collect() };
        let product = Product::new(shape.group_out(), offsets, order, taps, layout.plane);
        let dots = dot_tiles(product.rows);
        let planes = (0..shape.group_channels())
            .map(|channel| (channel * shape.height * shape.width) as u32)
            .collect();
        ConvKernel { shape, product, planes, dots, phases: phases(&shape, &layout), layout }
    }

    /// The shape of the convolution.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Elements of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.shape.weights_len()
    }

    /// Elements of the weights packed for the gradient of the input.
    pub fn packed_backward_len(&self) -> usize {
        self.shape.weights_len()
    }

    /// Elements of scratch memory that `forward` needs.
    pub fn scratch_len(&self) -> usize {
        let planes = self.input_planes() + self.product.result_rows();
        ALIGN + planes * self.layout.plane + self.product.pairs_len()
    }

    /// Elements of scratch memory that `backward` needs.
    pub fn backward_scratch_len(&self) -> usize {
        ALIGN
            + (self.shape.group_out() + self.backward_rows()) * self.layout.plane
            + self.transposed_len()
            + self.pairs_len()
            + self.amx_weights_len()
    }

    /// Elements of scratch memory for the pairs of the output's gradient.
    pub(super) fn pairs_len(&self) -> usize {
        self.phases.iter().map(|phase| phase.product.pairs_len()).max().unwrap_or(0)
    }

    /// The planes of scratch memory after those of the output's gradient. They hold the input
    /// first, and later the input's gradient.
    pub(super) fn backward_rows(&self) -> usize {
        let results =
            self.phases.iter().map(|phase| phase.product.result_rows()).max().unwrap_or(0);
        results.max(self.input_planes())
    }

    /// The planes of one group's input in a panel.
    pub(super) fn input_planes(&self) -> usize {
        self.shape.group_channels() * self.layout.forward.phases.pow(2)
    }

    /// Rounds `weights`, `[out][channels / groups][kernel][kernel]`, to `T` and packs them for
    /// `forward`.
    pub fn pack<T: Storage>(&self, weights: &[T::Real], packed: &mut [T::Real]) {
        assert_eq!(packed.len(), self.packed_len());
        // SAFETY: this call borrows the memory exclusively.
        unsafe { self.pack_share::<T>(weights, packed.as_mut_ptr(), Share::WHOLE) }
    }

    /// Packs one thread's share of the weights for `forward`, as planes of `T` multiply them:
    /// rounded to `T`.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements, and threads that pack at the same time have different
    /// shares.
    pub unsafe fn pack_share<T: Storage>(
        &self,
        weights: &[T::Real],
        packed: *mut T::Real,
        share: Share,
    ) {
        assert_eq!(weights.len(), self.shape.weights_len());
        let length = self.product.packed_len();
        for (group, weights) in weights.chunks_exact(length).enumerate() {
            // SAFETY: `packed` holds the weights of all groups, one after the other.
            unsafe { self.product.pack::<T>(weights, packed.add(group * length), share) };
        }
    }

    /// Packs the same weights for the gradient of the input: phase by phase, with input and output
    /// channels swapped and taps in reverse.
    pub fn pack_backward<T: Storage>(&self, weights: &[T::Real], packed: &mut [T::Real]) {
        assert_eq!(packed.len(), self.packed_backward_len());
        // SAFETY: this call borrows the memory exclusively.
        unsafe { self.pack_backward_share::<T>(weights, packed.as_mut_ptr(), Share::WHOLE) }
    }

    /// Packs one thread's share of the weights for the gradient of the input.
    ///
    /// # Safety
    /// As for [`ConvKernel::pack_share`], with `packed_backward_len` elements.
    pub unsafe fn pack_backward_share<T: Storage>(
        &self,
        weights: &[T::Real],
        packed: *mut T::Real,
        share: Share,
    ) {
        assert_eq!(weights.len(), self.shape.weights_len());
        let length = weights.len() / self.shape.groups;
        for (group, weights) in weights.chunks_exact(length).enumerate() {
            for phase in &self.phases {
                // SAFETY: `packed` holds the weights of all phases of all groups, one after the
                // other.
                unsafe {
                    phase.product.pack::<T>(
                        weights,
                        packed.add(group * length + phase.start),
                        share,
                    )
                };
            }
        }
    }
}

/// The number of taps along an axis that read phase `a`.
fn taps_of(a: usize, shape: &ConvShape) -> usize {
    shape.kernel.saturating_sub(a).div_ceil(shape.stride)
}

/// The panel offset that each weight reads, in the order of the weights.
fn taps(shape: &ConvShape, layout: &Layout) -> Vec<u32> {
    let stride = shape.stride;
    let phases = layout.forward.phases;
    let mut offsets = Vec::new();
    // A stride and a dilation do not go together.
    let dilation = shape.dilation;
    for channel in 0..shape.group_channels() {
        for y in 0..shape.kernel {
            for x in 0..shape.kernel {
                let plane = (channel * phases + y % stride) * phases + x % stride;
                let [y, x] = [y, x].map(|tap| tap / stride * dilation);
                offsets.push((plane * layout.plane + y * layout.pitch + x) as u32);
            }
        }
    }
    offsets
}

/// The phases of the gradient of the input, with their products.
fn phases(shape: &ConvShape, layout: &Layout) -> Vec<Phase> {
    let mut start = 0;
    let taps = shape.kernel * shape.kernel;
    let mut phases = Vec::new();
    for (a, b) in (0..shape.stride).flat_map(|a| (0..shape.stride).map(move |b| (a, b))) {
        let mut offsets = Vec::new();
        let mut columns = Vec::new();
        for out in 0..shape.group_out() {
            for y in 0..taps_of(a, shape) {
                for x in 0..taps_of(b, shape) {
                    let [up, left] = [y, x].map(|tap| layout.reach - tap * shape.dilation);
                    let at = up * layout.pitch + left;
                    offsets.push((out * layout.plane + at) as u32);
                    let y = a + y * shape.stride;
                    let x = b + x * shape.stride;
                    columns
                        .push((out * shape.group_channels() * taps + y * shape.kernel + x) as u32);
                }
            }
        }
        let order = Order { row_stride: taps, columns };
        let each = taps_of(a, shape) * taps_of(b, shape);
        let product = Product::new(shape.group_channels(), offsets, order, each, layout.plane);
        let len = product.packed_len();
        phases.push(Phase { a, b, product, start });
        start += len;
    }
    debug_assert!(skip(shape) <= layout.reach);
    phases
}
