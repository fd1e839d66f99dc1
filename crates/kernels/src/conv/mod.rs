//! Convolutions with square kernels, forward and backward.
//!
//! Reading order:
//! - `layout`: how images lie in a panel
//! - `pack`: planes into a panel (im2col)
//! - `tile`: the register tiles
//! - `product`: a product of packed weights and a panel
//! - `epilogue`: what follows a product while its results are in registers
//! - `forward`, `backward`, `weights`: the three products of a convolution

pub(crate) mod backward;
pub(crate) mod epilogue;
mod forward;
pub(crate) mod layout;
pub(crate) mod pack;
pub(crate) mod panel;
pub(crate) mod product;
pub(crate) mod tile;
mod weights;

pub use backward::{Gradient, InputGradient, MaskedSums, NormBackward};
pub use forward::{Epilogue, Share};

use crate::real::Real;
use layout::{Layout, skip};
use product::{Order, Product, TileRows, dot_tiles};

/// A convolution of planes of `height` by `width`, as PyTorch's Conv2d without dilation. The
/// padding is smaller than the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels of the input.
    pub channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the output.
    pub out: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Pixels from one output to the next.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Groups of channels; divides `channels` and `out`.
    pub groups: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> (usize, usize) {
        let size = |input: usize| (input + 2 * self.padding - self.kernel) / self.stride + 1;
        (size(self.height), size(self.width))
    }

    /// Elements of the weights, `[out][channels / groups][kernel][kernel]`.
    pub fn weights_len(&self) -> usize {
        self.out * self.channels / self.groups * self.kernel * self.kernel
    }

    /// Multiply-adds per image.
    pub fn multiply_adds(&self) -> usize {
        let (height, width) = self.output();
        self.weights_len() * height * width
    }

    fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    fn group_out(&self) -> usize {
        self.out / self.groups
    }
}

/// What the gradient of one phase of the input is computed with: input element `step * Y + a -
/// padding` for every Y.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub a: usize,
    pub b: usize,
    pub product: Product,
    /// Where its weights begin among a group's.
    pub start: usize,
}

/// A convolution of one shape, ready to run: its sizes and offsets, but no weights and no scratch
/// memory.
#[derive(Clone, Debug)]
pub struct ConvKernel {
    shape: ConvShape,
    layout: Layout,
    product: Product,
    /// Where channels begin in an image itself.
    planes: Vec<u32>,
    /// Rows of the weights' gradient per tile.
    dots: Vec<TileRows>,
    phases: Vec<Phase>,
}

/// Elements with which scratch memory is brought to a cache line.
const ALIGN: usize = 16;

impl ConvKernel {
    /// Prepares a convolution.
    ///
    /// # Panics
    /// If the sizes are not those of a convolution.
    pub fn new(shape: ConvShape) -> Self {
        assert!(shape.groups > 0 && shape.stride > 0 && shape.kernel > 0);
        assert!(shape.channels > 0 && shape.channels.is_multiple_of(shape.groups));
        assert!(shape.out > 0 && shape.out.is_multiple_of(shape.groups));
        assert!(
            shape.padding < shape.kernel,
            "the padding of a convolution is smaller than its kernel"
        );
        assert!(shape.height.min(shape.width) > 0);
        assert!(
            shape.height.min(shape.width) + 2 * shape.padding >= shape.kernel,
            "the kernel is larger than the image"
        );
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
        ALIGN + (self.input_planes() + self.product.result_rows()) * self.layout.plane
    }

    /// Elements of scratch memory that `backward` needs.
    pub fn backward_scratch_len(&self) -> usize {
        ALIGN
            + (self.shape.group_out() + self.backward_rows()) * self.layout.plane
            + self.transposed_len()
    }

    /// Planes behind those of the gradient: of the input, and later of its gradient.
    fn backward_rows(&self) -> usize {
        let results =
            self.phases.iter().map(|phase| phase.product.result_rows()).max().unwrap_or(0);
        results.max(self.input_planes())
    }

    /// Planes of one group's input in a panel.
    fn input_planes(&self) -> usize {
        self.shape.group_channels() * self.layout.forward.phases.pow(2)
    }

    /// Orders `weights`, `[out][channels / groups][kernel][kernel]`, for `forward`.
    pub fn pack<T: Real>(&self, weights: &[T], packed: &mut [T]) {
        assert_eq!(packed.len(), self.packed_len());
        // SAFETY: the memory is borrowed for this call alone.
        unsafe { self.pack_share(weights, packed.as_mut_ptr(), Share::WHOLE) }
    }

    /// Packs one thread's share of the weights for `forward`.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements, and threads that pack at the same time have different
    /// shares.
    pub unsafe fn pack_share<T: Real>(&self, weights: &[T], packed: *mut T, share: Share) {
        assert_eq!(weights.len(), self.shape.weights_len());
        let length = self.product.packed_len();
        for (group, weights) in weights.chunks_exact(length).enumerate() {
            // SAFETY: a group's weights are as many before as after.
            unsafe { self.product.pack(weights, packed.add(group * length), share) };
        }
    }

    /// Orders the same weights for the gradient of the input: channels swapped, taps in reverse,
    /// phase by phase.
    pub fn pack_backward<T: Real>(&self, weights: &[T], packed: &mut [T]) {
        assert_eq!(packed.len(), self.packed_backward_len());
        // SAFETY: the memory is borrowed for this call alone.
        unsafe { self.pack_backward_share(weights, packed.as_mut_ptr(), Share::WHOLE) }
    }

    /// Packs one thread's share of the weights for the gradient of the input.
    ///
    /// # Safety
    /// As for [`ConvKernel::pack_share`], with `packed_backward_len` elements.
    pub unsafe fn pack_backward_share<T: Real>(&self, weights: &[T], packed: *mut T, share: Share) {
        assert_eq!(weights.len(), self.shape.weights_len());
        let length = weights.len() / self.shape.groups;
        for (group, weights) in weights.chunks_exact(length).enumerate() {
            for phase in &self.phases {
                // SAFETY: a phase's weights lie together, and all phases' are as many as the
                // group's.
                unsafe {
                    phase.product.pack(weights, packed.add(group * length + phase.start), share)
                };
            }
        }
    }
}

/// Taps of an axis that fall on phase `a`.
fn taps_of(a: usize, shape: &ConvShape) -> usize {
    shape.kernel.saturating_sub(a).div_ceil(shape.stride)
}

/// Where each weight's tap reads, in the order of the weights.
fn taps(shape: &ConvShape, layout: &Layout) -> Vec<u32> {
    let stride = shape.stride;
    let phases = layout.forward.phases;
    let mut offsets = Vec::new();
    for channel in 0..shape.group_channels() {
        for y in 0..shape.kernel {
            for x in 0..shape.kernel {
                let plane = (channel * phases + y % stride) * phases + x % stride;
                offsets
                    .push((plane * layout.plane + y / stride * layout.pitch + x / stride) as u32);
            }
        }
    }
    offsets
}

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
                    let at = (layout.reach - y) * layout.pitch + layout.reach - x;
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
