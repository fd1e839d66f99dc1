//! The loops that pack a source's rows into a panel (im2col), with zeros around them.

use crate::element::{Element, Simd};
use crate::source::{Source, StridedSource};
use crate::stored::{Lanes, Storage};

/// Rows of one plane of a panel, and the zeros around them.
#[derive(Clone, Copy)]
pub(crate) struct PanelRows<R> {
    pub into: *mut R,
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
}

/// The arguments of [`pack`]: consecutive rows of a source.
pub(crate) struct Pack<R, P> {
    pub source: P,
    pub panel: PanelRows<R>,
    /// Elements between what is read and what is prefetched.
    pub prefetch_distance: usize,
}

/// The arguments of [`strided_gather`]: every `step`-th element of every `step`-th row of a source.
pub(crate) struct StridedGather<R, P> {
    pub source: P,
    pub panel: PanelRows<R>,
    pub step: usize,
    /// Elements of the source between gathered rows.
    pub source_pitch: usize,
}

/// Writes zeros in whole vectors, over at least `n` elements.
#[inline(always)]
unsafe fn zeros<R: Element, S: Simd<R>>(at: *mut R, n: usize) {
    let mut i = 0;
    while i < n {
        // SAFETY: the panel has room for a vector after the `n` elements.
        unsafe { S::store(at.add(i), S::splat(R::ZERO)) };
        i += S::LANES;
    }
}

/// The values of a source as products take them: rounded to `T`.
#[inline(always)]
unsafe fn rounded<T: Storage, S: Lanes<T>, P: Source<T>>(v: S::V) -> S::V {
    // SAFETY: register arithmetic; the caller guarantees the instruction set.
    if P::IS_STORED { v } else { unsafe { S::rounded(v) } }
}

/// Packs rows in order of rising addresses, so that a vector may be written beyond the end of a
/// row: the elements there are overwritten later.
#[inline(always)]
pub(crate) unsafe fn pack<T: Storage, S: Lanes<T>, P: Source<T>>(f: &Pack<T::Real, P>) {
    let PanelRows { into, pitch, above, rows, below, tail, lead, cols } = f.panel;
    let source = f.source;
    // SAFETY: the caller guarantees planes of `rows * cols` elements, and a panel of `above + rows
    // + below` rows, `tail` elements and one vector.
    unsafe {
        zeros::<T::Real, S>(into, above * pitch);
        let mut row = into.add(above * pitch);
        for y in 0..rows {
            zeros::<T::Real, S>(row, lead);
            let data = row.add(lead);
            let mut i = 0;
            while i + S::LANES <= cols {
                source.prefetch::<S>(y * cols + i + f.prefetch_distance);
                S::store(data.add(i), rounded::<T, S, P>(source.load::<S>(y * cols + i, S::LANES)));
                i += S::LANES;
            }
            if i < cols {
                source.prefetch::<S>(y * cols + i + f.prefetch_distance);
                S::store(data.add(i), rounded::<T, S, P>(source.load::<S>(y * cols + i, cols - i)));
                i += S::LANES;
            }
            if lead + i < pitch {
                zeros::<T::Real, S>(data.add(i), pitch - lead - i);
            }
            row = row.add(pitch);
        }
        zeros::<T::Real, S>(row, below * pitch + tail);
    }
}

/// Packs by a strided gather, in order of rising addresses as [`pack`] does.
#[inline(always)]
pub(crate) unsafe fn strided_gather<T: Storage, S: Lanes<T>, P: StridedSource<T>>(
    f: &StridedGather<T::Real, P>,
) {
    let PanelRows { into, pitch, above, rows, below, tail, lead, cols } = f.panel;
    // SAFETY: as for `pack`.
    unsafe {
        zeros::<T::Real, S>(into, above * pitch);
        let mut row = into.add(above * pitch);
        for y in 0..rows {
            zeros::<T::Real, S>(row, lead);
            let data = row.add(lead);
            let source = f.source.skip(y * f.source_pitch);
            if f.step == 2 {
                for x in (0..cols).step_by(S::LANES) {
                    // Nothing after the last element is read, since it may be the last of the
                    // plane.
                    let n = S::LANES.min(cols - x);
                    let v = source.skip(2 * x).load_every_second::<S>(n);
                    S::store(data.add(x), rounded::<T, S, P>(v));
                }
            } else {
                for x in 0..cols {
                    *data.add(x) = T::stored(source.element(x * f.step)).real();
                }
            }
            zeros::<T::Real, S>(data.add(cols), pitch - lead - cols);
            row = row.add(pitch);
        }
        zeros::<T::Real, S>(row, below * pitch + tail);
    }
}
