//! A product of weights and a panel by AMX tiles, for planes in bfloat16.
//!
//! The panel is that of other kernels with two channels in an element: position p of pair j holds
//! channels 2j and 2j + 1. A right factor then is `pairs` rows of 16 neighboring positions, one
//! plane of the panel apart, for every tap; a left factor is the weights of that tap.
//!
//! The loops, from the outermost to the innermost: depth blocks, whose part of the panel stays in
//! the first-level cache; 32 positions; two AMX tiles of rows; the depth.

use super::rows::{Order, Runs, TileRows};
use crate::Bf16;
use crate::amx::{self, LEFT, RIGHT, SIDE, SUMS, Sizes, Unit};
use crate::element::Element;
use crate::instruction_set::{InstructionSet, current};
use crate::share::Share;
use crate::stored::Storage;

/// Steps of a depth block: the right factors of two tiles take 24 KiB.
const DEPTH: usize = 12;
/// The fewest rows and channels for which tiles are worth their padding. From here on, packed
/// weights also fit where other kernels keep theirs.
const FEWEST: usize = 8;

/// Who multiplies AMX tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hardware,
    Emulated,
}

/// Who multiplies for kernels that are prepared now; `None` without AMX.
fn in_use() -> Option<Kind> {
    if amx::is_emulated() {
        return Some(Kind::Emulated);
    }
    (current() == InstructionSet::Amx).then_some(Kind::Hardware)
}

/// The product by AMX tiles for planes of `T`: they multiply bfloat16 alone.
pub(super) fn of<T: Storage>(product: &Option<AmxProduct>) -> Option<&AmxProduct> {
    product.as_ref().filter(|_| std::any::TypeId::of::<T>() == std::any::TypeId::of::<Bf16>())
}

/// A matrix of weights as AMX tiles. One step of the depth is one tap of `pairs` pairs of channels.
#[derive(Clone, Debug)]
pub(crate) struct AmxProduct {
    pub kind: Kind,
    /// The rows of each tile; all but the last have `sizes.rows`.
    pub tiles: Vec<TileRows>,
    pub sizes: Sizes,
    rows: usize,
    channels: usize,
    /// Steps of one tap.
    steps: usize,
    /// The offset of each tap in the planes of a channel.
    taps: Vec<u32>,
    /// Elements between channels of the panel.
    channel_stride: usize,
}

impl AmxProduct {
    /// The product of `rows` by `offsets.len()` weights, where `taps` columns read one channel;
    /// `None` if AMX is not in use or does not suit the sizes.
    pub(crate) fn new(rows: usize, offsets: &[u32], taps: usize) -> Option<AmxProduct> {
        let kind = in_use()?;
        let channels = offsets.len().checked_div(taps)?;
        if rows < FEWEST || channels < FEWEST {
            return None;
        }
        let tile_rows = rows.div_ceil(rows.div_ceil(SIDE));
        let all = channels.div_ceil(2);
        let steps = all.div_ceil(SIDE);
        let tile = |first| TileRows { first, rows: tile_rows.min(rows - first) };
        Some(AmxProduct {
            kind,
            tiles: (0..rows).step_by(tile_rows).map(tile).collect(),
            sizes: Sizes { rows: tile_rows, pairs: all.div_ceil(steps) },
            rows,
            channels,
            steps,
            taps: offsets[..taps].to_vec(),
            channel_stride: (offsets[taps] - offsets[0]) as usize,
        })
    }

    /// Elements of the panel of pairs.
    pub(crate) fn panel_len(&self) -> usize {
        self.pairs() * self.channel_stride
    }

    /// Pairs of channels, with those that fill the last step.
    fn pairs(&self) -> usize {
        self.steps * self.sizes.pairs
    }

    fn depth(&self) -> usize {
        self.taps.len() * self.steps
    }

    fn tile_len(&self) -> usize {
        self.sizes.rows * self.sizes.pairs
    }

    /// Rounds weights to bfloat16 and orders them by tile, tap, step, row and pair. Threads divide
    /// the tiles among them.
    ///
    /// # Safety
    /// `packed` holds an element for each of the weights, and no other thread accesses those of
    /// this share.
    pub(crate) unsafe fn pack<T: Storage>(
        &self,
        order: &Order,
        weights: &[T::Real],
        packed: *mut u32,
        share: Share,
    ) {
        let taps = self.taps.len();
        let len = self.tile_len();
        debug_assert!(self.tiles.len() * self.depth() * len <= self.rows * self.channels * taps);
        let bits = |row: usize, channel: usize, tap: usize| {
            if row >= self.rows || channel >= self.channels {
                return 0;
            }
            let column = order.columns[channel * taps + tap] as usize;
            let weight = T::stored(weights[row * order.row_stride + column]).real();
            (weight.to_f64() as f32).to_bits() >> 16
        };
        for tile in share.within(0..self.tiles.len()) {
            for depth in 0..self.depth() {
                let (tap, step) = (depth / self.steps, depth % self.steps);
                // SAFETY: the caller guarantees room for all tiles.
                let into = unsafe {
                    std::slice::from_raw_parts_mut(
                        packed.add((tile * self.depth() + depth) * len),
                        len,
                    )
                };
                for (i, slots) in into.chunks_exact_mut(self.sizes.pairs).enumerate() {
                    let row = tile * self.sizes.rows + i;
                    for (j, slot) in slots.iter_mut().enumerate() {
                        let channel = 2 * (step * self.sizes.pairs + j);
                        *slot = bits(row, channel, tap) | bits(row, channel + 1, tap) << 16;
                    }
                }
            }
        }
    }

