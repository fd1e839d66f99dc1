//! The gradient of a convolution's weights by AMX tiles: a product over the positions of a strip.
//!
//! A left factor is 32 positions of the output's gradient for several channels, a right factor the
//! same positions of 16 channels of the input, in pairs. A tap moves the gradient against the input
//! instead of the input, so that the input is transposed once for all taps. The gradient is zero
//! outside of the output, so what the input holds there adds nothing, if it is finite.

use super::amx_product::{AmxProduct, Kind, end, multiply, zero};
use super::kernel::ConvKernel;
use super::rows::TileRows;
use super::weights::Sides;
use crate::amx::{self, LEFT, RIGHT, SIDE, Sizes, Unit};
use crate::conv::tile::Transpose;
use crate::dispatch::Stored;

/// Positions of one step.
const STEP: usize = 2 * SIDE;

/// The memory of the two factors, in elements of 32 bits.
#[derive(Clone, Copy)]
struct Sizing {
    /// The largest displacement of a tap.
    reach: usize,
    /// Positions of the input, in whole steps.
    positions: usize,
    /// Positions of a row of gradients: `reach` zeros and `positions`.
    row: usize,
    rows: usize,
    /// Tiles of 16 channels.
    channel_tiles: usize,
    phases: usize,
}

impl Sizing {
    fn new(conv: &ConvKernel, product: &AmxProduct, used: usize) -> Sizing {
        let layout = &conv.layout;
        let reach = layout.reach * (layout.pitch + 1);
        let positions = (used + reach).next_multiple_of(STEP);
        Sizing {
            reach,
            positions,
            row: (reach + positions).next_multiple_of(STEP),
            rows: product.tiles.len() * product.sizes.rows,
            channel_tiles: conv.shape.group_channels().div_ceil(SIDE),
            phases: layout.forward.phases.pow(2),
        }
    }

    fn gradients(&self) -> usize {
        self.rows * self.row / 2
    }

    /// One tile of channels before it is transposed.
    fn plain(&self) -> usize {
        SIDE * self.positions / 2
    }

    fn transposed(&self) -> usize {
        self.phases * self.channel_tiles * self.plain()
    }
}

impl ConvKernel {
    /// Elements of scratch memory for the weights' gradient by AMX tiles.
    pub(super) fn amx_weights_len(&self) -> usize {
        self.product.amx.as_ref().map_or(0, |product| {
            let sizing = Sizing::new(self, product, self.layout.plane);
            sizing.gradients() + sizing.plain() + sizing.transposed()
        })
    }

    /// Writes, or accumulates, a strip's gradient of one group's weights. `T` is bfloat16.
    ///
    /// # Safety
    /// As for `dot_products`; `scratch` has `amx_weights_len` elements.
    pub(super) unsafe fn amx_weights_of<T: Stored>(
        &self,
        product: &AmxProduct,
        sides: Sides<T::Real>,
        (weights, add): (&mut [T::Real], bool),
        scratch: *mut T::Real,
    ) {
        let Sides { gradients, inputs, offsets, runs } = sides;
        let gradients = gradients.cast();
        let sides = Sides { gradients, inputs: inputs.cast(), offsets, runs };
        // SAFETY: the arithmetic of bfloat16 is in `f32`; the caller guarantees the rest.
        unsafe {
            let len = weights.len();
            let weights = std::slice::from_raw_parts_mut(weights.as_mut_ptr().cast::<f32>(), len);
            self.amx_weights(product, sides, (weights, add), scratch.cast());
        }
    }

