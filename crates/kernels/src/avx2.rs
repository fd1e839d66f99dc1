//! Vectors in AVX2 registers: eight `f32` or four `f64`, with fused multiply-add.
//!
//! The contract of all functions here is that of [`Simd`]: they run only on processors with AVX2
//! and FMA.

use std::arch::x86_64::*;

use crate::element::Simd;

/// The vectors of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Masks for partial loads: a window that begins `n` words before the middle has ones in its first
/// `n` words.
static MASK_F32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASK_F64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

#[inline(always)]
unsafe fn mask_f32(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    // SAFETY: eight words from 8 - n lie inside the sixteen.
    unsafe { _mm256_loadu_si256(MASK_F32.as_ptr().add(8 - n).cast()) }
}

#[inline(always)]
unsafe fn mask_f64(n: usize) -> __m256i {
    debug_assert!(n <= 4);
    // SAFETY: four words from 4 - n lie inside the eight.
    unsafe { _mm256_loadu_si256(MASK_F64.as_ptr().add(4 - n).cast()) }
}

#[inline(always)]
unsafe fn sum_f64x4(v: __m256d) -> f64 {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let pair = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)))
    }
}

/// Implements `Simd` for one type: the functions differ only in the names of instructions.
macro_rules! simd {
    ($t:ty, $v:ty, $lanes:literal, $mask:ident, $splat:ident, $load:ident, $maskload:ident, $store:ident, $cast:ident,
     $and:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $max:ident, $zero:ident, $cmp:ident, $deinterleave_even:ident,
     $deinterleave_odd:ident, $interleave:ident, $sum:expr,
     $sum_f64:expr, $four_sums:ident, $transpose:ident) => {
        // SAFETY: loads and stores access only the elements that the trait names, and callers
        // guarantee those and the instruction set.
        unsafe impl Simd<$t> for Avx2 {
            const LANES: usize = $lanes;
            type V = $v;

            #[inline(always)]
            unsafe fn splat(value: $t) -> $v {
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn load(at: *const $t) -> $v {
                unsafe { $load(at) }
            }
            #[inline(always)]
            unsafe fn load_part(at: *const $t, n: usize) -> $v {
                unsafe { $maskload(at, $mask(n)) }
            }
            #[inline(always)]
            unsafe fn store(at: *mut $t, v: $v) {
                unsafe { $store(at, v) }
            }
            // Masked stores are slow on AMD processors; copying a few words is not.
            #[inline(always)]
            unsafe fn store_part(at: *mut $t, v: $v, n: usize) {
                let mut words = [0.0; $lanes];
                unsafe { $store(words.as_mut_ptr(), v) };
                for (i, &word) in words.iter().enumerate().take(n) {
                    unsafe { *at.add(i) = word };
                }
            }
            #[inline(always)]
            unsafe fn first(v: $v, n: usize) -> $v {
                unsafe { $and(v, $cast($mask(n))) }
            }
            #[inline(always)]
            unsafe fn add(a: $v, b: $v) -> $v {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn sub(a: $v, b: $v) -> $v {
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            unsafe fn mul(a: $v, b: $v) -> $v {
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: $v, b: $v, c: $v) -> $v {
                unsafe { $fma(a, b, c) }
            }
            // The instruction returns its second operand where either operand is NaN.
            #[inline(always)]
            unsafe fn relu(v: $v) -> $v {
                unsafe { $max($zero(), v) }
            }
            #[inline(always)]
            unsafe fn where_positive(gate: $v, v: $v) -> $v {
                unsafe { $and(v, $cmp::<_CMP_GT_OQ>(gate, $zero())) }
            }
            #[inline(always)]
            unsafe fn deinterleave_even(a: $v, b: $v) -> $v {
                unsafe { $deinterleave_even(a, b) }
            }
            #[inline(always)]
            unsafe fn deinterleave_odd(a: $v, b: $v) -> $v {
                unsafe { $deinterleave_odd(a, b) }
            }
            #[inline(always)]
            unsafe fn interleave(a: $v, b: $v) -> [$v; 2] {
                unsafe { $interleave(a, b) }
            }
            #[inline(always)]
            unsafe fn prefetch<E>(at: *const E) {
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }
            #[inline(always)]
            unsafe fn sum(v: $v) -> $t {
                unsafe { $sum(v) }
            }
            #[inline(always)]
            unsafe fn four_sums(v: [$v; 4], to: *mut $t, add: bool) {
                unsafe { $four_sums(v, to, add) }
            }
            #[inline(always)]
            unsafe fn sum_f64(v: $v) -> f64 {
                unsafe { $sum_f64(v) }
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $t, stride: usize, to: *mut $t, to_stride: usize) {
                unsafe { $transpose(from, stride, to, to_stride) }
            }
        }
    };
}

#[inline(always)]
unsafe fn sum_f32(v: __m256) -> f32 {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

// Adjacent lanes are added within halves of a register, so that the sums of four vectors end up in
// adjacent lanes.
#[inline(always)]
unsafe fn four_sums_f32([a, b, c, d]: [__m256; 4], to: *mut f32, add: bool) {
    // SAFETY: the caller guarantees four elements.
    unsafe {
        let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        let sums = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
        let there = if add { _mm_loadu_ps(to) } else { _mm_setzero_ps() };
        _mm_storeu_ps(to, _mm_add_ps(there, sums));
    }
}

#[inline(always)]
unsafe fn four_sums_f64([a, b, c, d]: [__m256d; 4], to: *mut f64, add: bool) {
    // SAFETY: the caller guarantees four elements.
    unsafe {
        let ab = _mm256_hadd_pd(a, b);
        let cd = _mm256_hadd_pd(c, d);
        let low = _mm256_permute2f128_pd::<0x20>(ab, cd);
        let high = _mm256_permute2f128_pd::<0x31>(ab, cd);
        let there = if add { _mm256_loadu_pd(to) } else { _mm256_setzero_pd() };
        _mm256_storeu_pd(to, _mm256_add_pd(there, _mm256_add_pd(low, high)));
    }
}

#[inline(always)]
unsafe fn widened_sum(v: __m256) -> f64 {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
        sum_f64x4(_mm256_add_pd(low, _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v))))
    }
}

// Shuffles work within halves of a register, so a permutation of the quarters follows.
#[inline(always)]
unsafe fn deinterleave_even_f32(a: __m256, b: __m256) -> __m256 {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let quarters = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
        _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(quarters))
    }
}