    /// Joins the channels of a panel in pairs; what fills the last step is zero, since zero times
    /// anything that is not finite is not zero.
    ///
    /// # Safety
    /// The panel holds the planes of all channels, and `pairs` has [`AmxProduct::panel_len`].
    pub(crate) unsafe fn pair(&self, panel: *const f32, pairs: *mut u32) {
        let joined = Joined { product: self, panel, pairs };
        // SAFETY: the caller guarantees the memory. Hardware implies AVX-512.
        unsafe {
            match self.kind {
                #[cfg(target_arch = "x86_64")]
                Kind::Hardware => join_avx512(&joined),
                #[cfg(not(target_arch = "x86_64"))]
                Kind::Hardware => join(&joined),
                Kind::Emulated => join(&joined),
            }
        }
    }

    /// Computes the rows of `block` into `out`, whose rows are `stride` apart and begin with the
    /// block's first.
    ///
    /// # Safety
    /// As for `Product::multiply`, with a panel of pairs; `out` has room for whole tiles of rows.
    pub(crate) unsafe fn multiply(
        &self,
        block: &[TileRows],
        packed: *const u32,
        pairs: *const u32,
        runs: Runs,
        out: *mut f32,
        stride: usize,
    ) {
        let arguments = Arguments { product: self, block, packed, pairs, runs, out, stride };
        // SAFETY: the caller guarantees the memory.
        unsafe {
            match self.kind {
                Kind::Hardware => arguments.run::<amx::Hardware>(),
                Kind::Emulated => arguments.run::<amx::Emulated>(),
            }
        }
    }
}

struct Joined<'a> {
    product: &'a AmxProduct,
    panel: *const f32,
    pairs: *mut u32,
}

