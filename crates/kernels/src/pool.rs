//! Pools, with PyTorch's attributes.

use crate::real::{Real, wide};
use crate::view::View;
use std::ops::Range;

/// A square window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PoolShape {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub ceil_mode: bool,
    pub count_include_pad: bool,
}

impl PoolShape {
    /// The pixels of window `i` along an axis of `size` pixels, and how many it has with padding counted.
    fn window(&self, i: usize, size: usize) -> (Range<usize>, usize) {
        let start = (i * self.stride) as isize - self.padding as isize;
        // A window of ceil_mode may reach past the padding, which then is not counted either.
        let end = (start + self.kernel as isize).min((size + self.padding) as isize);
        let clip = |x: isize| x.clamp(0, size as isize) as usize;
        (clip(start)..clip(end), (end - start) as usize)
    }

    /// One over the number of pixels that an average divides by, for windows at row `y` and column `x`.
    fn share<T: Real>(&self, rows: &(Range<usize>, usize), columns: &(Range<usize>, usize)) -> T {
        let count = if self.count_include_pad { rows.1 * columns.1 } else { rows.0.len() * columns.0.len() };
        T::from_f64(1.0 / count as f64)
    }
}

/// Means over windows.
///
/// # Safety
/// Views must have the shapes that belong together and hold these images; nobody else may use the output's meanwhile.
pub unsafe fn average<T: Real>(pool: PoolShape, x: View<T>, out: View<T>, images: Range<usize>) {
    let columns: Vec<_> = (0..out.width).map(|i| pool.window(i, x.width)).collect();
    let mut line = vec![T::ZERO; x.width];
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let (from, to) = unsafe { (x.read(image, channel), out.write(image, channel)) };
        for (y, to) in to.chunks_exact_mut(out.width).enumerate() {
            let rows = pool.window(y, x.height);
            // Rows first: those sums are vectors.
            wide(|| {
                line.fill(T::ZERO);
                for row in rows.0.clone().map(|row| &from[row * x.width..(row + 1) * x.width]) {
                    line.iter_mut().zip(row).for_each(|(sum, x)| *sum = *sum + *x);
                }
                if pool.kernel == 3 && pool.stride == 1 && out.width > 2 && pool.padding == 1 && pool.count_include_pad {
                    let share = pool.share::<T>(&rows, &columns[0]);
                    let last = out.width - 1;
                    for (to, sums) in to[1..last].iter_mut().zip(line.windows(3)) {
                        *to = (sums[0] + sums[1] + sums[2]) * share;
                    }
                    to[0] = (line[0] + line[1]) * share;
                    to[last] = (line[last - 1] + line[last]) * share;
                    return;
                }
                for (to, columns) in to.iter_mut().zip(&columns) {
                    let sum = line[columns.0.clone()].iter().fold(T::ZERO, |sum, x| sum + *x);
                    *to = sum * pool.share(&rows, columns);
                }
            });
        }
    }
}

/// The gradient of [`average`]'s input, written or added.
///
/// # Safety
/// As [`average`], for `into`.
pub unsafe fn average_backward<T: Real>(
    pool: PoolShape,
    of: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    let columns: Vec<_> = (0..of.width).map(|i| pool.window(i, into.width)).collect();
    let mut line = vec![T::ZERO; into.width];
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (from, to) = unsafe { (of.read(image, channel), into.write(image, channel)) };
        if !add {
            to.fill(T::ZERO);
        }
        for (y, from) in from.chunks_exact(of.width).enumerate() {
            let rows = pool.window(y, into.height);
            wide(|| {
                line.fill(T::ZERO);
                for (g, columns) in from.iter().zip(&columns) {
                    let g = *g * pool.share(&rows, columns);
                    line[columns.0.clone()].iter_mut().for_each(|sum| *sum = *sum + g);
                }
                for row in rows.0.clone() {
                    let to = &mut to[row * into.width..(row + 1) * into.width];
                    to.iter_mut().zip(&line).for_each(|(to, sum)| *to = *to + *sum);
                }
            });
        }
    }
}

/// Maxima over windows, the first of equal ones; `indices` (as many as the output has elements, image after image) remembers
/// where they were. A NaN wins, as in PyTorch.
///
/// # Safety
/// As [`average`]; `indices` must have room for these images.
pub unsafe fn max<T: Real>(pool: PoolShape, x: View<T>, out: View<T>, indices: *mut u32, images: Range<usize>) {
    let plane = out.plane();
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let (from, to, found) = unsafe {
            let found = indices.add((image * x.channels + channel) * plane);
            (x.read(image, channel), out.write(image, channel), std::slice::from_raw_parts_mut(found, plane))
        };
        for i in 0..plane {
            let (rows, columns) = (pool.window(i / out.width, x.height).0, pool.window(i % out.width, x.width).0);
            let mut best = rows.start * x.width + columns.start;
            for row in rows {
                for at in row * x.width + columns.start..row * x.width + columns.end {
                    let is_nan = from[at].partial_cmp(&from[at]).is_none();
                    if from[at] > from[best] || is_nan {
                        best = at;
                    }
                }
            }
            to[i] = from[best];
            found[i] = best as u32;
        }
    }
}

/// The gradient of [`max`]'s input, written or added.
///
/// # Safety
/// As [`max`], for `into`.
pub unsafe fn max_backward<T: Real>(
    of: View<T>,
    indices: *const u32,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    let plane = of.plane();
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (from, to, found) = unsafe {
            let found = indices.add((image * into.channels + channel) * plane);
            (of.read(image, channel), into.write(image, channel), std::slice::from_raw_parts(found, plane))
        };
        if !add {
            to.fill(T::ZERO);
        }
        from.iter().zip(found).for_each(|(g, at)| to[*at as usize] = to[*at as usize] + *g);
    }
}

/// The mean of each channel.
///
/// # Safety
/// As [`average`].
pub unsafe fn global_mean<T: Real>(x: View<T>, out: View<T>, images: Range<usize>) {
    for (image, channel) in x.planes(images) {
        // SAFETY: the caller's promise.
        let (from, to) = unsafe { (x.read(image, channel), out.write(image, channel)) };
        let sum: f64 = from.iter().map(|x| x.to_f64()).sum();
        to[0] = T::from_f64(sum / from.len() as f64);
    }
}

/// The gradient of [`global_mean`]'s input, written or added.
///
/// # Safety
/// As [`average`], for `into`.
pub unsafe fn global_mean_backward<T: Real>(of: View<T>, into: View<T>, add: bool, images: Range<usize>) {
    let share = T::from_f64(1.0 / into.plane() as f64);
    for (image, channel) in into.planes(images) {
        // SAFETY: the caller's promise.
        let (g, to) = unsafe { (of.read(image, channel)[0] * share, into.write(image, channel)) };
        wide(|| match add {
            true => to.iter_mut().for_each(|to| *to = *to + g),
            false => to.fill(g),
        });
    }
}
