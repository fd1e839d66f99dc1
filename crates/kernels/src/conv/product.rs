//! A product of packed weights and a panel, cut so that each level of cache holds what it should.
//!
//! From outside to inside: some rows of weights and of results that fit the second-level cache; a
//! part of the depth, of which a tile's width of the panel fits the first level; a tile's width of
//! positions; the tiles of rows, whose weights stream from the second level.

use super::forward::Share;
use super::tile::{Tile, next_width, widest};
use crate::real::Real;

/// Elements of weights, and of results, that may stay in the second-level cache.
const SECOND_LEVEL: usize = 32 * 1024;
/// Values of the depth per pass over a tile: taps of one channel share cache lines of the panel,
/// single taps do not.
const DEPTH_OF_TAPS: usize = 320;
const DEPTH_OF_POINTS: usize = 144;

/// Rows of weights that one tile takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub first: usize,
    pub rows: usize,
}

/// Cuts rows into tiles of six, with tiles of three to five in the end, where there are as many
/// rows.
pub(crate) fn blocks(rows: usize) -> Vec<Block> {
    cut(
        rows,
        6,
        match (rows / 6, rows % 6) {
            (_, 0) => &[],
            (0, 1) => &[1],
            (0, 2) => &[2],
            (_, 1) => &[4, 3],
            (_, 2) => &[4, 4],
            (_, 3) => &[3],
            (_, 4) => &[4],
            (_, _) => &[5],
        },
    )
}

/// Cuts rows into tiles of four, which suit dot products, with a five, a six or a few in the end.
pub(crate) fn dot_blocks(rows: usize) -> Vec<Block> {
    cut(
        rows,
        4,
        match (rows / 4, rows % 4) {
            (_, 0) => &[],
            (0, 1) => &[1],
            (0, 2) => &[2],
            (_, 1) => &[5],
            (1, 2) => &[6],
            (_, 2) => &[5, 5],
            (_, _) => &[3],
        },
    )
}

/// Tiles of one size, and the last ones.
fn cut(rows: usize, size: usize, last: &[usize]) -> Vec<Block> {
    let equal = (rows - last.iter().sum::<usize>()) / size;
    let mut first = 0;
    std::iter::repeat_n(size, equal)
        .chain(last.iter().copied())
        .map(|rows| {
            first += rows;
            Block { first: first - rows, rows }
        })
        .collect()
}

/// `count` runs of `len` positions, `span` apart: the positions of a panel that are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs {
    pub count: usize,
    pub span: usize,
    pub len: usize,
}

/// Where weights lie before they are packed: row r, column k at `r * row_stride + columns[k]`.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub row_stride: usize,
    pub columns: Vec<u32>,
}

/// A matrix of `rows` by `offsets.len()` weights, where column k reads the panel at `offsets[k]`.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub rows: usize,
    pub blocks: Vec<Block>,
    pub offsets: Vec<u32>,
    order: Order,
    /// Values of the depth per pass.
    depth: usize,
    /// Rows whose weights and results stay in the second-level cache.
    group: usize,
}

