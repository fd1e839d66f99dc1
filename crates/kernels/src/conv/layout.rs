//! How images lie in a panel: padded rows, strips of rows of large images, several small images
//! side by side.

use super::ConvShape;

/// Elements of a panel that may stay in the second-level cache, and the fewest and most positions
/// of its planes.
const PANEL: usize = 64 * 1024;
const POSITIONS: (usize, usize) = (256, 1024);
/// Room after a plane for whole vectors.
const SLACK: usize = 24;

/// Where planes of an image stand in a panel that taps read at fixed distances.
///
/// Plane (a, b) of a channel holds the padded image's elements (step * R + a, step * Q + b). Output
/// (y, x) is at position `y * pitch + x`. The zeros on the left of a row serve as the zeros on the
/// right of the row before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub step: usize,
    pub padding: usize,
    /// Rows and columns of the source.
    pub height: usize,
    pub width: usize,
    /// Rows and columns of positions that are wanted.
    pub rows: usize,
    pub cols: usize,
    /// Planes along each axis.
    pub phases: usize,
}

impl Grid {
    /// The input of a convolution, for its output.
    pub(crate) fn forward(shape: &ConvShape) -> Self {
        let (rows, cols) = shape.output();
        let phases = shape.stride.min(shape.kernel);
        let height = shape.height;
        let width = shape.width;
        Grid { step: shape.stride, padding: shape.padding, height, width, rows, cols, phases }
    }

    /// The gradient of its output, for that of its input.
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
        // Asked for every plane, and most grids need no division.
        if self.step == 1 {
            return self.padding.saturating_sub(b);
        }
        self.padding.saturating_sub(b).div_ceil(self.step)
    }

    /// Elements of the source in a row of phase `b` (or rows, of a plane, with `size` the source's
    /// height).
    pub(crate) fn taken(&self, b: usize, size: usize) -> usize {
        let first = self.lead(b) * self.step + b;
        let remaining = (size + self.padding).saturating_sub(first);
        if self.step == 1 { remaining } else { remaining.div_ceil(self.step) }
    }

    /// The shortest pitch at which no tap of a row reaches the elements of the next.
    fn pitch(&self, reach: usize) -> usize {
        let ends =
            (0..self.phases).map(|b| self.lead(b) + self.taken(b, self.width)).max().unwrap_or(0);
        let lead = (0..self.phases).map(|b| self.lead(b)).min().unwrap_or(0);
        ends.max(self.cols).max((self.cols + reach).saturating_sub(lead))
    }
}

/// How far taps reach, in positions of a phase, along an axis.
pub(crate) fn reach(shape: &ConvShape) -> usize {
    (shape.kernel - 1) / shape.stride
}

/// Positions of the padded input before the first that is an element of the input, in every phase.
pub(crate) fn skip(shape: &ConvShape) -> usize {
    shape.padding / shape.stride
}

/// What both directions share, so that a gradient and an input meet at the same positions.
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
    /// Elements between images, and between planes.
    pub span: usize,
    pub plane: usize,
    /// Rows have nothing between them: an image is one run of positions, and so are several.
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
        // An odd number of cache lines, so that the same place in successive planes falls on
        // different sets.
        let plane = (used.div_ceil(16) | 1) * 16;
        Layout { forward, backward, pitch, reach, strip_rows, strip_images, span, plane, flat }
    }

    /// Rows of the larger of the two grids.
    pub(crate) fn rows(&self) -> usize {
        self.forward.rows.max(self.backward.rows)
    }
}
