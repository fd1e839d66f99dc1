//! AMX: products of small matrices of bfloat16 with sums in float32, in eight registers of 16 rows
//! of 64 bytes ("AMX tiles"; Intel's Software Developer's Manual, volume 1, chapter 18).
//!
//! Reading order:
//! - `unit`: what a unit of tiles can do
//! - here: whether there is one
//! - `hardware`: the processor's instructions
//! - `emulated`: the same instructions as plain loops, for tests on processors without them

mod emulated;
#[cfg(target_arch = "x86_64")]
mod hardware;
mod unit;

pub(crate) use emulated::Emulated;
/// Other processors have no tiles, so nothing runs on this one there.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use emulated::Emulated as Hardware;
#[cfg(target_arch = "x86_64")]
pub(crate) use hardware::Hardware;
pub(crate) use unit::{LEFT, RIGHT, SIDE, SUMS, Sizes, Unit};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_EMULATED: AtomicBool = AtomicBool::new(false);

/// Makes kernels that are prepared from now on use emulated tiles, or not. For tests: the emulation
/// is far slower than other kernels.
#[doc(hidden)]
pub fn emulate(is_emulated: bool) {
    IS_EMULATED.store(is_emulated, Ordering::Relaxed);
}

/// Whether tiles are emulated.
pub(crate) fn is_emulated() -> bool {
    IS_EMULATED.load(Ordering::Relaxed)
}

/// Whether this processor has AMX for bfloat16, the operating system lets this process use it, and
/// a small product is right.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    return *AVAILABLE.get_or_init(|| hardware::is_permitted() && is_right::<Hardware>());
    #[cfg(not(target_arch = "x86_64"))]
    return *AVAILABLE.get_or_init(|| false);
}

/// Whether a product of small whole numbers, which is exact in any order, is the emulation's.
fn is_right<U: Unit>() -> bool {
    // SAFETY: `product` has tiles of these sizes.
    let [ours, wanted] = unsafe { [product::<U>(), product::<Emulated>()] };
    ours == wanted && wanted.iter().any(|sum| *sum != 0.0)
}

unsafe fn product<U: Unit>() -> [f32; SIDE * SIDE] {
    let sizes = Sizes { rows: 13, pairs: 11 };
    let number = |i: usize| u32::from(half::bf16::from_f32((i * 7 % 13) as f32 - 6.0).to_bits());
    let factor = |first: usize| -> [u32; SIDE * SIDE] {
        std::array::from_fn(|i| number(first + 2 * i) | number(first + 2 * i + 1) << 16)
    };
    let left = factor(1);
    let right = factor(4);
    let mut sums = [1.0f32; SIDE * SIDE];
    let mut unit = U::default();
    // SAFETY: every tile has at most 16 rows of 64 bytes.
    unsafe {
        unit.configure(sizes);
        unit.load::<{ LEFT[1] }>(left.as_ptr().cast(), 4 * SIDE);
        unit.load::<{ RIGHT[0] }>(right.as_ptr().cast(), 4 * SIDE);
        unit.zero::<{ SUMS[1][0] }>();
        unit.multiply::<{ SUMS[1][0] }, { LEFT[1] }, { RIGHT[0] }>();
        unit.multiply::<{ SUMS[1][0] }, { LEFT[1] }, { RIGHT[0] }>();
        unit.store::<{ SUMS[1][0] }>(sums.as_mut_ptr().cast(), 4 * SIDE);
        unit.release();
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wrong in one way: it never adds to earlier sums.
    #[derive(Default)]
    struct Wrong(Emulated);

    impl Unit for Wrong {
        unsafe fn configure(&mut self, sizes: Sizes) {
            // SAFETY: as here.
            unsafe { self.0.configure(sizes) }
        }
        unsafe fn zero<const TILE: usize>(&mut self) {
            // SAFETY: as here.
            unsafe { self.0.zero::<TILE>() }
        }
        unsafe fn load<const TILE: usize>(&mut self, from: *const u8, stride: usize) {
            // SAFETY: as here.
            unsafe { self.0.load::<TILE>(from, stride) }
        }
        unsafe fn store<const TILE: usize>(&mut self, into: *mut u8, stride: usize) {
            // SAFETY: as here.
            unsafe { self.0.store::<TILE>(into, stride) }
        }
        unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
            // SAFETY: as here.
            unsafe {
                self.0.zero::<SUM>();
                self.0.multiply::<SUM, LEFT, RIGHT>();
            }
        }
        unsafe fn release(&mut self) {
            // SAFETY: as here.
            unsafe { self.0.release() }
        }
    }

    #[test]
    fn a_unit_that_is_wrong_is_found() {
        assert!(is_right::<Emulated>());
        assert!(!is_right::<Wrong>());
    }

    #[test]
    fn a_product_of_tiles_is_that_of_matrices() {
        // SAFETY: `product` has tiles of these sizes.
        let sums = unsafe { product::<Emulated>() };
        let number = |i: usize| (i * 7 % 13) as f32 - 6.0;
        for row in 0..SIDE {
            for column in 0..SIDE {
                let mut sum = 0.0;
                for pair in 0..11 {
                    for half in 0..2 {
                        let left = number(1 + 2 * (row * SIDE + pair) + half);
                        sum += 2.0 * left * number(4 + 2 * (pair * SIDE + column) + half);
                    }
                }
                // Rows beyond the tile's are not written.
                let wanted = if row < 13 { sum } else { 1.0 };
                assert_eq!(sums[row * SIDE + column], wanted, "{row}, {column}");
            }
        }
    }
}
