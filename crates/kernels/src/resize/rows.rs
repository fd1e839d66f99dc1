//! Loops over one row of a map that is resized, which the compiler vectorizes.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use crate::element::Element;
use crate::stored::{Lanes, Storage};

/// The arguments of [`blend`]: one row of the result, whose columns read two columns each.
pub(crate) struct Blend<'a, T: Storage> {
    /// The two rows that it reads, of `width` elements.
    pub rows: [*const T; 2],
    pub weights: [T::Real; 2],
    pub width: usize,
    /// Room for `width` elements.
    pub scratch: *mut T::Real,
    pub first: &'a [u32],
    pub second: &'a [u32],
    pub first_weight: &'a [T::Real],
    pub second_weight: &'a [T::Real],
    /// As many elements as `first`.
    pub into: *mut T,
}

#[inline(always)]
pub(crate) unsafe fn blend<T: Storage, S: Lanes<T>>(b: &Blend<T>) {
    let [above, below] = b.weights;
    // SAFETY: the caller's pointers cover the rows.
    let (rows, mean, into) = unsafe {
        (
            b.rows.map(|row| from_raw_parts(row, b.width)),
            from_raw_parts_mut(b.scratch, b.width),
            from_raw_parts_mut(b.into, b.first.len()),
        )
    };
    for ((mean, a), b) in mean.iter_mut().zip(rows[0]).zip(rows[1]) {
        *mean = above * a.real() + below * b.real();
    }
    let columns = b.first.iter().zip(b.second);
    let weights = b.first_weight.iter().zip(b.second_weight);
    for ((at, (&first, &second)), (&left, &right)) in into.iter_mut().zip(columns).zip(weights) {
        *at = T::stored(left * mean[first as usize] + right * mean[second as usize]);
    }
}

/// The arguments of [`spread`]: the gradient of one row of the result, which is added to that of
/// two rows of the input.
pub(crate) struct Spread<'a, T: Storage> {
    /// As many elements as `first`.
    pub from: *const T,
    pub first: &'a [u32],
    pub second: &'a [u32],
    pub first_weight: &'a [T::Real],
    pub second_weight: &'a [T::Real],
    /// Room for `width` elements.
    pub scratch: *mut T::Real,
    pub width: usize,
    /// The two rows, which may be the same one.
    pub rows: [*mut T::Real; 2],
    pub weights: [T::Real; 2],
}

#[inline(always)]
pub(crate) unsafe fn spread<T: Storage, S: Lanes<T>>(s: &Spread<T>) {
    // SAFETY: the caller's pointers cover the rows.
    let (from, row) =
        unsafe { (from_raw_parts(s.from, s.first.len()), from_raw_parts_mut(s.scratch, s.width)) };
    row.fill(T::Real::ZERO);
    let columns = s.first.iter().zip(s.second);
    let weights = s.first_weight.iter().zip(s.second_weight);
    for ((value, (&first, &second)), (&left, &right)) in from.iter().zip(columns).zip(weights) {
        row[first as usize] += left * value.real();
        row[second as usize] += right * value.real();
    }
    for (into, weight) in s.rows.into_iter().zip(s.weights) {
        // SAFETY: as above; one row is borrowed at a time.
        let into = unsafe { from_raw_parts_mut(into, s.width) };
        into.iter_mut().zip(&*row).for_each(|(sum, value)| *sum += weight * *value);
    }
}
