//! Vectors in AVX-512 registers: sixteen `f32` or eight `f64`, with masks for partial vectors.
//!
//! The contract of all functions here is that of [`Simd`]: they run only on processors with AVX-512
//! F, BW, DQ and VL.

use std::arch::x86_64::*;

use crate::avx2::Avx2;
use crate::element::Simd;

/// The vectors of AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// A mask with ones in the first `n` bits.
#[inline(always)]
fn first_16(n: usize) -> __mmask16 {
    debug_assert!(n <= 16);
    ((1_u32 << n) - 1) as __mmask16
}

#[inline(always)]
fn first_8(n: usize) -> __mmask8 {
    debug_assert!(n <= 8);
    ((1_u32 << n) - 1) as __mmask8
}

/// Implements `Simd` for one type: the functions differ only in the names of instructions.
macro_rules! simd {
    ($t:ty, $v:ty, $lanes:literal, $mask:ident, $splat:ident, $load:ident, $mask_load:ident, $store:ident, $mask_store:ident,
     $mask_move:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $max:ident, $zero:ident, $cmp:ident, $deinterleave_even:ident,
     $deinterleave_odd:ident, $interleave:ident, $sum:ident, $sum_f64:ident, $halves:ident) => {
        // SAFETY: loads and stores access only the elements that the trait names, and callers
        // guarantee those and the instruction set.
        unsafe impl Simd<$t> for Avx512 {
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
                unsafe { $mask_load($mask(n), at) }
            }
            #[inline(always)]
            unsafe fn store(at: *mut $t, v: $v) {
                unsafe { $store(at, v) }
            }
            #[inline(always)]
            unsafe fn store_part(at: *mut $t, v: $v, n: usize) {
                unsafe { $mask_store(at, $mask(n), v) }
            }
            #[inline(always)]
            unsafe fn first(v: $v, n: usize) -> $v {
                unsafe { $mask_move($mask(n), v) }
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
                unsafe { $mask_move($cmp::<_CMP_GT_OQ>(gate, $zero()), v) }
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
                unsafe {
                    <Avx2 as Simd<$t>>::four_sums(
                        [$halves(v[0]), $halves(v[1]), $halves(v[2]), $halves(v[3])],
                        to,
                        add,
                    )
                }
            }
            #[inline(always)]
            unsafe fn sum_f64(v: $v) -> f64 {
                unsafe { $sum_f64(v) }
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $t, stride: usize, to: *mut $t, to_stride: usize) {
                const HALF: usize = $lanes / 2;
                for (row, column) in [(0, 0), (0, HALF), (HALF, 0), (HALF, HALF)] {
                    let from = from.wrapping_add(row * stride + column);
                    let to = to.wrapping_add(column * to_stride + row);
                    unsafe { <Avx2 as Simd<$t>>::transpose(from, stride, to, to_stride) };
                }
            }
        }
    };
}

#[inline(always)]
unsafe fn widened_sum(v: __m512) -> f64 {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe {
        let low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        _mm512_reduce_add_pd(_mm512_add_pd(low, _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(v))))
    }
}

/// The sum of the lower and the upper half.
#[inline(always)]
unsafe fn halves_f32(v: __m512) -> __m256 {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe { _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)) }
}

#[inline(always)]
unsafe fn halves_f64(v: __m512d) -> __m256d {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe { _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v)) }
}

#[inline(always)]
unsafe fn deinterleave_even_f32(a: __m512, b: __m512) -> __m512 {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe {
        let places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        _mm512_permutex2var_ps(a, places, b)
    }
}

#[inline(always)]
unsafe fn deinterleave_even_f64(a: __m512d, b: __m512d) -> __m512d {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe { _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b) }
}

#[inline(always)]
unsafe fn deinterleave_odd_f32(a: __m512, b: __m512) -> __m512 {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe {
        let places = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        _mm512_permutex2var_ps(a, places, b)
    }
}

#[inline(always)]
unsafe fn deinterleave_odd_f64(a: __m512d, b: __m512d) -> __m512d {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe { _mm512_permutex2var_pd(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b) }
}

// Permutations number the lanes of the second vector from sixteen (or eight) on.
#[inline(always)]
unsafe fn interleave_f32(a: __m512, b: __m512) -> [__m512; 2] {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
    }
}

#[inline(always)]
unsafe fn interleave_f64(a: __m512d, b: __m512d) -> [__m512d; 2] {
    // SAFETY: register arithmetic; the module's contract gives AVX-512.
    unsafe {
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        [_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b)]
    }
}

simd!(
    f32,
    __m512,
    16,
    first_16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_storeu_ps,
    _mm512_mask_storeu_ps,
    _mm512_maskz_mov_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_setzero_ps,
    _mm512_cmp_ps_mask,
    deinterleave_even_f32,
    deinterleave_odd_f32,
    interleave_f32,
    _mm512_reduce_add_ps,
    widened_sum,
    halves_f32
);
simd!(
    f64,
    __m512d,
    8,
    first_8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_storeu_pd,
    _mm512_mask_storeu_pd,
    _mm512_maskz_mov_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_fmadd_pd,
    _mm512_max_pd,
    _mm512_setzero_pd,
    _mm512_cmp_pd_mask,
    deinterleave_even_f64,
    deinterleave_odd_f64,
    interleave_f64,
    _mm512_reduce_add_pd,
    _mm512_reduce_add_pd,
    halves_f64
);