impl Product {
    /// A product whose panel and results have `plane` elements from row to row; `taps` is how many
    /// columns read one plane.
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
            "columns rise, so that those of one length may be one run"
        );
        let most = if taps > 1 { DEPTH_OF_TAPS } else { DEPTH_OF_POINTS };
        let passes = offsets.len().div_ceil(most).max(1);
        let depth = offsets.len().div_ceil(passes).max(1);
        let group = (SECOND_LEVEL / plane).min(SECOND_LEVEL / depth).clamp(24, 256);
        Product { rows, blocks: blocks(rows), offsets, order, depth, group }
    }

    /// Elements of the packed weights.
    pub(crate) fn packed_len(&self) -> usize {
        self.rows * self.offsets.len()
    }

    /// The most rows of results at a time.
    pub(crate) fn result_rows(&self) -> usize {
        self.rows.min(self.group)
    }

    /// Orders weights as tiles read them: by depth block, by tile, by depth, by row. Threads divide
    /// the tiles among them.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements, and no other thread accesses those of this share.
    pub(crate) unsafe fn pack<T: Real>(&self, weights: &[T], packed: *mut T, share: Share) {
        for pass in 0..self.passes() {
            let depth = self.pass(pass);
            for block in &self.blocks[share.within(0..self.blocks.len())] {
                let start = self.rows * depth.start + block.first * depth.len();
                // SAFETY: tiles lie one after the other in the packed weights, pass by pass.
                let tile = unsafe {
                    std::slice::from_raw_parts_mut(packed.add(start), depth.len() * block.rows)
                };
                let from = &weights[block.first * self.order.row_stride..];
                let columns = &self.order.columns[depth.clone()];
                match block.rows {
                    6 => pack_tile::<T, 6>(from, columns, self.order.row_stride, tile),
                    5 => pack_tile::<T, 5>(from, columns, self.order.row_stride, tile),
                    4 => pack_tile::<T, 4>(from, columns, self.order.row_stride, tile),
                    3 => pack_tile::<T, 3>(from, columns, self.order.row_stride, tile),
                    2 => pack_tile::<T, 2>(from, columns, self.order.row_stride, tile),
                    _ => pack_tile::<T, 1>(from, columns, self.order.row_stride, tile),
                }
            }
        }
    }

    /// Parts of the depth.
    fn passes(&self) -> usize {
        self.offsets.len().div_ceil(self.depth)
    }

    fn pass(&self, pass: usize) -> std::ops::Range<usize> {
        pass * self.depth..((pass + 1) * self.depth).min(self.offsets.len())
    }

    /// The cache blocks of this share: tiles whose weights and results fit the second-level cache
    /// together.
    pub(crate) fn groups(&self, share: Share) -> impl Iterator<Item = &[Block]> {
        let mut rest = &self.blocks[share.within(0..self.blocks.len())];
        std::iter::from_fn(move || {
            let first = rest.first()?.first;
            let count = rest
                .iter()
                .take_while(|block| block.first + block.rows - first <= self.group)
                .count();
            let (group, after) = rest.split_at(count);
            rest = after;
            Some(group)
        })
    }

    /// Computes the rows of `group` into `out`, whose rows are `stride` apart and begin with the
    /// group's first.
    ///
    /// # Safety
    /// `packed` holds `packed_len` elements; the panel is readable a tile's width beyond each run,
    /// wherever an offset leads; `out` is writable there.
    pub(crate) unsafe fn multiply<T: Real>(
        &self,
        group: &[Block],
        packed: *const T,
        panel: *const T,
        runs: Runs,
        out: *mut T,
        stride: usize,
    ) {
        let kernels = T::kernels();
        let widest = |rows| widest(rows, kernels.registers);
        let vectors = runs.len.div_ceil(kernels.lanes);
        for pass in 0..self.passes() {
            let part = self.pass(pass);
            for same in group.chunk_by(|a, b| widest(a.rows) == widest(b.rows)) {
                for run in 0..runs.count {
                    let mut done = 0;
                    while done < vectors {
                        let width = next_width(vectors - done, widest(same[0].rows));
                        let at = run * runs.span + done * kernels.lanes;
                        for block in same {
                            // SAFETY: the caller's promise; the weights of a pass lie together,
                            // tile after tile.
                            unsafe {
                                let tile = Tile {
                                    weights: packed
                                        .add(self.rows * part.start + block.first * part.len()),
                                    panel: panel.add(at),
                                    offsets: self.offsets.as_ptr().add(part.start),
                                    depth: part.len(),
                                    out: out.add((block.first - group[0].first) * stride + at),
                                    stride,
                                    add: pass > 0,
                                };
                                (kernels.tile[block.rows - 1][width - 1])(&tile);
                            }
                        }
                        done += width;
                    }
                }
            }
        }
    }
}

/// One tile's weights of a pass. The two orders of 1x1 convolutions, and the one of every forward
/// pass, have loops of their own, several times as fast.
fn pack_tile<T: Real, const ROWS: usize>(
    from: &[T],
    columns: &[u32],
    row_stride: usize,
    tile: &mut [T],
) {
    let (Some(&first), Some(&last)) = (columns.first(), columns.last()) else { return };
    let slots = tile.chunks_exact_mut(ROWS);
    let first = first as usize;
    if row_stride == 1 {
        for (slots, &column) in slots.zip(columns) {
            slots.copy_from_slice(&from[column as usize..][..ROWS]);
        }
    } else if last as usize - first == columns.len() - 1 {
        let rows: [&[T]; ROWS] =
            std::array::from_fn(|row| &from[first + row * row_stride..][..columns.len()]);
        for (k, slots) in slots.enumerate() {
            for row in 0..ROWS {
                slots[row] = rows[row][k];
            }
        }
    } else {
        for (slots, &column) in slots.zip(columns) {
            for row in 0..ROWS {
                slots[row] = from[column as usize + row * row_stride];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_row_once_in_tiles_that_exist() {
        for (rows, blocks) in
            (1..300).flat_map(|rows| [(rows, blocks(rows)), (rows, dot_blocks(rows))])
        {
            let mut next = 0;
            for block in blocks {
                assert_eq!(block.first, next);
                assert!((1..=super::super::tile::ROWS).contains(&block.rows));
                assert!(block.rows > 1 || rows == 1);
                next += block.rows;
            }
            assert_eq!(next, rows);
        }
    }

    #[test]
    fn groups_cover_every_block_once() {
        let product = Product::new(
            333,
            (0..700).collect(),
            Order { row_stride: 700, columns: (0..700).collect() },
            9,
            500,
        );
        let rows: usize = product.groups(Share::WHOLE).flatten().map(|block| block.rows).sum();
        assert_eq!(rows, 333);
        assert!(
            product.groups(Share::WHOLE).all(|group| group
                .iter()
                .map(|block| block.rows)
                .sum::<usize>()
                <= product.result_rows())
        );
    }
}
