//! The processor's AMX instructions. Stable Rust has no intrinsics for them, but its assembler
//! knows them. The compiler itself never uses tiles, so they keep their values from one block of
//! assembly to the next.

use super::unit::{LEFT, RIGHT, SIDE, SUMS, Sizes, Unit};
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};

/// The tiles of the processor.
#[derive(Default)]
pub(crate) struct Hardware;

/// Whether the processor has the instructions and Linux lets this process use them. A process has
/// to ask, since tiles enlarge what is kept of each thread (Linux,
/// Documentation/arch/x86/xstate.rst).
pub(super) fn is_permitted() -> bool {
    /// Bits of CPUID's leaf 7 in EDX.
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    /// Bits of XCR0: the configuration of tiles, and their contents.
    const TILES: u64 = 1 << 17 | 1 << 18;
    if !is_x86_feature_detected!("xsave") || !is_x86_feature_detected!("avx512bw") {
        return false;
    }
    let found = __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE);
    found == AMX_BF16 | AMX_TILE && state_components() & TILES == TILES && is_granted()
}

fn state_components() -> u64 {
    #[target_feature(enable = "xsave")]
    fn xcr0() -> u64 {
        // SAFETY: register 0 exists wherever XSAVE does.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: the caller has found XSAVE.
    unsafe { xcr0() }
}

#[cfg(target_os = "linux")]
fn is_granted() -> bool {
    /// `ARCH_REQ_XCOMP_PERM`, and the number of the tiles' contents.
    const REQUEST: nix::libc::c_int = 0x1023;
    const TILE_CONTENTS: nix::libc::c_ulong = 18;
    // SAFETY: the call takes two numbers and no address.
    unsafe { nix::libc::syscall(nix::libc::SYS_arch_prctl, REQUEST, TILE_CONTENTS) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_granted() -> bool {
    false
}

/// The operand of LDTILECFG.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_of_rows: [u16; 16],
    rows: [u8; 16],
}

impl Unit for Hardware {
    #[inline(always)]
    unsafe fn configure(&mut self, sizes: Sizes) {
        let mut all = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            bytes_of_rows: [0; 16],
            rows: [0; 16],
        };
        let mut set = |tile: usize, rows: usize, words: usize| {
            all.rows[tile] = rows as u8;
            all.bytes_of_rows[tile] = 4 * words as u16;
        };
        SUMS.as_flattened().iter().for_each(|tile| set(*tile, sizes.rows, SIDE));
        LEFT.iter().for_each(|tile| set(*tile, sizes.rows, sizes.pairs));
        RIGHT.iter().for_each(|tile| set(*tile, sizes.pairs, SIDE));
        // SAFETY: the operand has 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const all, options(nostack)) }
    }

    #[inline(always)]
    unsafe fn zero<const TILE: usize>(&mut self) {
        // SAFETY: the caller has configured the tiles.
        unsafe { asm!("tilezero tmm{t}", t = const TILE, options(nostack)) }
    }

    #[inline(always)]
    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, stride: usize) {
        // SAFETY: the caller guarantees the rows.
        unsafe {
            asm!(
                "tileloadd tmm{t}, [{from} + {stride}]",
                t = const TILE, from = in(reg) from, stride = in(reg) stride,
                options(nostack, readonly)
            )
        }
    }

    #[inline(always)]
    unsafe fn store<const TILE: usize>(&mut self, into: *mut u8, stride: usize) {
        // SAFETY: the caller guarantees the rows.
        unsafe {
            asm!(
                "tilestored [{into} + {stride}], tmm{t}",
                t = const TILE, into = in(reg) into, stride = in(reg) stride,
                options(nostack)
            )
        }
    }

    #[inline(always)]
    unsafe fn multiply<const SUM: usize, const LEFT: usize, const RIGHT: usize>(&mut self) {
        // SAFETY: the caller has configured the tiles.
        unsafe {
            asm!(
                "tdpbf16ps tmm{sum}, tmm{left}, tmm{right}",
                sum = const SUM, left = const LEFT, right = const RIGHT, options(nostack)
            )
        }
    }

    #[inline(always)]
    unsafe fn release(&mut self) {
        // SAFETY: the instruction has no operands.
        unsafe { asm!("tilerelease", options(nostack)) }
    }
}