#[inline(always)]
unsafe fn deinterleave_even_f64(a: __m256d, b: __m256d) -> __m256d {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe { _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpacklo_pd(a, b)) }
}

#[inline(always)]
unsafe fn deinterleave_odd_f32(a: __m256, b: __m256) -> __m256 {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let quarters = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
        _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(quarters))
    }
}

#[inline(always)]
unsafe fn deinterleave_odd_f64(a: __m256d, b: __m256d) -> __m256d {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe { _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpackhi_pd(a, b)) }
}

#[inline(always)]
unsafe fn interleave_f32(a: __m256, b: __m256) -> [__m256; 2] {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let low = _mm256_unpacklo_ps(a, b);
        let high = _mm256_unpackhi_ps(a, b);
        [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
    }
}

#[inline(always)]
unsafe fn interleave_f64(a: __m256d, b: __m256d) -> [__m256d; 2] {
    // SAFETY: register arithmetic; the module's contract gives AVX2.
    unsafe {
        let low = _mm256_unpacklo_pd(a, b);
        let high = _mm256_unpackhi_pd(a, b);
        [_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high)]
    }
}

// Each register is loaded with halves of two rows that are four rows apart. The rest of the
// transposition is then shuffles within halves.
#[inline(always)]
unsafe fn transpose_f32(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the caller guarantees squares of eight.
    unsafe {
        for half in [0, 4] {
            let pair = |row: usize| {
                let [low, high] =
                    [row, row + 4].map(|row| _mm_loadu_ps(from.add(row * stride + half)));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
            };
            let a = pair(0);
            let b = pair(1);
            let c = pair(2);
            let d = pair(3);
            let ab = _mm256_unpacklo_ps(a, b);
            let cd = _mm256_unpacklo_ps(c, d);
            let ab_high = _mm256_unpackhi_ps(a, b);
            let cd_high = _mm256_unpackhi_ps(c, d);
            let to = to.add(half * to_stride);
            _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd));
            _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
            _mm256_storeu_ps(
                to.add(2 * to_stride),
                _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
            );
            _mm256_storeu_ps(
                to.add(3 * to_stride),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
            );
        }
    }
}

#[inline(always)]
unsafe fn transpose_f64(from: *const f64, stride: usize, to: *mut f64, to_stride: usize) {
    // SAFETY: the caller guarantees squares of four.
    unsafe {
        for half in [0, 2] {
            let pair = |row: usize| {
                let [low, high] =
                    [row, row + 2].map(|row| _mm_loadu_pd(from.add(row * stride + half)));
                _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high)
            };
            let a = pair(0);
            let b = pair(1);
            let to = to.add(half * to_stride);
            _mm256_storeu_pd(to, _mm256_unpacklo_pd(a, b));
            _mm256_storeu_pd(to.add(to_stride), _mm256_unpackhi_pd(a, b));
        }
    }
}

simd!(
    f32,
    __m256,
    8,
    mask_f32,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_maskload_ps,
    _mm256_storeu_ps,
    _mm256_castsi256_ps,
    _mm256_and_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_setzero_ps,
    _mm256_cmp_ps,
    deinterleave_even_f32,
    deinterleave_odd_f32,
    interleave_f32,
    sum_f32,
    widened_sum,
    four_sums_f32,
    transpose_f32
);
simd!(
    f64,
    __m256d,
    4,
    mask_f64,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_maskload_pd,
    _mm256_storeu_pd,
    _mm256_castsi256_pd,
    _mm256_and_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_fmadd_pd,
    _mm256_max_pd,
    _mm256_setzero_pd,
    _mm256_cmp_pd,
    deinterleave_even_f64,
    deinterleave_odd_f64,
    interleave_f64,
    sum_f64x4,
    sum_f64x4,
    four_sums_f64,
    transpose_f64
);
