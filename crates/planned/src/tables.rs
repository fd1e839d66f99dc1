//! Constants of a program, which instructions refer to by index.

use crate::allocation::BufferSlice;
use res2lab_arch::{Interpolation, Pool, Shape};
use res2lab_kernels::ConvShape;
use std::ops::Range;

/// The index of a convolution in [`Tables::convs`].
pub type ConvId = usize;
/// The index of a batch norm in [`Tables::norms`].
pub type NormId = usize;
/// The index of a pool in [`Tables::pools`].
pub type PoolId = usize;
/// The index of a change of size in [`Tables::resizes`].
pub type ResizeId = usize;
/// The index of an entry of the graph's state in [`Tables::state`].
pub type EntryId = usize;

/// The constants of a program.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The convolutions, in the order in which they run.
    pub convs: Vec<ConvOf>,
    /// The norms, in the order in which they run.
    pub norms: Vec<NormOf>,
    /// The pools, in the order in which they run.
    pub pools: Vec<PoolOf>,
    /// The changes of size, in the order in which they run.
    pub resizes: Vec<ResizeOf>,
    /// The shape of each buffer for one image: first those of values, then those of gradients.
    pub buffers: Vec<Shape>,
    /// For each buffer, the buffer whose memory it uses: itself, unless it is an alias (see
    /// `aliasing`).
    pub alias_of: Vec<usize>,
    /// The entries of the graph's state, in its order.
    pub state: Vec<Entry>,
    /// The slice of the logits.
    pub logits: BufferSlice,
    /// The slice of the gradient of the logits, which the caller writes.
    pub logits_gradient: BufferSlice,
}

/// An entry of the graph's state.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name in a checkpoint.
    pub name: String,
    /// The number of elements.
    pub elements: usize,
}

/// The constants of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOf {
    pub pool: Pool,
    pub input: Shape,
    pub output: BufferSlice,
    /// Whether it is a max pool, which stores the positions of its maxima.
    pub is_max: bool,
}

/// The constants of a change of size.
#[derive(Clone, Copy, Debug)]
pub struct ResizeOf {
    pub input: Shape,
    pub output: BufferSlice,
    pub how: Interpolation,
}

/// The constants of a convolution.
#[derive(Clone, Debug)]
pub struct ConvOf {
    pub node: res2lab_arch::NodeId,
    pub shape: ConvShape,
    /// The entry of the state that holds its weights.
    pub weight: EntryId,
    /// The entry of the state that holds its bias.
    pub bias: Option<EntryId>,
}

/// The constants of a batch norm.
#[derive(Clone, Debug)]
pub struct NormOf {
    /// The first of four entries of the state: weight, bias, running mean, running variance.
    pub state: EntryId,
    pub eps: f64,
    /// The weight of the new value in the running statistics, as in PyTorch.
    pub momentum: f64,
    /// The input.
    pub x: BufferSlice,
    /// The convolution that computes the input, if the norm is its only reader.
    pub conv: Option<ConvId>,
    /// The index of its first channel among the channels of all norms.
    pub first_channel: usize,
}

impl NormOf {
    /// The range of its channels among the channels of all norms.
    pub(crate) fn channels(&self) -> Range<usize> {
        self.first_channel..self.first_channel + self.x.shape.channels
    }
}

impl Tables {
    /// Adds a norm, whose channels follow those of the norms before it.
    pub(crate) fn add_norm(&mut self, norm: NormOf) -> NormId {
        let first_channel = self.channels();
        self.norms.push(NormOf { first_channel, ..norm });
        self.norms.len() - 1
    }

    /// The channels of all norms.
    pub fn channels(&self) -> usize {
        self.norms.last().map_or(0, |last| last.channels().end)
    }

    /// The elements of several entries of the state.
    pub(crate) fn elements(&self, entries: Range<EntryId>) -> usize {
        self.state[entries].iter().map(|entry| entry.elements).sum()
    }
}