    unsafe fn amx_weights(
        &self,
        product: &AmxProduct,
        sides: Sides<f32>,
        (weights, add): (&mut [f32], bool),
        scratch: *mut u32,
    ) {
        let runs = sides.runs;
        let sizing = Sizing::new(self, product, (runs.count - 1) * runs.span + runs.len);
        let gradients = scratch.cast::<u16>();
        let plain = scratch.wrapping_add(sizing.gradients());
        let transposed = plain.wrapping_add(sizing.plain());
        // SAFETY: the caller guarantees the panels and the scratch memory.
        unsafe {
            self.amx_gradients(sides, sizing, gradients);
            self.amx_inputs(sides, sizing, plain.cast(), transposed);
            let factors = Factors { conv: self, product, sizing, gradients, transposed };
            match product.kind {
                Kind::Hardware => factors.run::<amx::Hardware>(weights, add),
                Kind::Emulated => factors.run::<amx::Emulated>(weights, add),
            }
        }
    }

    /// Copies the output's gradients in bfloat16, with zeros around each run.
    unsafe fn amx_gradients(&self, sides: Sides<f32>, sizing: Sizing, into: *mut u16) {
        let layout = &self.layout;
        let runs = sides.runs;
        // The panel of the gradient has zeros above and to the left of output (0, 0).
        let origin = layout.backward.padding * (layout.pitch + 1);
        for row in 0..sizing.rows {
            // SAFETY: the scratch memory has all rows.
            let all =
                unsafe { std::slice::from_raw_parts_mut(into.add(row * sizing.row), sizing.row) };
            all.fill(0);
            if row >= self.shape.group_out() {
                continue;
            }
            for run in 0..runs.count {
                let at = row * layout.plane + origin + run * runs.span;
                // SAFETY: the run lies within the panel.
                let from = unsafe { std::slice::from_raw_parts(sides.gradients.add(at), runs.len) };
                copy(from, &mut all[sizing.reach + run * runs.span..][..runs.len]);
            }
        }
    }

    /// Transposes the input: pairs of positions of 16 channels, for each phase and tile of
    /// channels.
    unsafe fn amx_inputs(
        &self,
        sides: Sides<f32>,
        sizing: Sizing,
        plain: *mut u16,
        transposed: *mut u32,
    ) {
        let runs = sides.runs;
        let channels = self.shape.group_channels();
        let kernels = f32::kernels();
        let len = runs.len + sizing.reach;
        for phase in 0..sizing.phases {
            for tile in 0..sizing.channel_tiles {
                let count = SIDE.min(channels - tile * SIDE);
                for i in 0..count {
                    let plane = ((tile * SIDE + i) * sizing.phases + phase) * self.layout.plane;
                    // SAFETY: the scratch memory has 16 rows, and the panel all planes, with as
                    // many positions after a run as taps reach.
                    unsafe {
                        let into = plain.add(i * sizing.positions);
                        let into = std::slice::from_raw_parts_mut(into, sizing.positions);
                        into.fill(0);
                        for run in 0..runs.count {
                            let at = plane + run * runs.span;
                            let from = std::slice::from_raw_parts(sides.inputs.add(at), len);
                            copy(from, &mut into[run * runs.span..][..len]);
                        }
                    }
                }
                let at = (phase * sizing.channel_tiles + tile) * sizing.plain();
                let transpose = Transpose {
                    panel: plain.cast_const().cast::<f32>(),
                    plane: sizing.positions / 2,
                    channels: count,
                    len: sizing.positions / 2,
                    // SAFETY: the scratch memory has all tiles.
                    into: unsafe { transposed.add(at).cast::<f32>() },
                    width: SIDE,
                };
                // SAFETY: the planes and the tile have the sizes that are stated.
                unsafe { (kernels.transpose)(&transpose) }
            }
        }
    }
}

/// Copies values that bfloat16 holds.
fn copy(from: &[f32], into: &mut [u16]) {
    into.iter_mut().zip(from).for_each(|(bits, value)| *bits = (value.to_bits() >> 16) as u16);
}

struct Factors<'a> {
    conv: &'a ConvKernel,
    product: &'a AmxProduct,
    sizing: Sizing,
    gradients: *const u16,
    transposed: *const u32,
}

/// The sums of two by two tiles.
#[repr(C, align(64))]
struct Sums([[f32; SIDE * SIDE]; 4]);

