//! Packs an image's planes into a panel (im2col), with zeros around them. An elementwise operation
//! on one or several tensors is fused into the packing.

use crate::real::{Real, Simd};

/// The source of a plane: one to three tensors and an elementwise operation, its kind. Pointers
/// that a kind does not use are null.
#[derive(Clone, Copy)]
pub(crate) struct PlaneSource<T> {
    pub first: *const T,
    /// The second term (`SUM`), or the ReLU's output that masks `first` (`RELU`).
    pub second: *const T,
    /// The batch norm's input (`NORM`): the plane is then `first_factor * first + x_factor * x +
    /// constant`.
    pub x: *const T,
    pub first_factor: T,
    pub x_factor: T,
    pub constant: T,
}

/// The kind of source that copies `first`.
pub(crate) const ONE: usize = 0;
/// The kind that adds `first` and `second`.
pub(crate) const SUM: usize = 1;
/// The kind that masks `first` by the ReLU's output `second`.
pub(crate) const RELU: usize = 2;
/// The kind that computes a batch norm's backward pass.
pub(crate) const NORM: usize = 3;
/// The number of kinds.
pub(crate) const KINDS: usize = 4;

impl<T: Real> PlaneSource<T> {
    /// A source that copies one plane.
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

    /// The same source, beginning `n` elements later.
    pub(crate) fn skip(self, n: usize) -> Self {
        // Null pointers move as well, hence wrapping arithmetic; they are never read.
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
        // SAFETY: any address may be prefetched.
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

    /// Computes `n` lanes from element `i` on; the other lanes are zero.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd<T>, const KIND: usize>(&self, i: usize, n: usize) -> S::V {
        // SAFETY: the caller guarantees elements i..i + n in every plane that this kind uses.
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

/// The arguments of [`pack`]: rows of a plane, with zeros around them.
pub(crate) struct Pack<T> {
    pub source: PlaneSource<T>,
    pub into: *mut T,
    /// Elements between rows of the panel.
    pub pitch: usize,
    /// Rows of zeros above, rows of the source, rows of zeros below.
    pub above: usize,
    pub rows: usize,
    pub below: usize,
    /// Zeros after the last row, as far as taps reach.
    pub tail: usize,
    /// Zeros before the first element of a row, and elements of a row of the source.
    pub lead: usize,
    pub cols: usize,
    /// Elements between what is read and what is prefetched.
    pub prefetch_distance: usize,
}

/// Writes zeros in whole vectors, over at least `n` elements.
#[inline(always)]
unsafe fn zeros<T: Real, S: Simd<T>>(at: *mut T, n: usize) {
    let mut i = 0;
    while i < n {
        // SAFETY: the panel has room for a vector after the `n` elements.
        unsafe { S::store(at.add(i), S::splat(T::ZERO)) };
        i += S::LANES;
    }
}

/// Packs rows in order of rising addresses, so that a vector may be written beyond the end of a
/// row: the elements there are overwritten later.
#[inline(always)]
pub(crate) unsafe fn pack<T: Real, S: Simd<T>, const KIND: usize>(f: &Pack<T>) {
    // SAFETY: the caller guarantees planes of `rows * cols` elements, and a panel of `above + rows
    // + below` rows, `tail` elements and one vector.
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

/// The arguments of [`strided_gather`]: every `step`-th element of rows of a plane.
pub(crate) struct StridedGather<T> {
    pub source: PlaneSource<T>,
    pub into: *mut T,
    pub pitch: usize,
    pub above: usize,
    pub rows: usize,
    pub below: usize,
    pub lead: usize,
    /// Zeros after the last row, as far as taps reach.
    pub tail: usize,
    /// Elements of a row that are gathered.
    pub cols: usize,
    /// Elements of the source between gathered elements, and between rows.
    pub step: usize,
    pub source_pitch: usize,
}

/// Packs by a strided gather, in order of rising addresses as [`pack`] does.
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

/// Gathers every second element of a row. Nothing after the last one is read, since it may be the
/// last of the plane.
#[inline(always)]
unsafe fn gather_every_second<T: Real, S: Simd<T>, const KIND: usize>(
    source: &PlaneSource<T>,
    into: *mut T,
    cols: usize,
) {
    for x in (0..cols).step_by(S::LANES) {
        let n = S::LANES.min(cols - x);
        // SAFETY: the caller guarantees the `2 * cols - 1` elements from the first to the last one.
        unsafe {
            let mut values = S::load_every_second(source.first.add(2 * x), n);
            if KIND == SUM {
                values = S::add(values, S::load_every_second(source.second.add(2 * x), n));
            }
            S::store(into.add(x), values);
        }
    }
}
