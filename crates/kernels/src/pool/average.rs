//! Average pools: sums over the rows of a window, then along the row.

use std::ops::Range;

use super::rows::RowSum;
use super::shape::PoolShape;
use crate::dispatch::Real;
use crate::dispatch::Stored;
use crate::view::View;

/// An average pool of one shape, ready to run.
#[derive(Clone, Debug)]
pub struct AveragePool<R> {
    shape: PoolShape,
    /// The reciprocal of the pixels that each window counts, along each axis.
    rows: Vec<R>,
    cols: Vec<R>,
    ones: Vec<R>,
}

impl<R: Real> AveragePool<R> {
    /// Prepares a pool. With `count_include_pad`, a window counts the padding too.
    pub fn new(shape: PoolShape, count_include_pad: bool) -> Self {
        shape.check();
        let scales = |size: usize| {
            let counts = (0..shape.windows(size)).map(|i| {
                let start = i * shape.stride;
                let end = start + shape.kernel;
                if count_include_pad {
                    return end.min(size + 2 * shape.padding + shape.after) - start;
                }
                let end = end.saturating_sub(shape.padding).min(size + shape.after);
                end - start.saturating_sub(shape.padding)
            });
            counts.map(|count| R::from_f64(1.0 / count as f64)).collect()
        };
        let ones = vec![R::ONE; shape.width.max(shape.kernel)];
        AveragePool { shape, rows: scales(shape.height), cols: scales(shape.width), ones }
    }

    /// Elements of scratch memory that both directions need.
    pub fn scratch_len(&self) -> usize {
        let shape = &self.shape;
        (self.cols.len() * shape.stride + shape.kernel).max(shape.width + shape.padding)
            + 2 * shape.kernel
    }

    /// Pools `x` into `out`.
    ///
    /// # Safety
    /// The contract at [`View`].
    pub unsafe fn forward<T: Stored<Real = R>>(
        &self,
        x: View<T>,
        out: View<T>,
        images: Range<usize>,
        scratch: &mut [R],
    ) {
        let shape = &self.shape;
        self.check(x, out, scratch);
        scratch.fill(R::ZERO);
        for image in images {
            for channel in 0..out.channels {
                for (y, &scale) in self.rows.iter().enumerate() {
                    let rows = shape.window(y, shape.height);
                    // SAFETY: the rows of the window lie within the plane, which the caller
                    // guarantees.
                    unsafe {
                        let sum = RowSum {
                            from: x.plane(image, channel).add(rows.start * shape.width),
                            rows: rows.len(),
                            cols: shape.width,
                            row_scale: self.ones.as_ptr(),
                            col_scale: self.ones.as_ptr(),
                            scratch: scratch.as_mut_ptr(),
                            lead: shape.padding,
                            place: 1,
                            kernel: shape.kernel,
                            stride: shape.stride,
                            into: out.plane(image, channel).add(y * out.width),
                            into_cols: out.width,
                            into_scale: scale,
                            into_col_scale: self.cols.as_ptr(),
                            add: false,
                        };
                        (T::kernels().pool_row)(&sum);
                    }
                }
            }
        }
    }

    /// Writes, or accumulates, the gradient of the input: for each pixel, the sum over the windows
    /// that contain it. Along a row, the gradients of the windows are placed `stride` elements
    /// apart among zeros, and each pixel sums `kernel` consecutive elements.
    ///
    /// # Safety
    /// The contract at [`View`].
    pub unsafe fn backward<T: Stored<Real = R>>(
        &self,
        gradient: View<T>,
        into: View<T>,
        add: bool,
        images: Range<usize>,
        scratch: &mut [R],
    ) {
        let shape = &self.shape;
        self.check(into, gradient, scratch);
        scratch.fill(R::ZERO);
        for image in images {
            for channel in 0..into.channels {
                for y in 0..shape.height {
                    let end = ((y + shape.padding) / shape.stride + 1).min(self.rows.len());
                    let first = (y + shape.padding + 1)
                        .saturating_sub(shape.kernel)
                        .div_ceil(shape.stride)
                        .min(end);
                    // SAFETY: windows first..end exist, and the caller guarantees the planes.
                    unsafe {
                        let sum = RowSum {
                            from: gradient.plane(image, channel).add(first * gradient.width),
                            rows: end - first,
                            cols: gradient.width,
                            row_scale: self.rows.as_ptr().add(first),
                            col_scale: self.cols.as_ptr(),
                            scratch: scratch.as_mut_ptr(),
                            lead: shape.kernel - 1 - shape.padding,
                            place: shape.stride,
                            kernel: shape.kernel,
                            stride: 1,
                            into: into.plane(image, channel).add(y * into.width),
                            into_cols: into.width,
                            into_scale: R::ONE,
                            into_col_scale: self.ones.as_ptr(),
                            add,
                        };
                        (T::kernels().pool_row)(&sum);
                    }
                }
            }
        }
    }

    fn check<T>(&self, input: View<T>, output: View<T>, scratch: &[R]) {
        let shape = &self.shape;
        shape.check_views(input, output);
        assert!(scratch.len() >= self.scratch_len(), "scratch memory is too short");
    }
}
