//! What one thread accesses during a pass: its own memory and that of all threads. The checked
//! program (see `check`) guarantees that no thread reads what another one writes meanwhile.

use crate::access::{GradientTarget, Partials};
use crate::allocation::{BufferSlice, IMAGES};
use crate::layout::Layout;
use crate::norms::{Affine, ChannelSums, Constants};
use crate::profile::Profile;
use crate::tables::{EntryId, NormId, PoolId, Tables};
use crate::threads::Barrier;
use res2lab_arch::Shape;
use res2lab_kernels::element::Element;
use res2lab_kernels::{Share, Stored, View};
use std::ops::Range;

/// Memory that all threads access.
pub(crate) struct Shared<T: Stored> {
    pub images: *const T,
    pub values: *const T::Real,
    pub gradients: *mut T::Real,
    /// Whether gradients accumulate.
    pub accumulates: bool,
    pub running: *mut T::Real,
    pub sums: *mut f64,
    /// The random factors of drop path and dropout: of each node those of all images.
    pub noise: *const T::Real,
    /// Two buffers, so that one can be read while the other is written.
    pub partials: [*mut T::Real; 2],
    /// Buffers for the packed weights of one convolution.
    pub packed: Vec<*mut T::Real>,
}

// SAFETY: threads write to disjoint ranges (their sums, their partial gradients, their share of a
// gradient), and a barrier precedes every read of a range that another thread wrote.
unsafe impl<T: Stored> Sync for Shared<T> {}

/// The address of an arena, which several threads may access.
pub(crate) struct Arena<T>(pub *mut T);

// SAFETY: threads write to disjoint ranges of the arena, and a barrier precedes every read of a
// range that another thread wrote.
unsafe impl<T: Send> Send for Arena<T> {}

/// One thread during a pass.
pub(crate) struct Thread<'a, T: Stored> {
    pub tables: &'a Tables,
    pub layout: &'a Layout<T::Real>,
    pub shared: &'a Shared<T>,
    pub barrier: &'a Barrier,
    /// The index of this thread, and the number of threads.
    pub team: Share,
    /// The images of the batch that this thread works on.
    pub batch: Range<usize>,
    /// The images of the current micro-batch, within this thread's images.
    pub images: Range<usize>,
    /// Buffers of this thread's images.
    pub arena: *mut T,
    pub scratch: *mut T::Real,
    /// This thread's copy of all norms' statistics and coefficients.
    pub constants: &'a mut Constants<T::Real>,
    /// The positions of maxima that each max pool stored.
    pub positions: Vec<*mut u32>,
    /// This thread's share of each result, where all threads work on the same images.
    pub share: Share,
    /// Whether views cover only this thread's share of the channels.
    pub is_split: bool,
    /// Where the time of instructions is added, if it is asked for.
    pub profile: Option<&'a mut Profile>,
}

impl<'a, T: Stored> Thread<'a, T> {
    /// Whether this is the first thread, which alone writes what threads have in common.
    pub(crate) fn is_first(&self) -> bool {
        self.team.index == 0
    }

    /// A view of a buffer slice. No kernel writes through a view of the input images.
    pub(crate) fn view(&self, slice: BufferSlice) -> View<T> {
        let whole = self.tables.buffers[slice.buffer];
        let start = slice.start * whole.height * whole.width;
        // A buffer of one micro-batch begins with the first image of that micro-batch.
        let before =
            self.layout.local[slice.buffer].map_or(0, |_| self.images.start * whole.elements());
        let base = match slice.buffer {
            // SAFETY: the batch contains this thread's images.
            IMAGES => unsafe {
                self.shared.images.add(self.batch.start * whole.elements()).cast_mut()
            },
            // SAFETY: the arena contains every buffer at its offset, and a slice lies within its
            // buffer.
            buffer => unsafe { self.arena.add(self.layout.offsets[buffer]) },
        };
        let mut channels = 0..slice.shape.channels;
        if self.is_split {
            channels = self.share.within(channels);
        }
        let start = start + channels.start * whole.height * whole.width;
        View {
            // SAFETY: the channels lie within the buffer, as above.
            at: unsafe { base.add(start) }.wrapping_sub(before),
            image_stride: whole.elements(),
            channels: channels.len(),
            height: slice.shape.height,
            width: slice.shape.width,
        }
    }

    /// A view of the random factors of this thread's images, which no kernel writes.
    pub(crate) fn noise(&self, before: usize, of: Shape) -> View<T::Real> {
        let each = of.elements();
        let start = before * self.layout.batch + self.batch.start * each;
        View {
            // SAFETY: `Plan::noise` gives factors for every image of these nodes.
            at: unsafe { self.shared.noise.add(start) }.cast_mut(),
            image_stride: each,
            channels: of.channels,
            height: of.height,
            width: of.width,
        }
    }

    pub(crate) fn views(&self, slices: &[BufferSlice]) -> Vec<View<T>> {
        slices.iter().map(|slice| self.view(*slice)).collect()
    }