impl Factors<'_> {
    unsafe fn run<U: Unit>(&self, weights: &mut [f32], add: bool) {
        let taps = self.conv.shape.kernel.pow(2);
        let mut unit = U::default();
        let mut sums = Sums([[0.0; SIDE * SIDE]; 4]);
        // SAFETY: the caller guarantees the factors.
        unsafe {
            unit.configure(Sizes { rows: self.product.sizes.rows, pairs: SIDE });
            for tiles in self.product.tiles.chunks(2) {
                for first in (0..self.sizing.channel_tiles).step_by(2) {
                    let count = 2.min(self.sizing.channel_tiles - first);
                    for tap in 0..taps {
                        match (tiles.len(), count) {
                            (2, 2) => self.sums::<U, 2, 2>(&mut unit, tiles, first, tap, &mut sums),
                            (2, _) => self.sums::<U, 2, 1>(&mut unit, tiles, first, tap, &mut sums),
                            (_, 2) => self.sums::<U, 1, 2>(&mut unit, tiles, first, tap, &mut sums),
                            (_, _) => self.sums::<U, 1, 1>(&mut unit, tiles, first, tap, &mut sums),
                        }
                        self.write(&sums, tiles, first, tap, weights, add);
                    }
                }
            }
            unit.release();
        }
    }

    #[inline(always)]
    unsafe fn sums<U: Unit, const M: usize, const N: usize>(
        &self,
        unit: &mut U,
        tiles: &[TileRows],
        first: usize,
        tap: usize,
        sums: &mut Sums,
    ) {
        let sizing = &self.sizing;
        let offset = self.conv.product.offsets[tap] as usize;
        let phase = offset / self.conv.layout.plane;
        let moved = sizing.reach - offset % self.conv.layout.plane;
        let rows = self.product.sizes.rows;
        // SAFETY: the caller guarantees the factors.
        unsafe {
            let mut left = self.gradients.add(tiles[0].first * sizing.row + moved);
            let mut right =
                self.transposed.add((phase * sizing.channel_tiles + first) * sizing.plain());
            zero(unit);
            for _ in (0..sizing.positions).step_by(STEP) {
                unit.load::<{ RIGHT[0] }>(right.cast(), 4 * SIDE);
                unit.load::<{ LEFT[0] }>(left.cast(), 2 * sizing.row);
                if N == 2 {
                    unit.load::<{ RIGHT[1] }>(right.add(sizing.plain()).cast(), 4 * SIDE);
                }
                if M == 2 {
                    unit.load::<{ LEFT[1] }>(left.add(rows * sizing.row).cast(), 2 * sizing.row);
                }
                multiply::<U, M, N>(unit);
                left = left.add(STEP);
                right = right.add(SIDE * SIDE);
            }
            // Two tiles of 16 columns beside each other, and two of 16 rows one after the other.
            let at = sums.0.as_mut_ptr().cast::<f32>();
            end::<U, M, N>(unit, [at, at.add(2 * SIDE * SIDE)], 8 * SIDE);
        }
    }

    /// Writes, or adds, the sums to the weights' gradient, whose taps lie beside each other.
    fn write(
        &self,
        sums: &Sums,
        tiles: &[TileRows],
        first: usize,
        tap: usize,
        weights: &mut [f32],
        add: bool,
    ) {
        let taps = self.conv.shape.kernel.pow(2);
        let channels = self.conv.shape.group_channels();
        let columns = (channels - first * SIDE).min(2 * SIDE);
        let sums = sums.0.as_flattened();
        for (i, tile) in tiles.iter().enumerate() {
            for row in 0..tile.rows {
                let from = &sums[i * 2 * SIDE * SIDE + row * 2 * SIDE..][..columns];
                let start = ((tile.first + row) * channels + first * SIDE) * taps + tap;
                let into = weights[start..].iter_mut().step_by(taps);
                for (weight, sum) in into.zip(from) {
                    *weight = if add { *weight + sum } else { *sum };
                }
            }
        }
    }
}
