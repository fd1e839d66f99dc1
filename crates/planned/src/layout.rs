//! The layout of a program's memory for one batch size and one number of threads: the position of
//! each buffer, and the kernels for each shape. It is immutable while the program runs.

use crate::allocation::BufferSlice;
use crate::tables::{EntryId, PoolOf, Tables};
use res2lab_kernels::pool::{AveragePool, MaxPool, PoolShape};
use res2lab_kernels::resize::Resize;
use res2lab_kernels::{ConvKernel, Real, Share};
use std::ops::Range;

/// The layout of a program's memory, and its kernels.
pub(crate) struct Layout<R> {
    /// The kernel of each convolution.
    pub convs: Vec<ConvKernel>,
    /// The kernel of each pool.
    pub pools: Vec<Pooling<R>>,
    /// The kernel of each change of size.
    pub resizes: Vec<Resize<R>>,
    /// The most images of a pass.
    pub batch: usize,
    pub threads: usize,
    /// Whether all threads work on the same images, in the arena of the first thread.
    pub shares_images: bool,
    /// For each buffer that holds one micro-batch only, the images of that micro-batch.
    pub local: Vec<Option<usize>>,
    /// The offset of each buffer in the arena.
    pub offsets: Vec<usize>,
    /// The offset of each entry of the graph's state in its flat buffer.
    pub entries: Vec<usize>,
    /// Lengths of the memory of a workspace, in elements.
    pub lengths: Lengths,
}

/// Lengths of memory, in elements.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    /// All buffers of one thread.
    pub arena: usize,
    /// The memory that one kernel needs while it runs.
    pub scratch: usize,
    /// The channels of all norms.
    pub channels: usize,
    /// The positions of the maxima of each pool.
    pub positions: Vec<usize>,
    /// The packed weights of one convolution, and the number of buffers for them.
    pub packed: usize,
    pub packed_buffers: usize,
    /// One thread's partial gradients of one layer.
    pub partials: usize,
}

/// The kernel of a pool.
pub(crate) enum Pooling<R> {
    Average(AveragePool<R>),
    Max(MaxPool),
}

impl<R: Real> Pooling<R> {
    pub(crate) fn new(of: &PoolOf) -> Pooling<R> {
        let res2lab_arch::Pool { kernel, stride, padding, ceil_mode, count_include_pad, after } =
            of.pool;
        let res2lab_arch::Shape { height, width, .. } = of.input;
        let shape = PoolShape { height, width, kernel, stride, padding, ceil_mode, after };
        match of.is_max {
            true => Pooling::Max(MaxPool::new(shape)),
            false => Pooling::Average(AveragePool::new(shape, count_include_pad)),
        }
    }

    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Pooling::Average(pool) => pool.scratch_len(),
            Pooling::Max(pool) => pool.scratch_len(),
        }
    }
}

impl<R> Layout<R> {
    /// The images of a thread: its share, or all images if threads work on the same ones.
    pub(crate) fn images_of(&self, thread: usize, images: usize) -> Range<usize> {
        if self.shares_images {
            return 0..images;
        }
        Share { index: thread, of: self.threads }.within(0..images)
    }

    /// The most images that a thread has.
    pub(crate) fn most_images(&self) -> usize {
        if self.shares_images { self.batch } else { self.batch.div_ceil(self.threads) }
    }

    /// The range of an entry of the state in its flat buffer.
    pub(crate) fn entry(&self, tables: &Tables, entry: EntryId) -> Range<usize> {
        let start = self.entries[entry];
        start..start + tables.state[entry].elements
    }

    /// The first element of a slice's first image in the arena.
    pub(crate) fn offset(&self, tables: &Tables, slice: BufferSlice) -> usize {
        let whole = tables.buffers[slice.buffer];
        self.offsets[slice.buffer] + slice.start * whole.height * whole.width
    }
}
