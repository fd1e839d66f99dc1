//! The layout of images in a panel: padded rows, strips of rows of large images, several small
//! images side by side.

use super::shape::ConvShape;

/// The elements of a panel that should stay in the second-level cache.
const PANEL: usize = 64 * 1024;
/// The fewest and the most positions of a panel's planes.
const POSITIONS: (usize, usize) = (256, 1024);
/// Elements after the positions of a plane, so that whole vectors can be accessed.
const SLACK: usize = 24;

/// The grid of positions in a panel, which taps read at fixed offsets.
///
/// Plane (a, b) of a channel holds one phase of the padded image: its elements
/// (step * R + a, step * Q + b). The position of output (y, x) is `y * pitch + x`. The zeros on
/// the left of a row also serve as the zeros on the right of the row before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub step: usize,
    pub padding: usize,
    /// The size of the source.
    pub height: usize,
    pub width: usize,
    /// The size of the result.
    pub rows: usize,
    pub cols: usize,
    /// Phases along each axis.
    pub phases: usize,
}

impl Grid {
    /// The grid that computes the output of a convolution from its input.
    pub(crate) fn forward(shape: &ConvShape) -> Self {
        let (rows, cols) = shape.output();
        let phases = shape.stride.min(shape.kernel);
        let height = shape.height;
        let width = shape.width;
        Grid { step: shape.stride, padding: shape.padding, height, width, rows, cols, phases }
    }

    /// The grid that computes the gradient of the input from that of the output.
    pub(crate) fn backward(shape: &ConvShape) -> Self {
        let (height, width) = shape.output();
        let skip = skip(shape);
        let last = |size: usize| (size - 1 + shape.padding) / shape.stride - skip + 1;
        let rows = last(shape.height);
        let cols = last(shape.width);
        Grid { step: 1, padding: reach(shape) - skip, height, width, rows, cols, phases: 1 }
    }

    /// Zeros before the first element of a row of phase `b`.
    pub(crate) fn lead(&self, b: usize) -> usize {
        // This runs for every plane, and most grids need no division.
        if self.step == 1 {
            return self.padding.saturating_sub(b);
        }
        self.padding.saturating_sub(b).div_ceil(self.step)
    }

    /// Elements of the source in a row of phase `b`, where the source has `size` columns. The same
    /// function counts the rows of a plane.
    pub(crate) fn taken(&self, b: usize, size: usize) -> usize {
        let first = self.lead(b) * self.step + b;
        let remaining = (size + self.padding).saturating_sub(first);
        if self.step == 1 { remaining } else { remaining.div_ceil(self.step) }
    }

    /// The shortest pitch at which no tap of a row reaches elements of the next row.
    fn pitch(&self, reach: usize) -> usize {
        let ends =
            (0..self.phases).map(|b| self.lead(b) + self.taken(b, self.width)).max().unwrap_or(0);
        let lead = (0..self.phases).map(|b| self.lead(b)).min().unwrap_or(0);
        ends.max(self.cols).max((self.cols + reach).saturating_sub(lead))
    }
}

/// The largest offset of a tap along an axis, in positions of a phase.
pub(crate) fn reach(shape: &ConvShape) -> usize {
    shape.dilation * (shape.kernel - 1) / shape.stride
}

/// The positions, in every phase, that lie in the padding before the first element of the input.
pub(crate) fn skip(shape: &ConvShape) -> usize {
    shape.padding / shape.stride
}

/// The layout of both directions. It is shared, so that an output's gradient and its input have the
/// same positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub forward: Grid,
    pub backward: Grid,
    pub pitch: usize,
    pub reach: usize,
    /// Rows of a strip.
    pub strip_rows: usize,
    /// Images of a strip.
    pub strip_images: usize,
    /// Elements between images.
    pub span: usize,
    /// Elements between planes.
    pub plane: usize,
    /// Whether rows are contiguous without padding, so that one or several images are one run.
    pub flat: bool,
}

impl Layout {
    pub(crate) fn new(shape: &ConvShape) -> Self {
        let forward = Grid::forward(shape);
        let backward = Grid::backward(shape);
        let reach = reach(shape);
        let pitch = forward.pitch(reach).max(backward.pitch(reach));
        let rows = forward.rows.max(backward.rows);
        let planes =
            (shape.channels * forward.phases * forward.phases).max(shape.out) / shape.groups;
        let target = (PANEL / planes).clamp(POSITIONS.0, POSITIONS.1);
        let strips = (2 * rows * pitch).div_ceil(3 * target).max(1);
        let strips = if strips == 1 { 1 } else { rows.div_ceil((target / pitch).max(1)) };
        let strip_rows = rows.div_ceil(strips);
        let strip_images = if strips == 1 { (target / (rows * pitch)).max(1) } else { 1 };
        let flat = shape.kernel == 1 && pitch == forward.cols;
        let span = if flat {
            strip_rows * pitch
        } else {
            ((strip_rows + reach) * pitch).max(strip_rows * pitch + SLACK)
        };
        let used = strip_images * span + SLACK + reach;
        // An odd number of cache lines, so that the same position in successive planes falls into
        // different cache sets.
        let plane = (used.div_ceil(16) | 1) * 16;
        Layout { forward, backward, pitch, reach, strip_rows, strip_images, span, plane, flat }
    }

    /// The rows of the larger grid.
    pub(crate) fn rows(&self) -> usize {
        self.forward.rows.max(self.backward.rows)
    }
}
