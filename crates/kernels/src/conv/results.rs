//! The loops that copy a convolution's results to their planes, each with an operation on the
//! results while they are in registers.

use crate::element::Element;
use crate::stored::{Lanes, Storage};

/// Vectors that are summed in `T` before the sums are widened to f64.
const SHORT: usize = 32;

/// `rows` rows of `cols` results of one plane.
#[derive(Clone, Copy)]
pub(crate) struct Results<T: Storage> {
    pub from: *const T::Real,
    /// Elements between rows of results. The rows of the plane are contiguous.
    pub pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub into: *mut T,
    /// Writable elements of the plane from `into` on.
    pub room: usize,
    /// Elements between what is accessed and what is prefetched.
    pub prefetch_distance: usize,
}

/// The arguments of [`write`].
pub(crate) struct Write<T: Storage, O> {
    pub results: Results<T>,
    pub operation: O,
}

/// Elements of a plane: `n` of them from element `at` on, counted from the first result.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub at: usize,
    pub n: usize,
    /// Whether a whole vector lies within the plane.
    pub fits: bool,
    pub prefetch_distance: usize,
}

/// What is done with a vector of results.
pub(crate) trait Operation<T: Storage>: Copy {
    /// Returns the vector that is stored, and the vector by which it is multiplied for the second
    /// sum. Sums are those of the values as they are stored.
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, into: *const T, place: Place) -> [S::V; 2];

    /// The addresses to which the sum and the sum of products are added, if they are taken.
    #[inline(always)]
    fn sums(&self) -> Option<[*mut f64; 2]> {
        None
    }
}

/// Results are stored.
#[derive(Clone, Copy)]
pub(crate) struct Store;

/// Results are added to the elements of the plane.
#[derive(Clone, Copy)]
pub(crate) struct Add;

/// Results are stored, and their sum and sum of squares are taken.
#[derive(Clone, Copy)]
pub(crate) struct StoreSums(pub [*mut f64; 2]);

/// Results are stored after bias, residual and ReLU.
#[derive(Clone, Copy)]
pub(crate) struct Activate<T: Storage> {
    pub bias: T::Real,
    /// The element of the residual that corresponds to the first result.
    pub residual: Option<*const T>,
    pub relu: bool,
}

/// Results complete a gradient, which is stored, or added to the elements of the plane first. The
/// gradient dy is masked by a ReLU's output, and the sums of dy and of dy * (x - mean) are taken.
#[derive(Clone, Copy)]
pub(crate) struct Mask<T: Storage, const ADD: bool> {
    /// The element of the ReLU's output that corresponds to the first result.
    pub gate: *const T,
    /// That of the norm's input.
    pub x: *const T,
    pub mean: T::Real,
    pub sums: [*mut f64; 2],
}

#[inline(always)]
pub(crate) unsafe fn write<T: Storage, S: Lanes<T>, O: Operation<T>>(f: &Write<T, O>) {
    let Results { pitch, rows, cols, into, room, prefetch_distance, .. } = f.results;
    let operation = f.operation;
    let mut sum = [0.0, 0.0];
    // SAFETY: the caller's pointers cover the rows. A whole vector is written only within `room`.
    // Its elements beyond the end of a row are overwritten when the next row is written.
    unsafe {
        let zero = S::splat(T::Real::ZERO);
        let mut part = zero;
        let mut products = zero;
        let mut count = 0;
        for y in 0..rows {
            let from = f.results.from.add(y * pitch);
            let start = y * cols;
            let mut x = 0;
            while x < cols {
                let n = S::LANES.min(cols - x);
                let at = start + x;
                let fits = at + S::LANES <= room;
                S::prefetch(into.wrapping_add(at + prefetch_distance));
                let v =
                    if n == S::LANES { S::load(from.add(x)) } else { S::load_part(from.add(x), n) };
                let place = Place { at, n, fits, prefetch_distance };
                let [v, factor] = operation.apply::<S>(v, into, place);
                if operation.sums().is_some() {
                    // Lanes beyond the end of the row belong to the next row, which counts them.
                    let own = if n == S::LANES { v } else { S::first(v, n) };
                    part = S::add(part, own);
                    products = S::fma(own, factor, products);
                    count += 1;
                    if count == SHORT {
                        sum = [sum[0] + S::sum_f64(part), sum[1] + S::sum_f64(products)];
                        (part, products, count) = (zero, zero, 0);
                    }
                }
                if fits {
                    S::write(into.add(at), v);
                } else {
                    S::write_part(into.add(at), v, n);
                }
                x += S::LANES;
            }
        }
        if let Some(sums) = operation.sums() {
            *sums[0] += sum[0] + S::sum_f64(part);
            *sums[1] += sum[1] + S::sum_f64(products);
        }
    }
}

/// Loads the elements of a place.
#[inline(always)]
unsafe fn load<T: Storage, S: Lanes<T>>(from: *const T, place: Place) -> S::V {
    // SAFETY: the caller guarantees `n` elements, and a whole vector where one fits.
    unsafe {
        let at = from.add(place.at);
        if place.fits { S::read(at) } else { S::read_part(at, place.n) }
    }
}

impl<T: Storage> Operation<T> for Store {
    #[inline(always)]
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, _: *const T, _: Place) -> [S::V; 2] {
        [v, v]
    }
}

impl<T: Storage> Operation<T> for Add {
    #[inline(always)]
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, into: *const T, place: Place) -> [S::V; 2] {
        // SAFETY: the caller guarantees the place.
        let v = unsafe { S::add(load::<T, S>(into, place), v) };
        [v, v]
    }
}

impl<T: Storage> Operation<T> for StoreSums {
    #[inline(always)]
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, _: *const T, _: Place) -> [S::V; 2] {
        // SAFETY: register arithmetic.
        let v = unsafe { S::rounded(v) };
        [v, v]
    }

    #[inline(always)]
    fn sums(&self) -> Option<[*mut f64; 2]> {
        Some(self.0)
    }
}

impl<T: Storage> Operation<T> for Activate<T> {
    #[inline(always)]
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, _: *const T, place: Place) -> [S::V; 2] {
        // SAFETY: the caller guarantees the place in the residual.
        unsafe {
            let mut v = S::add(v, S::splat(self.bias));
            if let Some(residual) = self.residual {
                S::prefetch(residual.wrapping_add(place.at + place.prefetch_distance));
                v = S::add(v, S::read_n(residual.add(place.at), place.n));
            }
            if self.relu {
                v = S::relu(v);
            }
            [v, v]
        }
    }
}

impl<T: Storage, const ADD: bool> Operation<T> for Mask<T, ADD> {
    #[inline(always)]
    unsafe fn apply<S: Lanes<T>>(&self, v: S::V, into: *const T, place: Place) -> [S::V; 2] {
        // SAFETY: the caller guarantees the place in every plane.
        unsafe {
            let v = if ADD { S::add(load::<T, S>(into, place), v) } else { v };
            S::prefetch(self.gate.wrapping_add(place.at + place.prefetch_distance));
            S::prefetch(self.x.wrapping_add(place.at + place.prefetch_distance));
            let v = S::where_positive(load::<T, S>(self.gate, place), S::rounded(v));
            [v, S::sub(load::<T, S>(self.x, place), S::splat(self.mean))]
        }
    }

    #[inline(always)]
    fn sums(&self) -> Option<[*mut f64; 2]> {
        Some(self.sums)
    }
}
