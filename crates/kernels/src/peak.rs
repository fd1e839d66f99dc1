//! The greatest rate of multiply-adds of this processor, measured: instructions that work in
//! registers and read no memory. What a kernel reaches is a share of that.

use std::time::Instant;

/// The vectors of a multiply-add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 256 bits, float32 (AVX2 and FMA).
    Bits256,
    /// 512 bits, float32 (AVX-512).
    Bits512,
    /// 512 bits, sums in float32 of products of pairs in bfloat16 (AVX512-BF16).
    Bfloat16,
    /// Tiles of 16 rows of 512 bits in bfloat16, with sums in float32 (AMX-BF16).
    Tiles,
}

impl Width {
    /// All widths.
    pub const ALL: [Width; 4] = [Width::Bits256, Width::Bits512, Width::Bfloat16, Width::Tiles];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Width::Bits256 => "float32, 256 bits",
            Width::Bits512 => "float32, 512 bits",
            Width::Bfloat16 => "bfloat16, 512 bits",
            Width::Tiles => "bfloat16, AMX tiles",
        }
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Width::Bits256 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Width::Bits512 => is_x86_feature_detected!("avx512f"),
            Width::Bfloat16 => is_x86_feature_detected!("avx512bf16"),
            Width::Tiles => crate::amx::is_available(),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Multiplications and additions of one instruction.
    fn operations(self) -> usize {
        match self {
            Width::Bits256 => 8 * 2,
            Width::Bits512 => 16 * 2,
            Width::Bfloat16 => 32 * 2,
            Width::Tiles => 16 * 16 * 32 * 2,
        }
    }
}

/// GFLOP/s of one thread, the greatest of several short runs. None if this processor lacks the
/// instructions.
pub fn gflops(width: Width) -> Option<f64> {
    /// Rounds of a run, which takes about a tenth of a millisecond.
    const ROUNDS: usize = 20_000;
    const RUNS: usize = 100;
    if !width.is_available() {
        return None;
    }
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let started = Instant::now();
        std::hint::black_box(run(width, std::hint::black_box(ROUNDS)));
        best = best.min(started.elapsed().as_secs_f64());
    }
    Some((ROUNDS * SUMS * width.operations()) as f64 / best / 1e9)
}

/// Independent sums, which hide the latency of the instruction: four cycles, two a cycle, and some
/// more.
const SUMS: usize = 12;

#[cfg(target_arch = "x86_64")]
fn run(width: Width, rounds: usize) -> f32 {
    // SAFETY: the processor has the instructions, which `gflops` has checked.
    unsafe {
        match width {
            Width::Bits256 => multiply_adds_256(rounds),
            Width::Bits512 => multiply_adds_512(rounds),
            Width::Bfloat16 => dot_products(rounds),
            Width::Tiles => tile_products(rounds),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_: Width, _: usize) -> f32 {
    0.0
}

macro_rules! multiply_adds {
    ($name:ident, $features:literal, $splat:ident, $fma:ident, $first:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $name(rounds: usize) -> f32 {
            use std::arch::x86_64::*;
            let mut sums = [$splat(0.5); SUMS];
            let factor = $splat(0.999);
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = $fma(*sum, factor, factor);
                }
            }
            sums.iter().map(|&sum| $first(sum)).sum()
        }
    };
}
multiply_adds!(multiply_adds_256, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32);
multiply_adds!(multiply_adds_512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn dot_products(rounds: usize) -> f32 {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_set1_ps(0.5); SUMS];
    let factors = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.25), _mm512_set1_ps(0.25));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, factors, factors);
        }
    }
    sums.iter().map(|&sum| _mm512_cvtss_f32(sum)).sum()
}

/// Four tiles of sums, as many as the kernels use.
#[cfg(target_arch = "x86_64")]
unsafe fn tile_products(rounds: usize) -> f32 {
    use crate::amx::{Hardware, LEFT, RIGHT, SIDE, SUMS as TILES, Sizes, Unit};
    let mut sums = [0.0f32; SIDE * SIDE];
    let mut unit = Hardware;
    // SAFETY: the caller has found AMX; the address has 16 rows of 64 bytes.
    unsafe {
        unit.configure(Sizes { rows: SIDE, pairs: SIDE });
        for _ in 0..rounds * SUMS / 4 {
            unit.multiply::<{ TILES[0][0] }, { LEFT[0] }, { RIGHT[0] }>();
            unit.multiply::<{ TILES[0][1] }, { LEFT[0] }, { RIGHT[1] }>();
            unit.multiply::<{ TILES[1][0] }, { LEFT[1] }, { RIGHT[0] }>();
            unit.multiply::<{ TILES[1][1] }, { LEFT[1] }, { RIGHT[1] }>();
        }
        unit.store::<{ TILES[1][1] }>(sums.as_mut_ptr().cast(), 4 * SIDE);
        unit.release();
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_this_processor_has_a_rate() {
        for width in Width::ALL {
            let rate = gflops(width);
            assert_eq!(rate.is_some(), width.is_available(), "{width:?}");
            assert!(rate.is_none_or(|rate| rate > 0.0), "{width:?}: {rate:?}");
        }
    }
}
