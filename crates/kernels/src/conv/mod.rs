//! Convolutions, their input's gradient and their weights' gradient.
//!
//! Images are copied into planes with zeros around them, one for each phase of the stride, so that a tap of the window is an
//! offset: out[p] = sum over channels and taps of w * in[p + offset], with p counting along padded rows. Rows then are long
//! enough for vectors whatever the image's width, and all three passes are products of the same two inner loops.

mod backward;
mod forward;
mod fill;

pub use backward::{Gradient, NormBackward};
pub use forward::Epilogue;

use crate::matmul::{COLUMNS, ROWS};
use crate::real::Real;
use std::ops::Range;

/// A convolution with a square window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConvShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub groups: usize,
}

/// Everything about a convolution that does not change from step to step.
#[derive(Clone, Debug)]
pub struct ConvPlan {
    pub(crate) shape: ConvShape,
    /// Size of the result.
    pub(crate) out_height: usize,
    pub(crate) out_width: usize,
    /// Largest tap within a phase: (kernel - 1) / stride.
    pub(crate) reach: usize,
    /// Phases along an axis that any tap falls on.
    pub(crate) phases: usize,
    /// Elements of a padded row, the same for input phases, result and its gradient.
    pub(crate) pitch: usize,
    /// Rows of an input phase.
    pub(crate) rows: usize,
    /// Images that are worked on as one tall one: small planes fill no vectors.
    pub(crate) join: usize,
    /// Taps of the input gradient, phase by phase.
    pub(crate) backward: Vec<PhaseTaps>,
}

/// The taps that reach the input pixels of one phase.
#[derive(Clone, Debug)]
pub(crate) struct PhaseTaps {
    pub row: usize,
    pub column: usize,
    /// Row and column of the window, and how far up and left of the pixel the gradient is read.
    pub taps: Vec<(usize, usize)>,
    /// Where its packed weights start, within a group's.
    pub start: usize,
}

/// Images are joined until their planes have so many elements.
const JOINED: usize = 256;
/// Elements of packed input that stay in the cache while all output channels pass over them.
const PANEL: usize = 32 * 1024;
/// Most tiles at a time.
const TILES: usize = 16;

impl ConvPlan {
    /// Plans it. The window must not be larger than the padded image, and groups must divide both channel counts.
    pub fn new(shape: ConvShape) -> ConvPlan {
        let ConvShape { height, width, kernel, stride, padding, groups, .. } = shape;
        assert!(shape.channels.is_multiple_of(groups) && shape.out.is_multiple_of(groups), "groups divide channels");
        let (out_height, out_width) =
            ((height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1);
        let reach = (kernel - 1) / stride;
        let phases = kernel.min(stride);
        let plane = out_height * out_width;
        let join = if kernel == 1 { JOINED.div_ceil(plane) } else { 1 };
        let mut plan = ConvPlan {
            shape,
            out_height,
            out_width,
            reach,
            phases,
            pitch: out_width + reach,
            rows: out_height + reach,
            join,
            backward: Vec::new(),
        };
        let mut start = 0;
        for (row, column) in (0..phases * phases).map(|i| (i / phases, i % phases)) {
            let of = |phase: usize| (phase..kernel).step_by(stride);
            let taps: Vec<_> = of(row).flat_map(|y| of(column).map(move |x| (y, x))).collect();
            let length = plan.group_channels() * plan.group_out() * taps.len();
            plan.backward.push(PhaseTaps { row, column, taps, start });
            start += length;
        }
        plan
    }

    pub(crate) fn group_channels(&self) -> usize {
        self.shape.channels / self.shape.groups
    }

    pub(crate) fn group_out(&self) -> usize {
        self.shape.out / self.shape.groups
    }

    /// Products of one output value.
    pub(crate) fn depth(&self) -> usize {
        self.group_channels() * self.shape.kernel * self.shape.kernel
    }

    /// Elements of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.shape.out * self.depth()
    }

    /// Elements of the weights packed for the input's gradient.
    pub fn packed_backward_len(&self) -> usize {
        self.shape.out * self.depth()
    }

    /// Whether a 1x1 reads the input where it lies.
    pub(crate) fn is_direct(&self) -> bool {
        let ConvShape { kernel, stride, padding, .. } = self.shape;
        kernel == 1 && stride == 1 && padding == 0 && self.join == 1
    }

    /// Elements of one phase plane of one channel, for the joined images.
    pub(crate) fn plane(&self) -> usize {
        self.join * self.rows * self.pitch
    }

    /// Elements before a gradient plane's first row: zeros that taps up and left of it read.
    pub(crate) fn lead(&self) -> usize {
        self.reach + self.reach * self.pitch
    }

    /// Elements of one plane of the result's gradient, with zeros all around.
    pub(crate) fn gradient_plane(&self) -> usize {
        self.lead() + self.join * self.rows * self.pitch + self.reach + COLUMNS
    }

    pub(crate) fn input_len(&self) -> usize {
        self.shape.channels * self.phases * self.phases * self.plane() + COLUMNS
    }

    pub(crate) fn panel_len(&self, depth: usize) -> usize {
        depth * COLUMNS * tiles_at_once(depth)
    }

    /// Elements of scratch that every pass needs.
    pub fn scratch_len(&self) -> usize {
        let gradient = self.shape.out * self.gradient_plane();
        let deepest = self.backward.iter().map(|phase| phase.taps.len() * self.group_out()).max().unwrap_or(0);
        let depth = self.depth().max(deepest);
        let rows = self.group_out().max(self.group_channels());
        // One tile at a time reaches past what is asked for.
        let temporary = (rows + ROWS) * COLUMNS * TILES;
        self.input_len() + gradient + depth * COLUMNS + PANEL + temporary
    }

    /// `weights` ([out][channels / groups][kernel][kernel]) in the order in which tiles read them.
    pub fn pack<T: Real>(&self, weights: &[T], packed: &mut [T]) {
        let depth = self.depth();
        let mut packed = packed.iter_mut();
        for group in 0..self.shape.groups {
            for rows in blocks(self.group_out()) {
                let first = group * self.group_out();
                for k in 0..depth {
                    for (row, to) in rows.clone().zip(&mut packed) {
                        *to = weights[(first + row) * depth + k];
                    }
                }
            }
        }
    }

    /// The same for the input's gradient: for each phase the taps that reach it, output channels first.
    pub fn pack_backward<T: Real>(&self, weights: &[T], packed: &mut [T]) {
        let kernel = self.shape.kernel;
        let (depth, channels, out) = (self.depth(), self.group_channels(), self.group_out());
        let mut packed = packed.iter_mut();
        for group in 0..self.shape.groups {
            for phase in &self.backward {
                for rows in blocks(channels) {
                    for of in (0..out).map(|o| &weights[(group * out + o) * depth..][..depth]) {
                        for (y, x) in &phase.taps {
                            for (channel, to) in rows.clone().zip(&mut packed) {
                                *to = of[(channel * kernel + y) * kernel + x];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Rows in blocks of at most [`ROWS`], as even as can be.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let count = rows.div_ceil(ROWS);
    (0..count).map(move |i| rows * i / count..rows * (i + 1) / count)
}

/// Tiles whose packed input stays in the cache.
pub(crate) fn tiles_at_once(depth: usize) -> usize {
    (PANEL / (depth * COLUMNS)).clamp(1, TILES)
}
