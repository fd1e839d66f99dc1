//! Max pools.

use std::ops::Range;

use super::PoolShape;
use super::rows::{Highest, Maximum};
use crate::real::Real;
use crate::view::View;

/// How to compute a max pool.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    shape: PoolShape,
}

impl MaxPool {
    /// Plans a pool.
    pub fn new(shape: PoolShape) -> Self {
        shape.check();
        MaxPool { shape }
    }

    /// Writes each window's maximum, and to `index` (of the output's shape) where in its plane it is. The first of equal
    /// values is taken; what is no number wins.
    ///
    /// # Safety
    /// The promise at [`View`].
    pub unsafe fn forward<T: Real>(&self, x: View<T>, out: View<T>, index: View<u32>, images: Range<usize>) {
        let shape = &self.shape;
        shape.check_views(x, out);
        assert!(index.same_shape(&out));
        for image in images {
            for channel in 0..out.channels {
                for y in 0..out.height {
                    // SAFETY: the window's rows are in the plane; the caller's promise.
                    unsafe {
                        let maximum = Maximum {
                            from: x.plane(image, channel),
                            width: shape.width,
                            rows: shape.window(y, shape.height),
                            kernel: shape.kernel,
                            stride: shape.stride,
                            padding: shape.padding,
                            into: out.plane(image, channel).add(y * out.width),
                            index: index.plane(image, channel).add(y * out.width),
                            cols: out.width,
                        };
                        (T::kernels().pool_maximum)(&maximum);
                    }
                }
            }
        }
    }

    /// Elements of scratch memory that `infer` needs.
    pub fn scratch_len(&self) -> usize {
        let (_, cols) = self.shape.output();
        ((cols - 1) * self.shape.stride + self.shape.kernel).max(self.shape.padding + self.shape.width)
    }

    /// Writes each window's maximum; what is no number wins.
    ///
    /// # Safety
    /// The promise at [`View`].
    pub unsafe fn infer<T: Real>(&self, x: View<T>, out: View<T>, images: Range<usize>, scratch: &mut [T]) {
        let shape = &self.shape;
        shape.check_views(x, out);
        let scratch = &mut scratch[..self.scratch_len()];
        scratch.fill(T::LOWEST);
        for image in images {
            for channel in 0..out.channels {
                for y in 0..out.height {
                    let rows = shape.window(y, shape.height);
                    // SAFETY: the window's rows are in the plane; the caller's promise.
                    unsafe {
                        let highest = Highest {
                            from: x.plane(image, channel).add(rows.start * shape.width),
                            rows: rows.len(),
                            width: shape.width,
                            kernel: shape.kernel,
                            stride: shape.stride,
                            padding: shape.padding,
                            scratch: scratch.as_mut_ptr(),
                            into: out.plane(image, channel).add(y * out.width),
                            cols: out.width,
                        };
                        (T::kernels().pool_highest)(&highest);
                    }
                }
            }
        }
    }

    /// Writes, or adds, the gradient of the input: that of each window, at its maximum.
    ///
    /// # Safety
    /// The promise at [`View`]; `index` is from [`MaxPool::forward`].
    pub unsafe fn backward<T: Real>(
        &self,
        gradient: View<T>,
        index: View<u32>,
        into: View<T>,
        add: bool,
        images: Range<usize>,
    ) {
        self.shape.check_views(into, gradient);
        assert!(index.same_shape(&gradient));
        for image in images {
            for channel in 0..into.channels {
                // SAFETY: indices are those of pixels of the plane; the caller's promise.
                unsafe {
                    let plane = into.plane(image, channel);
                    if !add {
                        std::slice::from_raw_parts_mut(plane, into.plane_len()).fill(T::ZERO);
                    }
                    let (values, places) = (gradient.plane(image, channel), index.plane(image, channel));
                    for i in 0..gradient.plane_len() {
                        *plane.add(*places.add(i) as usize) += *values.add(i);
                    }
                }
            }
        }
    }
}
