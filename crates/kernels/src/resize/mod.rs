//! Maps in another size: the nearest pixel, or a weighted mean of two along each axis. `rows` has
//! the loops over one row.

pub(crate) mod rows;

use std::ops::Range;

use crate::dispatch::{Real, Stored};
use crate::view::View;
use rows::{Blend, Spread};

/// What is computed at places between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel before.
    Nearest,
    /// A weighted mean of the two pixels around. With `aligned` corners, the first and the last
    /// pixels of both maps coincide, else the edges of the first and last pixels do.
    Bilinear { aligned: bool },
}

/// Rows and columns.
pub type Size = (usize, usize);

/// Along one axis, the two pixels that each result reads, and their weights.
#[derive(Clone, Debug)]
struct Axis<R> {
    first: Vec<u32>,
    second: Vec<u32>,
    first_weight: Vec<R>,
    second_weight: Vec<R>,
}

impl<R: Real> Axis<R> {
    fn new(from: usize, to: usize, how: Interpolation) -> Self {
        let taps: Vec<(usize, usize, f64)> = (0..to).map(|at| taps(at, from, to, how)).collect();
        Axis {
            first: taps.iter().map(|tap| tap.0 as u32).collect(),
            second: taps.iter().map(|tap| tap.1 as u32).collect(),
            first_weight: taps.iter().map(|tap| R::from_f64(1.0 - tap.2)).collect(),
            second_weight: taps.iter().map(|tap| R::from_f64(tap.2)).collect(),
        }
    }

    fn rows(&self, at: usize) -> [usize; 2] {
        [self.first[at] as usize, self.second[at] as usize]
    }

    fn weights(&self, at: usize) -> [R; 2] {
        [self.first_weight[at], self.second_weight[at]]
    }
}

/// The two pixels that result `at` of `to` reads, and the weight of the second, as in PyTorch.
fn taps(at: usize, from: usize, to: usize, how: Interpolation) -> (usize, usize, f64) {
    let place = match how {
        Interpolation::Nearest => {
            // PyTorch computes this place in single precision for every type.
            let place = (at as f32 * (from as f32 / to as f32)).floor() as usize;
            return (place.min(from - 1), place.min(from - 1), 0.0);
        }
        Interpolation::Bilinear { aligned: true } if to == 1 => 0.0,
        Interpolation::Bilinear { aligned: true } => {
            at as f64 * ((from - 1) as f64 / (to - 1) as f64)
        }
        Interpolation::Bilinear { aligned: false } => {
            ((at as f64 + 0.5) * (from as f64 / to as f64) - 0.5).max(0.0)
        }
    };
    let first = (place.floor() as usize).min(from - 1);
    (first, (first + 1).min(from - 1), place - first as f64)
}

/// A change of size, ready to run.
#[derive(Clone, Debug)]
pub struct Resize<R> {
    from: Size,
    to: Size,
    rows: Axis<R>,
    cols: Axis<R>,
}

impl<R: Real> Resize<R> {
    /// Prepares a change of size.
    ///
    /// # Panics
    /// If a size is zero.
    pub fn new(from: Size, to: Size, how: Interpolation) -> Self {
        assert!(from.0.min(from.1).min(to.0).min(to.1) > 0, "a map has at least one pixel");
        let rows = Axis::new(from.0, to.0, how);
        let cols = Axis::new(from.1, to.1, how);
        Resize { from, to, rows, cols }
    }

    /// Elements of scratch memory that both directions need.
    pub fn scratch_len(&self) -> usize {
        (self.from.0 + 1) * self.from.1
    }

    /// Resizes `x` into `out`.
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
        self.check(x, out, scratch);
        for (image, channel) in planes(images, out.channels) {
            for y in 0..self.to.0 {
                // SAFETY: the rows lie within the planes, which the caller guarantees.
                unsafe {
                    let row = |row: usize| x.plane(image, channel).add(row * x.width).cast_const();
                    let blend = Blend {
                        rows: self.rows.rows(y).map(row),
                        weights: self.rows.weights(y),
                        width: x.width,
                        scratch: scratch.as_mut_ptr(),
                        first: &self.cols.first,
                        second: &self.cols.second,
                        first_weight: &self.cols.first_weight,
                        second_weight: &self.cols.second_weight,
                        into: out.plane(image, channel).add(y * out.width),
                    };
                    (T::kernels().resize.blend)(&blend);
                }
            }
        }
    }

    /// Writes, or accumulates, the gradient of the input.
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
        self.check(into, gradient, scratch);
        for (image, channel) in planes(images, into.channels) {
            let (row, sums) = scratch[..self.scratch_len()].split_at_mut(self.from.1);
            sums.fill(R::ZERO);
            for y in 0..self.to.0 {
                let at = |row: usize| row * self.from.1;
                // SAFETY: as above; the sums have the input's rows.
                unsafe {
                    let spread = Spread {
                        from: gradient.plane(image, channel).add(y * gradient.width),
                        first: &self.cols.first,
                        second: &self.cols.second,
                        first_weight: &self.cols.first_weight,
                        second_weight: &self.cols.second_weight,
                        scratch: row.as_mut_ptr(),
                        width: into.width,
                        rows: self.rows.rows(y).map(|row| sums.as_mut_ptr().add(at(row))),
                        weights: self.rows.weights(y),
                    };
                    (T::kernels().resize.spread)(&spread);
                }
            }
            // SAFETY: the caller guarantees the plane.
            let plane = unsafe {
                std::slice::from_raw_parts_mut(into.plane(image, channel), into.plane_len())
            };
            for (at, sum) in plane.iter_mut().zip(sums) {
                *at = T::stored(if add { at.real() + *sum } else { *sum });
            }
        }
    }

    fn check<T>(&self, input: View<T>, output: View<T>, scratch: &[R]) {
        assert_eq!(input.channels, output.channels);
        assert_eq!((input.height, input.width), self.from);
        assert_eq!((output.height, output.width), self.to);
        assert!(scratch.len() >= self.scratch_len(), "scratch memory is too short");
    }
}

/// All planes of some images.
fn planes(images: Range<usize>, channels: usize) -> impl Iterator<Item = (usize, usize)> {
    images.flat_map(move |image| (0..channels).map(move |channel| (image, channel)))
}
