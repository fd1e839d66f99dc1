//! Packs an image's planes into a panel (im2col), with zeros around them. An elementwise operation
//! on one or several tensors is fused into the packing.

use crate::real::{Real, Simd};

/// What a plane of a panel is made of. Null where there is none.
#[derive(Clone, Copy)]
pub(crate) struct PlaneSource<T> {
    pub first: *const T,
    /// Added to the first (`SUM`), or the ReLU's output that masks it (`RELU`).
    pub second: *const T,
    /// The batch norm's input (`NORM`): the plane is then `first_factor * first + x_factor * x +
    /// constant`.
    pub x: *const T,
    pub first_factor: T,
    pub x_factor: T,
    pub constant: T,
}

pub(crate) const ONE: usize = 0;
pub(crate) const SUM: usize = 1;
pub(crate) const RELU: usize = 2;
pub(crate) const NORM: usize = 3;
pub(crate) const KINDS: usize = 4;

impl<T: Real> PlaneSource<T> {
    /// A plane as it is.
    pub(crate) fn one(first: *const T) -> Self {
        let none = std::ptr::null();
        PlaneSource {
            first,
            second: none,
            x: none,
            first_factor: T::ONE,
            x_factor: T::ZERO,
            constant: T::ZERO,
        }
    }

    /// The same, `n` elements on.
    pub(crate) fn skip(self, n: usize) -> Self {
        // Wrapping, because a null pointer moves as well and is never read.
        PlaneSource {
            first: self.first.wrapping_add(n),
            second: self.second.wrapping_add(n),
            x: self.x.wrapping_add(n),
            ..self
        }
    }

    /// Prefetches the cache lines that lie `prefetch_distance` elements after element `i`.
    #[inline(always)]
    unsafe fn prefetch<S: Simd<T>, const KIND: usize>(&self, i: usize, prefetch_distance: usize) {
        // SAFETY: any address will do.
        unsafe {
            S::prefetch(self.first.wrapping_add(i + prefetch_distance));
            if KIND == SUM || KIND == RELU {
                S::prefetch(self.second.wrapping_add(i + prefetch_distance));
            }
            if KIND == NORM {
                S::prefetch(self.x.wrapping_add(i + prefetch_distance));
            }
        }
    }

    /// `n` lanes from element `i`; zero after them.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd<T>, const KIND: usize>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller's promise that elements i..i + n are in every plane of this kind.
        unsafe {
            let first = S::load_n(self.first.add(i), n);
            match KIND {
                SUM => S::add(first, S::load_n(self.second.add(i), n)),
                RELU => S::where_positive(S::load_n(self.second.add(i), n), first),
                NORM => {
                    let rest = S::fma(
                        S::splat(self.x_factor),
                        S::load_n(self.x.add(i), n),
                        S::splat(self.constant),
                    );
                    let all = S::fma(S::splat(self.first_factor), first, rest);
                    if n == S::LANES { all } else { S::first(all, n) }
                }
                _ => first,
            }
        }
    }
}

/// Rows of a plane with zeros around them.
pub(crate) struct Pack<T> {
    pub source: PlaneSource<T>,
    pub into: *mut T,
    /// Elements from row to row of the panel.
    pub pitch: usize,
    /// Rows of zeros above, rows of the source, rows of zeros below.
    pub above: usize,
    pub rows: usize,
    pub below: usize,
    /// Zeros after the last row: what a tap may reach there.
    pub tail: usize,
    /// Zeros before a row's first element, and elements of the source's row.
    pub lead: usize,
    pub cols: usize,
    /// Elements between what is read and what is prefetched.
    pub prefetch_distance: usize,
}

/// Writes whole vectors of zeros over at least `n` elements.
#[inline(always)]
unsafe fn zeros<T: Real, S: Simd<T>>(at: *mut T, n: usize) {
    let mut i = 0;
    while i < n {
        // SAFETY: the panel has a vector's room after what is asked for.
        unsafe { S::store(at.add(i), S::splat(T::ZERO)) };
        i += S::LANES;
    }
}

