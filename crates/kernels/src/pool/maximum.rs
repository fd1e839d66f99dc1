//! Max pools.

use std::ops::Range;

use super::rows::{Maximum, Places};
use super::shape::PoolShape;
use crate::dispatch::Stored;
use crate::element::Element;
use crate::view::View;

/// A max pool of one shape, ready to run.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    shape: PoolShape,
}

impl MaxPool {
    /// Prepares a pool.
    pub fn new(shape: PoolShape) -> Self {
        shape.check();
        assert_eq!(shape.after, 0, "a maximum has no zeros beside the image");
        MaxPool { shape }
    }

    /// Elements of scratch memory that `forward` and `infer` need.
    pub fn scratch_len(&self) -> usize {
        let (_, cols) = self.shape.output();
        ((cols - 1) * self.shape.stride + self.shape.kernel)
            .max(self.shape.padding + self.shape.width)
    }

    /// Writes the maximum of each window; NaN if the window contains one.
    ///
    /// # Safety
    /// The contract at [`View`].
    pub unsafe fn infer<T: Stored>(
        &self,
        x: View<T>,
        out: View<T>,
        images: Range<usize>,
        scratch: &mut [T::Real],
    ) {
        let shape = &self.shape;
        shape.check_views(x, out);
        let scratch = &mut scratch[..self.scratch_len()];
        scratch.fill(T::Real::LOWEST);
        for image in images {
            for channel in 0..out.channels {
                for y in 0..out.height {
                    let rows = shape.window(y, shape.height);
                    // SAFETY: the rows of the window lie within the plane, which the caller
                    // guarantees.
                    unsafe {
                        let maximum = Maximum {
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
                        (T::kernels().pool_maximum)(&maximum);
                    }
                }
            }
        }
    }

    /// Writes the maximum of each window as [`MaxPool::infer`] does, and to `index` (of the
    /// output's shape) the position of each maximum in its plane: the first of equal values, or the
    /// last NaN.
    ///
    /// # Safety
    /// The contract at [`View`].
    pub unsafe fn forward<T: Stored>(
        &self,
        x: View<T>,
        out: View<T>,
        index: View<u32>,
        images: Range<usize>,
        scratch: &mut [T::Real],
    ) {
        assert!(index.same_shape(&out));
        // SAFETY: windows lie within their planes, which the caller guarantees.
        unsafe {
            self.infer(x, out, images.clone(), scratch);
            for image in images {
                for channel in 0..out.channels {
                    let plane = std::slice::from_raw_parts(x.plane(image, channel), x.plane_len());
                    let values =
                        std::slice::from_raw_parts(out.plane(image, channel), out.plane_len());
                    let places = std::slice::from_raw_parts_mut(
                        index.plane(image, channel),
                        out.plane_len(),
                    );
                    self.find(plane, values, places, scratch);
                }
            }
        }
    }

    /// Finds the positions of the maxima of a plane.
    fn find<T: Stored>(
        &self,
        plane: &[T],
        maxima: &[T],
        places: &mut [u32],
        scratch: &mut [T::Real],
    ) {
        let shape = &self.shape;
        let (_, cols) = shape.output();
        for (y, (maxima, places)) in
            maxima.chunks_exact(cols).zip(places.chunks_exact_mut(cols)).enumerate()
        {
            let rows = shape.window(y, shape.height);
            let row = Places {
                plane: plane.as_ptr(),
                width: shape.width,
                first_row: rows.start,
                rows: rows.len(),
                kernel: shape.kernel,
                stride: shape.stride,
                padding: shape.padding,
                maxima: maxima.as_ptr(),
                scratch: scratch[..cols].as_mut_ptr(),
                into: places.as_mut_ptr(),
                cols,
            };
            // SAFETY: the rows of the window lie within the plane, and slices have the length of
            // the row.
            unsafe { (T::kernels().pool_places)(&row) };
            for (x, place) in places.iter_mut().enumerate().filter(|(x, _)| !is_number(maxima[*x]))
            {
                *place = self.last_nan(plane, rows.clone(), x);
            }
        }
    }

    /// The position of the last NaN of a window.
    fn last_nan<T: Stored>(&self, plane: &[T], rows: Range<usize>, x: usize) -> u32 {
        let width = self.shape.width;
        let columns = self.shape.window(x, width);
        let mut window =
            rows.flat_map(|row| columns.clone().map(move |column| row * width + column)).rev();
        window.find(|at| !is_number(plane[*at])).expect("a maximum is in its window") as u32
    }

    /// Writes, or accumulates, the gradient of the input: the gradient of each window goes to its
    /// maximum.
    ///
    /// # Safety
    /// The contract at [`View`]; `index` is from [`MaxPool::forward`].
    pub unsafe fn backward<T: Stored>(
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
                // SAFETY: indices are positions within the plane, which the caller guarantees.
                unsafe {
                    let plane = into.plane(image, channel);
                    if !add {
                        into.zero(image, channel..channel + 1);
                    }
                    let values = gradient.plane(image, channel);
                    let places = index.plane(image, channel);
                    for i in 0..gradient.plane_len() {
                        let at = plane.add(*places.add(i) as usize);
                        *at = T::stored((*at).real() + (*values.add(i)).real());
                    }
                }
            }
        }
    }
}

#[allow(clippy::eq_op)]
fn is_number<T: Stored>(value: T) -> bool {
    value == value
}
