//! A product of packed weights and a panel, blocked for the caches.
//!
//! The loops, from the outermost to the innermost:
//! - cache blocks: rows whose weights and results fit the second-level cache
//! - depth blocks: a range of the depth, of which a tile's width of the panel fits the first level
//! - the width of a tile, in positions
//! - tiles, whose weights stream from the second level

use super::amx_product::{self, AmxProduct};
use super::rows::{Order, Runs, TileRows, tiles};
use super::tile::{Tile, next_width, widest};
use crate::dispatch::{Real, Stored};
use crate::share::Share;
use crate::stored::Storage;

/// Elements of weights, and of results, that may stay in the second-level cache.
const SECOND_LEVEL: usize = 32 * 1024;
/// The largest depth blocks. The taps of one channel share cache lines of the panel; those of 1x1
/// convolutions do not.
const DEPTH_OF_TAPS: usize = 320;
const DEPTH_OF_POINTS: usize = 144;

/// A matrix of `rows` by `offsets.len()` weights, where column k reads the panel at `offsets[k]`.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub rows: usize,
    pub tiles: Vec<TileRows>,
    pub offsets: Vec<u32>,
    order: Order,
    /// Columns of a depth block.
    depth: usize,
    /// The most rows of a cache block.
    cache_rows: usize,
    /// The same product by AMX tiles, if they are in use and suit it.
    pub amx: Option<AmxProduct>,
}

impl Product {
    /// Plans a product. Rows of the panel and of the results are `plane` elements apart, and `taps`
    /// columns read one plane of the panel.
    pub(crate) fn new(
        rows: usize,
        offsets: Vec<u32>,
        order: Order,
        taps: usize,
        plane: usize,
    ) -> Self {
        debug_assert_eq!(offsets.len(), order.columns.len());
        debug_assert!(
            order.columns.is_sorted(),
            "packing takes columns without gaps for one range"
        );
        let most = if taps > 1 { DEPTH_OF_TAPS } else { DEPTH_OF_POINTS };
        let count = offsets.len().div_ceil(most).max(1);
        let depth = offsets.len().div_ceil(count).max(1);
        let cache_rows = (SECOND_LEVEL / plane).min(SECOND_LEVEL / depth).clamp(24, 256);
        let amx = AmxProduct::new(rows, &offsets, taps);
        Product { rows, tiles: tiles(rows), offsets, order, depth, cache_rows, amx }
    }

    /// Elements of the packed weights.
    pub(crate) fn packed_len(&self) -> usize {
        self.rows * self.offsets.len()
    }

    /// The most rows of results that one cache block has.
    pub(crate) fn result_rows(&self) -> usize {
        let rows = self.rows.min(self.cache_rows);
        // AMX tiles are written whole.
        rows + self.amx.as_ref().map_or(0, |amx| amx.sizes.rows - 1)
    }

    /// Elements of scratch memory for the panel of pairs that AMX tiles read.
    pub(crate) fn pairs_len(&self) -> usize {
        self.amx.as_ref().map_or(0, AmxProduct::panel_len)
    }

    /// The product by AMX tiles, if planes of `T` are multiplied so.
    pub(crate) fn amx<T: Storage>(&self) -> Option<&AmxProduct> {
        amx_product::of::<T>(&self.amx)
    }

    /// Rounds weights to `T` and orders them as tiles read them: by depth block, by tile, by depth,
    /// by row. Threads divide the tiles among them.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements, and no other thread accesses those of this share.
    pub(crate) unsafe fn pack<T: Storage>(
        &self,
        weights: &[T::Real],
        packed: *mut T::Real,
        share: Share,
    ) {
        if let Some(amx) = self.amx::<T>() {
            // SAFETY: as here; elements have 32 bits.
            return unsafe { amx.pack::<T>(&self.order, weights, packed.cast(), share) };
        }
        for index in 0..self.depth_blocks() {
            let depth = self.depth_block(index);
            for tile in &self.tiles[share.within(0..self.tiles.len())] {
                let start = self.rows * depth.start + tile.first * depth.len();
                // SAFETY: `packed` holds every tile of every depth block, one after the other.
                let into = unsafe {
                    std::slice::from_raw_parts_mut(packed.add(start), depth.len() * tile.rows)
                };
                let from = &weights[tile.first * self.order.row_stride..];
                let columns = &self.order.columns[depth.clone()];
                match tile.rows {
                    6 => pack_tile::<T, 6>(from, columns, self.order.row_stride, into),
                    5 => pack_tile::<T, 5>(from, columns, self.order.row_stride, into),
                    4 => pack_tile::<T, 4>(from, columns, self.order.row_stride, into),
                    3 => pack_tile::<T, 3>(from, columns, self.order.row_stride, into),
                    2 => pack_tile::<T, 2>(from, columns, self.order.row_stride, into),
                    _ => pack_tile::<T, 1>(from, columns, self.order.row_stride, into),
                }
            }
        }
    }

    /// The number of depth blocks.
    fn depth_blocks(&self) -> usize {
        self.offsets.len().div_ceil(self.depth)
    }

    fn depth_block(&self, index: usize) -> std::ops::Range<usize> {
        index * self.depth..((index + 1) * self.depth).min(self.offsets.len())
    }