/// Packs from the lowest address up, so that a vector may be written beyond a row's end: what
/// follows is written later.
#[inline(always)]
pub(crate) unsafe fn pack<T: Real, S: Simd<T>, const KIND: usize>(f: &Pack<T>) {
    // SAFETY: the caller's planes hold `rows * cols` elements, and the panel `above + rows + below`
    // rows, `tail` and a vector more.
    unsafe {
        zeros::<T, S>(f.into, f.above * f.pitch);
        let mut row = f.into.add(f.above * f.pitch);
        for y in 0..f.rows {
            zeros::<T, S>(row, f.lead);
            let data = row.add(f.lead);
            let mut i = 0;
            while i + S::LANES <= f.cols {
                f.source.prefetch::<S, KIND>(y * f.cols + i, f.prefetch_distance);
                S::store(data.add(i), f.source.load::<S, KIND>(y * f.cols + i, S::LANES));
                i += S::LANES;
            }
            if i < f.cols {
                f.source.prefetch::<S, KIND>(y * f.cols + i, f.prefetch_distance);
                S::store(data.add(i), f.source.load::<S, KIND>(y * f.cols + i, f.cols - i));
                i += S::LANES;
            }
            if f.lead + i < f.pitch {
                zeros::<T, S>(data.add(i), f.pitch - f.lead - i);
            }
            row = row.add(f.pitch);
        }
        zeros::<T, S>(row, f.below * f.pitch + f.tail);
    }
}

/// Rows of every `step`-th element of a plane's rows.
pub(crate) struct StridedGather<T> {
    pub source: PlaneSource<T>,
    pub into: *mut T,
    pub pitch: usize,
    pub above: usize,
    pub rows: usize,
    pub below: usize,
    pub lead: usize,
    /// Zeros after the last row: what a tap may reach there.
    pub tail: usize,
    /// Elements of a row that are taken.
    pub cols: usize,
    /// Elements of the source between those taken, and between its rows.
    pub step: usize,
    pub source_pitch: usize,
}

/// Packs from the lowest address up, as [`pack`] does.
#[inline(always)]
pub(crate) unsafe fn strided_gather<T: Real, S: Simd<T>, const KIND: usize>(f: &StridedGather<T>) {
    // SAFETY: as for `pack`.
    unsafe {
        zeros::<T, S>(f.into, f.above * f.pitch);
        let mut row = f.into.add(f.above * f.pitch);
        for y in 0..f.rows {
            zeros::<T, S>(row, f.lead);
            let data = row.add(f.lead);
            let source = f.source.skip(y * f.source_pitch);
            if f.step == 2 {
                gather_every_second::<T, S, KIND>(&source, data, f.cols);
            } else {
                for x in 0..f.cols {
                    let second = if KIND == SUM { *source.second.add(x * f.step) } else { T::ZERO };
                    *data.add(x) = *source.first.add(x * f.step) + second;
                }
            }
            zeros::<T, S>(data.add(f.cols), f.pitch - f.lead - f.cols);
            row = row.add(f.pitch);
        }
        zeros::<T, S>(row, f.below * f.pitch + f.tail);
    }
}

/// Every second element of a row, whose last element may be the plane's.
#[inline(always)]
unsafe fn gather_every_second<T: Real, S: Simd<T>, const KIND: usize>(
    source: &PlaneSource<T>,
    into: *mut T,
    cols: usize,
) {
    for x in (0..cols).step_by(S::LANES) {
        let n = S::LANES.min(cols - x);
        // SAFETY: the caller's row has `2 * cols - 1` elements from the first that is taken to the
        // last.
        unsafe {
            let mut values = S::load_every_second(source.first.add(2 * x), n);
            if KIND == SUM {
                values = S::add(values, S::load_every_second(source.second.add(2 * x), n));
            }
            S::store(into.add(x), values);
        }
    }
}
