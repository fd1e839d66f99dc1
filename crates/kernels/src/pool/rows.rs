//! Loops over one row of a pool, most of which the compiler vectorizes.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use crate::element::Element;
use crate::stored::{Lanes, Storage};

/// The arguments of [`sum`]: windows are summed over their rows into `scratch`, then along the row.
pub(crate) struct RowSum<T: Storage> {
    /// The first of `rows` rows of `cols` elements. Each row and each column has a factor.
    pub from: *const T,
    pub rows: usize,
    pub cols: usize,
    pub row_scale: *const T::Real,
    pub col_scale: *const T::Real,
    /// A row of zeros, of which elements `lead + i * place` are overwritten.
    pub scratch: *mut T::Real,
    pub lead: usize,
    pub place: usize,
    /// The elements of a window, and those between neighboring windows.
    pub kernel: usize,
    pub stride: usize,
    pub into: *mut T,
    pub into_cols: usize,
    /// A factor for the row of results, and one for each of its elements.
    pub into_scale: T::Real,
    pub into_col_scale: *const T::Real,
    pub add: bool,
}

#[inline(always)]
pub(crate) unsafe fn sum<T: Storage, S: Lanes<T>>(s: &RowSum<T>) {
    // SAFETY: the caller's pointers cover the rows, and scratch what the windows cover.
    unsafe {
        let len =
            ((s.into_cols - 1) * s.stride + s.kernel).max(s.lead + (s.cols - 1) * s.place + 1);
        let scratch = from_raw_parts_mut(s.scratch, len);
        if s.place == 1 {
            let row = &mut scratch[s.lead..s.lead + s.cols];
            add_rows(s, |x| x, row);
        } else {
            add_rows(s, |x| x * s.place, &mut scratch[s.lead..]);
        }
        let into = from_raw_parts_mut(s.into, s.into_cols);
        // Common windows have loops of their own, because the compiler does not vectorize a loop
        // with a sum over taps inside.
        match (s.kernel, s.stride) {
            (3, 1) => windows(s, into, |x| scratch[x] + scratch[x + 1] + scratch[x + 2]),
            (3, 2) => {
                windows(s, into, |x| scratch[2 * x] + scratch[2 * x + 1] + scratch[2 * x + 2])
            }
            (2, 2) => windows(s, into, |x| scratch[2 * x] + scratch[2 * x + 1]),
            (kernel, stride) => windows(s, into, |x| {
                scratch[x * stride..x * stride + kernel]
                    .iter()
                    .fold(T::Real::ZERO, |sum, &value| sum + value)
            }),
        }
    }
}

/// Adds the rows of a window, column by column.
#[inline(always)]
unsafe fn add_rows<T: Storage>(
    s: &RowSum<T>,
    place: impl Fn(usize) -> usize,
    into: &mut [T::Real],
) {
    // SAFETY: the caller's pointers cover the rows and columns.
    unsafe {
        let scales = from_raw_parts(s.row_scale, s.rows);
        let columns = from_raw_parts(s.col_scale, s.cols);
        let row = |y: usize| from_raw_parts(s.from.add(y * s.cols), s.cols);
        match s.rows {
            0 => (0..s.cols).for_each(|x| into[place(x)] = T::Real::ZERO),
            3 => {
                let a = row(0);
                let b = row(1);
                let c = row(2);
                for x in 0..s.cols {
                    let [a, b, c] = [a[x].real(), b[x].real(), c[x].real()];
                    into[place(x)] = (a * scales[0] + b * scales[1] + c * scales[2]) * columns[x];
                }
            }
            _ => {
                for (y, &scale) in scales.iter().enumerate() {
                    let row = row(y);
                    for x in 0..s.cols {
                        let so_far = if y == 0 { T::Real::ZERO } else { into[place(x)] };
                        into[place(x)] = so_far + row[x].real() * scale * columns[x];
                    }
                }
            }
        }
    }
}

/// Writes the sum of each window along a row.
#[inline(always)]
unsafe fn windows<T: Storage>(s: &RowSum<T>, into: &mut [T], window: impl Fn(usize) -> T::Real) {
    // SAFETY: the caller's pointers cover the rows and columns.
    let columns = unsafe { from_raw_parts(s.into_col_scale, into.len()) };
    for (x, (at, &scale)) in into.iter_mut().zip(columns).enumerate() {
        let value = window(x) * (s.into_scale * scale);
        *at = T::stored(if s.add { at.real() + value } else { value });
    }
}

/// The arguments of [`maximum`]: one row of a max pool's output.
pub(crate) struct Maximum<T: Storage> {
    /// The first of `rows` rows of `width` elements.
    pub from: *const T,
    pub rows: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// A row of the lowest value, of which elements from `padding` on are overwritten.
    pub scratch: *mut T::Real,
    pub into: *mut T,
    pub cols: usize,
}

/// The larger of two values; NaN if either is NaN.
#[inline(always)]
#[allow(clippy::eq_op)]
fn larger<R: Element>(a: R, b: R) -> R {
    if (b > a) | (b != b) { b } else { a }
}