    /// The cache blocks of this share: tiles whose weights and results fit the second-level cache
    /// together.
    pub(crate) fn cache_blocks<T: Storage>(
        &self,
        share: Share,
    ) -> impl Iterator<Item = &[TileRows]> {
        let tiles = self.amx::<T>().map_or(&self.tiles, |amx| &amx.tiles);
        let mut rest = &tiles[share.within(0..tiles.len())];
        std::iter::from_fn(move || {
            let first = rest.first()?.first;
            let count = rest
                .iter()
                .take_while(|tile| tile.first + tile.rows - first <= self.cache_rows)
                .count();
            let (block, after) = rest.split_at(count);
            rest = after;
            Some(block)
        })
    }

    /// Prepares a panel of planes of `T` for [`Product::multiply_panel`]. `pairs` is unused
    /// without AMX.
    ///
    /// # Safety
    /// The panel holds all channels, and `pairs` has [`Product::pairs_len`] elements.
    pub(crate) unsafe fn prepare<T: Stored>(&self, panel: *const T::Real, pairs: *mut T::Real) {
        if let Some(amx) = self.amx::<T>() {
            // SAFETY: as here; elements have 32 bits.
            unsafe { amx.pair(panel.cast(), pairs.cast()) }
        }
    }

    /// Computes the rows of `block` from a panel and its pairs; see [`Product::multiply`].
    ///
    /// # Safety
    /// As for [`Product::multiply`]; the panel has been prepared.
    pub(crate) unsafe fn multiply_panel<T: Stored>(
        &self,
        block: &[TileRows],
        packed: *const T::Real,
        (panel, pairs): (*const T::Real, *const T::Real),
        runs: Runs,
        out: *mut T::Real,
        stride: usize,
    ) {
        // SAFETY: as here; elements in AMX tiles have 32 bits.
        unsafe {
            match self.amx::<T>() {
                Some(amx) => {
                    amx.multiply(block, packed.cast(), pairs.cast(), runs, out.cast(), stride);
                }
                None => self.multiply(block, packed, panel, runs, out, stride),
            }
        }
    }

    /// Computes the rows of `block` into `out`, whose rows are `stride` apart and begin with the
    /// block's first.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements. From each offset on, the panel is readable for a
    /// tile's width beyond each run, and `out` is writable for the same range.
    pub(crate) unsafe fn multiply<T: Real>(
        &self,
        block: &[TileRows],
        packed: *const T,
        panel: *const T,
        runs: Runs,
        out: *mut T,
        stride: usize,
    ) {
        let kernels = T::real_kernels();
        let widest = |rows| widest(rows, kernels.registers);
        let vectors = runs.len.div_ceil(kernels.lanes);
        for index in 0..self.depth_blocks() {
            let depths = self.depth_block(index);
            for same in block.chunk_by(|a, b| widest(a.rows) == widest(b.rows)) {
                for run in 0..runs.count {
                    let mut done = 0;
                    while done < vectors {
                        let width = next_width(vectors - done, widest(same[0].rows));
                        let at = run * runs.span + done * kernels.lanes;
                        for tile in same {
                            // SAFETY: the caller guarantees the pointers; the tiles of a depth
                            // block are consecutive in the packed weights.
                            unsafe {
                                let arguments = Tile {
                                    weights: packed
                                        .add(self.rows * depths.start + tile.first * depths.len()),
                                    panel: panel.add(at),
                                    offsets: self.offsets.as_ptr().add(depths.start),
                                    depth: depths.len(),
                                    out: out.add((tile.first - block[0].first) * stride + at),
                                    stride,
                                    add: index > 0,
                                };
                                (kernels.tile[tile.rows - 1][width - 1])(&arguments);
                            }
                        }
                        done += width;
                    }
                }
            }
        }
    }
}

/// Packs the weights of one tile and depth block. Two layouts have loops of their own, several
/// times as fast: rows that are contiguous (the input's gradient of 1x1 convolutions), and columns
/// that are contiguous (every forward pass).
fn pack_tile<T: Storage, const ROWS: usize>(
    from: &[T::Real],
    columns: &[u32],
    row_stride: usize,
    tile: &mut [T::Real],
) {
    let (Some(&first), Some(&last)) = (columns.first(), columns.last()) else { return };
    let slots = tile.chunks_exact_mut(ROWS);
    let first = first as usize;
    if row_stride == 1 {
        for (slots, &column) in slots.zip(columns) {
            for (slot, weight) in slots.iter_mut().zip(&from[column as usize..][..ROWS]) {
                *slot = T::stored(*weight).real();
            }
        }
    } else if last as usize - first == columns.len() - 1 {
        let rows: [&[T::Real]; ROWS] =
            std::array::from_fn(|row| &from[first + row * row_stride..][..columns.len()]);
        for (k, slots) in slots.enumerate() {
            for row in 0..ROWS {
                slots[row] = T::stored(rows[row][k]).real();
            }
        }
    } else {
        for (slots, &column) in slots.zip(columns) {
            for row in 0..ROWS {
                slots[row] = T::stored(from[column as usize + row * row_stride]).real();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_blocks_cover_every_tile_once() {
        let product = Product::new(
            333,
            (0..700).collect(),
            Order { row_stride: 700, columns: (0..700).collect() },
            9,
            500,
        );
        let rows: usize =
            product.cache_blocks::<f32>(Share::WHOLE).flatten().map(|tile| tile.rows).sum();
        assert_eq!(rows, 333);
        assert!(product.cache_blocks::<f32>(Share::WHOLE).all(|block| {
            block.iter().map(|tile| tile.rows).sum::<usize>() <= product.result_rows()
        }));
    }
}
