//! AMX tiles as plain loops.

use super::unit::{LEFT, RIGHT, SIDE, Sizes, Unit};

/// Bytes of a row.
const ROW: usize = 4 * SIDE;

/// Eight tiles in memory.
pub(crate) struct Emulated {
    tiles: [[[u8; ROW]; SIDE]; 8],
    sizes: Sizes,
}

impl Default for Emulated {
    fn default() -> Emulated {
        Emulated { tiles: [[[0; ROW]; SIDE]; 8], sizes: Sizes { rows: 0, pairs: 0 } }
    }
}

impl Emulated {
    /// Rows of a tile, and bytes of each.
    fn size(&self, tile: usize) -> (usize, usize) {
        let Sizes { rows, pairs } = self.sizes;
        match tile {
            _ if LEFT.contains(&tile) => (rows, 4 * pairs),
            _ if RIGHT.contains(&tile) => (pairs, ROW),
            _ => (rows, ROW),
        }
    }

    fn word(&self, tile: usize, row: usize, column: usize) -> u32 {
        let bytes = &self.tiles[tile][row][4 * column..][..4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// The two values of a pair, the first one in the lower half.
fn halves(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)]
}

impl Unit for Emulated {
    unsafe fn configure(&mut self, sizes: Sizes) {
        assert!((1..=SIDE).contains(&sizes.rows) && (1..=SIDE).contains(&sizes.pairs));
        *self = Emulated { sizes, ..Emulated::default() };
    }

    unsafe fn zero<const TILE: usize>(&mut self) {
        self.tiles[TILE] = [[0; ROW]; SIDE];
    }

    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, stride: usize) {
        let (rows, bytes) = self.size(TILE);
        for row in 0..rows {
            let into = &mut self.tiles[TILE][row][..bytes];
            // SAFETY: the caller guarantees the rows.
            unsafe { into.as_mut_ptr().copy_from_nonoverlapping(from.add(row * stride), bytes) };
        }
    }

    unsafe fn store<const TILE: usize>(&mut self, into: *mut u8, stride: usize) {
        let (rows, bytes) = self.size(TILE);
        for row in 0..rows {
            let from = self.tiles[TILE][row].as_ptr();
            // SAFETY: the caller guarantees the rows.
            unsafe { into.add(row * stride).copy_from_nonoverlapping(from, bytes) };
        }
    }

    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        let Sizes { rows, pairs } = self.sizes;
        for row in 0..rows {
            // The processor sums the first and the second values of pairs apart.
            let mut sums = [[0.0f32; 2]; SIDE];
            for pair in 0..pairs {
                let left = halves(self.word(LEFT, row, pair));
                for (column, sums) in sums.iter_mut().enumerate() {
                    let right = halves(self.word(RIGHT, pair, column));
                    // A product of two values in bfloat16 is exact in float32.
                    (0..2).for_each(|i| sums[i] += left[i] * right[i]);
                }
            }
            for (column, [first, second]) in sums.into_iter().enumerate() {
                let before = f32::from_bits(self.word(SUM, row, column));
                let after = before + (first + second);
                let into = &mut self.tiles[SUM][row][4 * column..][..4];
                into.copy_from_slice(&after.to_le_bytes());
            }
        }
    }

    unsafe fn release(&mut self) {
        *self = Emulated::default();
    }
}
