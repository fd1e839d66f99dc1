//! What a unit of AMX tiles can do.

/// Rows of a tile, and 32-bit elements of a row.
pub(crate) const SIDE: usize = 16;
/// The tiles that hold sums, by row and column of a block of two by two.
pub(crate) const SUMS: [[usize; 2]; 2] = [[0, 1], [2, 3]];
/// The tiles of the left factor and of the right one.
pub(crate) const LEFT: [usize; 2] = [4, 5];
pub(crate) const RIGHT: [usize; 2] = [6, 7];

/// The sizes of the tiles of one product: sums have `rows` by 16, left factors `rows` by `pairs`,
/// right factors `pairs` by 16. Elements of the factors are pairs of bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub rows: usize,
    pub pairs: usize,
}

/// Eight tiles and the instructions on them. A tile is named by a constant, as it is encoded in the
/// instruction.
///
/// # Safety
/// `configure` comes before everything else. Addresses cover the rows of the tile, `stride` bytes
/// apart.
pub(crate) trait Unit: Default {
    unsafe fn configure(&mut self, sizes: Sizes);
    unsafe fn zero<const TILE: usize>(&mut self);
    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, stride: usize);
    unsafe fn store<const TILE: usize>(&mut self, into: *mut u8, stride: usize);
    /// `sums += left * right`, in pairs.
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self);
    /// Leaves the tiles, so that the operating system need not keep them.
    unsafe fn release(&mut self);
}