    /// The values of this thread's images in a slice with one value per channel, row by row.
    pub(crate) fn rows(&self, slice: BufferSlice) -> &'a mut [T] {
        let channels = slice.shape.channels;
        let images = self.images.start * channels..self.images.end * channels;
        slice_mut(self.view(slice).at, images)
    }

    /// As [`Thread::rows`], for the target of a gradient, with whether to accumulate.
    pub(crate) fn target_rows(&self, target: GradientTarget) -> (&'a mut [T], bool) {
        (self.rows(target.to), target.add)
    }

    /// Memory for the kernel that runs.
    pub(crate) fn scratch(&self) -> &'a mut [T::Real] {
        slice_mut(self.scratch, 0..self.layout.lengths.scratch)
    }

    /// The stored positions of a max pool's maxima, one for each value of its result.
    pub(crate) fn positions(&self, pool: PoolId, result: View<T>) -> View<u32> {
        let View { channels, height, width, .. } = result;
        let image_stride = channels * height * width;
        View { at: self.positions[pool], image_stride, channels, height, width }
    }

    /// The values of an entry of the state.
    pub(crate) fn values(&self, entry: EntryId) -> &'a [T::Real] {
        slice(self.shared.values, self.layout.entry(self.tables, entry))
    }

    /// The gradient of an entry of the state.
    pub(crate) fn gradient(&self, entry: EntryId) -> &'a mut [T::Real] {
        slice_mut(self.shared.gradients, self.layout.entry(self.tables, entry))
    }

    /// The running statistics in an entry of the state.
    pub(crate) fn running(&self, entry: EntryId) -> &'a mut [T::Real] {
        slice_mut(self.shared.running, self.layout.entry(self.tables, entry))
    }

    /// The packed weights of a convolution.
    pub(crate) fn packed(&self, buffer: usize, weight: EntryId) -> &'a [T::Real] {
        slice(self.shared.packed[buffer], 0..self.tables.state[weight].elements)
    }

    /// The memory for this thread's partial gradient of an entry, and whether to accumulate into
    /// it.
    pub(crate) fn partial(&self, partials: &Partials, entry: EntryId) -> (&'a mut [T::Real], bool) {
        if self.is_first() {
            return (self.gradient(entry), self.shared.accumulates);
        }
        let range = self.partial_range(partials, entry, self.team.index);
        (slice_mut(self.shared.partials[partials.buffer], range), false)
    }

    /// The partial gradient of an entry that a thread other than the first has computed.
    pub(crate) fn partial_of(
        &self,
        partials: &Partials,
        entry: EntryId,
        thread: usize,
    ) -> &'a [T::Real] {
        let range = self.partial_range(partials, entry, thread);
        slice(self.shared.partials[partials.buffer], range)
    }

    fn partial_range(&self, partials: &Partials, entry: EntryId, thread: usize) -> Range<usize> {
        let before = self.tables.elements(partials.entries.start..entry);
        let start = (thread - 1) * self.layout.lengths.partials + before;
        start..start + self.tables.state[entry].elements
    }

    /// This thread's share of the gradient of an entry.
    pub(crate) fn gradient_share(&self, entry: EntryId) -> (&'a mut [T::Real], Range<usize>) {
        let whole = self.layout.entry(self.tables, entry);
        let share = self.team.within(0..whole.len());
        let range = whole.start + share.start..whole.start + share.end;
        (slice_mut(self.shared.gradients, range), share)
    }

    /// This thread's two sums for each channel of a norm: all first sums, then all second sums.
    pub(crate) fn sums(&self, norm: NormId) -> &'a mut [f64] {
        // Each thread has a range of its own, and no two slices of one norm's sums are used at the
        // same time.
        slice_mut(self.shared.sums, self.sums_range(norm, self.team.index))
    }

    fn sums_range(&self, norm: NormId, thread: usize) -> Range<usize> {
        let channels = self.tables.norms[norm].channels();
        let start = 2 * (thread * self.layout.lengths.channels + channels.start);
        start..start + 2 * channels.len()
    }

    /// All threads' sums of one channel, added in the order of threads.
    pub(crate) fn all_sums(&self, norm: NormId, channel: usize) -> ChannelSums {
        let channels = self.tables.norms[norm].x.shape.channels;
        let mut sums = ChannelSums { first: 0.0, second: 0.0 };
        for thread in 0..self.team.of {
            let of_thread = slice(self.shared.sums, self.sums_range(norm, thread));
            sums.first += of_thread[channel];
            sums.second += of_thread[channels + channel];
        }
        sums
    }

    /// The trained values of one channel of a norm.
    pub(crate) fn affine(&self, norm: NormId, channel: usize) -> Affine {
        let state = self.tables.norms[norm].state;
        Affine {
            weight: self.values(state)[channel].to_f64(),
            bias: self.values(state + 1)[channel].to_f64(),
        }
    }

    /// The number of values over which the statistics of one channel are taken.
    pub(crate) fn count(&self, norm: NormId) -> f64 {
        let shape = self.tables.norms[norm].x.shape;
        (self.layout.batch * shape.height * shape.width) as f64
    }
}

/// A range of memory that no other thread writes during the current instruction.
fn slice<'a, T>(at: *const T, range: Range<usize>) -> &'a [T] {
    // SAFETY: callers pass ranges of the workspace's memory, whose lengths follow from the same
    // layout.
    unsafe { std::slice::from_raw_parts(at.add(range.start), range.len()) }
}

/// A range of memory that only this thread accesses during the current instruction.
fn slice_mut<'a, T>(at: *mut T, range: Range<usize>) -> &'a mut [T] {
    // SAFETY: as in `slice`.
    unsafe { std::slice::from_raw_parts_mut(at.add(range.start), range.len()) }
}