#[inline(always)]
unsafe fn join(joined: &Joined) {
    let AmxProduct { channels, channel_stride: len, .. } = *joined.product;
    // SAFETY: the caller guarantees planes of `len` elements.
    unsafe {
        for j in 0..joined.product.pairs() {
            let into = std::slice::from_raw_parts_mut(joined.pairs.add(j * len), len);
            if 2 * j >= channels {
                into.fill(0);
                continue;
            }
            let first =
                std::slice::from_raw_parts(joined.panel.add(2 * j * len).cast::<u32>(), len);
            if 2 * j + 1 == channels {
                into.iter_mut().zip(first).for_each(|(pair, bits)| *pair = bits >> 16);
                continue;
            }
            let second = joined.panel.add((2 * j + 1) * len).cast::<u32>();
            let second = std::slice::from_raw_parts(second, len);
            for i in 0..len {
                into[i] = first[i] >> 16 | second[i] & 0xffff_0000;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn join_avx512(joined: &Joined) {
    // SAFETY: as for `join`.
    unsafe { join(joined) }
}

struct Arguments<'a> {
    product: &'a AmxProduct,
    block: &'a [TileRows],
    packed: *const u32,
    pairs: *const u32,
    runs: Runs,
    out: *mut f32,
    stride: usize,
}

/// A block of at most two by two tiles of sums.
#[derive(Clone, Copy)]
struct Place<'a> {
    tiles: &'a [TileRows],
    position: usize,
    depths: (usize, usize),
}

impl Arguments<'_> {
    unsafe fn run<U: Unit>(&self) {
        let mut unit = U::default();
        let depth = self.product.depth();
        // SAFETY: the caller guarantees the memory.
        unsafe {
            unit.configure(self.product.sizes);
            for first in (0..depth).step_by(DEPTH) {
                let depths = (first, (first + DEPTH).min(depth));
                for run in 0..self.runs.count {
                    for at in (0..self.runs.len).step_by(2 * SIDE) {
                        let position = run * self.runs.span + at;
                        for tiles in self.block.chunks(2) {
                            let place = Place { tiles, position, depths };
                            match (tiles.len(), self.runs.len - at > SIDE) {
                                (2, true) => self.sums::<U, 2, 2>(&mut unit, place),
                                (2, false) => self.sums::<U, 2, 1>(&mut unit, place),
                                (_, true) => self.sums::<U, 1, 2>(&mut unit, place),
                                (_, false) => self.sums::<U, 1, 1>(&mut unit, place),
                            }
                        }
                    }
                }
            }
            unit.release();
        }
    }

    /// Adds a depth block to the sums of M by N tiles.
    #[inline(always)]
    unsafe fn sums<U: Unit, const M: usize, const N: usize>(&self, unit: &mut U, at: Place) {
        let product = self.product;
        let row = at.tiles[0].first - self.block[0].first;
        let tile_len = product.tile_len();
        let tile = at.tiles[0].first / product.sizes.rows;
        let between = product.depth() * tile_len;
        let row_bytes = 4 * product.sizes.pairs;
        let out = self.out.wrapping_add(row * self.stride + at.position);
        let below = out.wrapping_add(product.sizes.rows * self.stride);
        // SAFETY: the caller guarantees the memory.
        unsafe {
            begin::<U, M, N>(unit, at.depths.0 > 0, [out, below], 4 * self.stride);
            let mut left = self.packed.add(tile * between + at.depths.0 * tile_len);
            let mut tap = at.depths.0 / product.steps;
            let mut step = at.depths.0 % product.steps;
            for _ in at.depths.0..at.depths.1 {
                let first = step * product.sizes.pairs * product.channel_stride;
                let right = self.pairs.add(first + product.taps[tap] as usize + at.position);
                unit.load::<{ RIGHT[0] }>(right.cast(), 4 * product.channel_stride);
                unit.load::<{ LEFT[0] }>(left.cast(), row_bytes);
                if N == 2 {
                    unit.load::<{ RIGHT[1] }>(right.add(SIDE).cast(), 4 * product.channel_stride);
                }
                if M == 2 {
                    unit.load::<{ LEFT[1] }>(left.add(between).cast(), row_bytes);
                }
                multiply::<U, M, N>(unit);
                left = left.add(tile_len);
                step += 1;
                if step == product.steps {
                    (tap, step) = (tap + 1, 0);
                }
            }
            end::<U, M, N>(unit, [out, below], 4 * self.stride);
        }
    }
}

/// Sets all sums to zero.
#[inline(always)]
pub(super) unsafe fn zero<U: Unit>(unit: &mut U) {
    // SAFETY: the caller has configured the tiles.
    unsafe {
        unit.zero::<{ SUMS[0][0] }>();
        unit.zero::<{ SUMS[0][1] }>();
        unit.zero::<{ SUMS[1][0] }>();
        unit.zero::<{ SUMS[1][1] }>();
    }
}

/// Reads the sums of M by N tiles, or begins with zero. Rows are `stride` bytes apart.
#[inline(always)]
unsafe fn begin<U: Unit, const M: usize, const N: usize>(
    unit: &mut U,
    is_added: bool,
    rows: [*mut f32; 2],
    stride: usize,
) {
    // SAFETY: the caller guarantees the rows.
    unsafe {
        if !is_added {
            return zero(unit);
        }
        unit.load::<{ SUMS[0][0] }>(rows[0].cast(), stride);
        if N == 2 {
            unit.load::<{ SUMS[0][1] }>(rows[0].add(SIDE).cast(), stride);
        }
        if M == 2 {
            unit.load::<{ SUMS[1][0] }>(rows[1].cast(), stride);
        }
        if M == 2 && N == 2 {
            unit.load::<{ SUMS[1][1] }>(rows[1].add(SIDE).cast(), stride);
        }
    }
}

/// Multiplies M left factors and N right ones.
#[inline(always)]
pub(super) unsafe fn multiply<U: Unit, const M: usize, const N: usize>(unit: &mut U) {
    // SAFETY: the caller has loaded the factors.
    unsafe {
        unit.multiply::<{ SUMS[0][0] }, { LEFT[0] }, { RIGHT[0] }>();
        if N == 2 {
            unit.multiply::<{ SUMS[0][1] }, { LEFT[0] }, { RIGHT[1] }>();
        }
        if M == 2 {
            unit.multiply::<{ SUMS[1][0] }, { LEFT[1] }, { RIGHT[0] }>();
        }
        if M == 2 && N == 2 {
            unit.multiply::<{ SUMS[1][1] }, { LEFT[1] }, { RIGHT[1] }>();
        }
    }
}

/// Writes the sums of M by N tiles.
#[inline(always)]
pub(super) unsafe fn end<U: Unit, const M: usize, const N: usize>(
    unit: &mut U,
    rows: [*mut f32; 2],
    stride: usize,
) {
    // SAFETY: the caller guarantees the rows.
    unsafe {
        unit.store::<{ SUMS[0][0] }>(rows[0].cast(), stride);
        if N == 2 {
            unit.store::<{ SUMS[0][1] }>(rows[0].add(SIDE).cast(), stride);
        }
        if M == 2 {
            unit.store::<{ SUMS[1][0] }>(rows[1].cast(), stride);
        }
        if M == 2 && N == 2 {
            unit.store::<{ SUMS[1][1] }>(rows[1].add(SIDE).cast(), stride);
        }
    }
}
