//! The shape of a pool.

use std::ops::Range;

use crate::view::View;

/// The shape of a pool over planes of `height` by `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows and columns of a window.
    pub kernel: usize,
    /// Pixels between neighboring windows.
    pub stride: usize,
    /// Pixels by which windows may extend beyond each side; at most half the kernel.
    pub padding: usize,
    /// Rows of zeros below the image, and columns of zeros on its right, which an average counts.
    pub after: usize,
    /// Whether the output size is rounded up.
    pub ceil_mode: bool,
}

impl PoolShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> (usize, usize) {
        (self.windows(self.height), self.windows(self.width))
    }

    /// Windows along an axis of `size` pixels. With `ceil_mode` the last one must begin inside the
    /// image or on its left.
    pub(super) fn windows(&self, size: usize) -> usize {
        let free = size + 2 * self.padding + self.after - self.kernel;
        if !self.ceil_mode {
            return free / self.stride + 1;
        }
        let windows = free.div_ceil(self.stride) + 1;
        if (windows - 1) * self.stride >= size + self.padding { windows - 1 } else { windows }
    }

    /// The pixels of window `i` that are in the image, along an axis of `size` pixels.
    pub(super) fn window(&self, i: usize, size: usize) -> Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(self.padding)
            ..(start + self.kernel).saturating_sub(self.padding).min(size)
    }

    /// Checks the sizes of views, which may have any number of channels.
    pub(super) fn check_views<T>(&self, input: View<T>, output: View<T>) {
        assert_eq!(input.channels, output.channels);
        assert_eq!((input.height, input.width), (self.height, self.width));
        assert_eq!((output.height, output.width), self.output());
    }

    pub(super) fn check(&self) {
        assert!(self.kernel > 0 && self.stride > 0 && 2 * self.padding <= self.kernel);
        assert!(
            self.height.min(self.width) + 2 * self.padding + self.after >= self.kernel,
            "the window is larger than the image"
        );
    }
}