/// Takes the maximum over the rows of windows into `scratch`, then along the row.
#[inline(always)]
pub(crate) unsafe fn maximum<T: Storage, S: Lanes<T>>(m: &Maximum<T>) {
    // SAFETY: the caller's pointers cover the rows, and scratch what the windows cover.
    unsafe {
        let scratch = from_raw_parts_mut(
            m.scratch,
            ((m.cols - 1) * m.stride + m.kernel).max(m.padding + m.width),
        );
        let row = |y: usize| from_raw_parts(m.from.add(y * m.width), m.width);
        let columns = &mut scratch[m.padding..m.padding + m.width];
        columns.fill(T::Real::LOWEST);
        (0..m.rows).for_each(|y| {
            columns.iter_mut().zip(row(y)).for_each(|(at, value)| *at = larger(*at, value.real()))
        });
        let into = from_raw_parts_mut(m.into, m.cols);
        match (m.kernel, m.stride) {
            (3, 2) => {
                for (x, at) in into.iter_mut().enumerate() {
                    let first = larger(scratch[2 * x], scratch[2 * x + 1]);
                    *at = T::stored(larger(first, scratch[2 * x + 2]));
                }
            }
            (kernel, stride) => {
                for (x, at) in into.iter_mut().enumerate() {
                    let window = &scratch[x * stride..x * stride + kernel];
                    let lowest = T::Real::LOWEST;
                    let most = window.iter().fold(lowest, |so_far, value| larger(so_far, *value));
                    *at = T::stored(most);
                }
            }
        }
    }
}

/// The arguments of [`places`]: the positions of the maxima of one row of a max pool's output.
pub(crate) struct Places<T: Storage> {
    pub plane: *const T,
    pub width: usize,
    /// The window's rows.
    pub first_row: usize,
    pub rows: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// The maxima, each of which is in its window. The position of a NaN is undefined.
    pub maxima: *const T,
    /// Room for `cols` elements.
    pub scratch: *mut T::Real,
    pub into: *mut u32,
    pub cols: usize,
}

/// Finds the positions of maxima. Taps are visited from the last to the first, so that the first of
/// equal values remains.
#[inline(always)]
pub(crate) unsafe fn places<T: Storage, S: Lanes<T>>(m: &Places<T>) {
    // The distance of each maximum from the first element of its window, which `T::Real` represents
    // exactly.
    // SAFETY: the caller's pointers cover the rows.
    let distances = unsafe { from_raw_parts_mut(m.scratch, m.cols) };
    distances.fill(T::Real::ZERO);
    for (y, tap) in (0..m.rows).rev().flat_map(|y| (0..m.kernel).rev().map(move |tap| (y, tap))) {
        // The windows whose tap lies within the image.
        let first = m.padding.saturating_sub(tap).div_ceil(m.stride);
        let end = (m.width + m.padding).saturating_sub(tap).div_ceil(m.stride).min(m.cols);
        if first >= end {
            continue;
        }
        let start = (m.first_row + y) * m.width + first * m.stride + tap - m.padding;
        let distance = T::Real::from_f64((y * m.width + tap) as f64);
        // SAFETY: the caller's pointers cover the rows.
        unsafe {
            let values = m.plane.add(start);
            let maxima = m.maxima.add(first);
            take_equal::<T, S>(values, m.stride, maxima, distance, &mut distances[first..end]);
        }
    }
    // SAFETY: the caller's pointers cover the rows.
    let into = unsafe { from_raw_parts_mut(m.into, m.cols) };
    for (x, (place, distance)) in into.iter_mut().zip(distances).enumerate() {
        let window = m.first_row * m.width + x * m.stride;
        *place = (window + distance.to_f64() as usize).wrapping_sub(m.padding) as u32;
    }
}

/// Sets `into` to `distance` where a value, each `stride` elements from the next, is the maximum.
#[inline(always)]
unsafe fn take_equal<T: Storage, S: Lanes<T>>(
    values: *const T,
    stride: usize,
    maxima: *const T,
    distance: T::Real,
    into: &mut [T::Real],
) {
    // SAFETY: the caller's pointers cover as many values and maxima as `into` has elements.
    unsafe {
        if stride > 2 {
            for (x, at) in into.iter_mut().enumerate() {
                *at = if *values.add(x * stride) == *maxima.add(x) { distance } else { *at };
            }
            return;
        }
        let all = into.len();
        let distance = S::splat(distance);
        for x in (0..all).step_by(S::LANES) {
            let n = S::LANES.min(all - x);
            let value = if stride == 1 {
                S::read_n(values.add(x), n)
            } else {
                S::read_every_second(values.add(2 * x), n)
            };
            // Positive where the value is less than the maximum, so that the old distance remains.
            let less = S::sub(S::read_n(maxima.add(x), n), value);
            let at = into.as_mut_ptr().add(x);
            let change = S::where_positive(less, S::sub(S::load_n(at, n), distance));
            S::store_n(at, S::add(change, distance), n);
        }
    }
}
