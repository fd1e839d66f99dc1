//! Vectors of `f32` that are stored as bfloat16: the upper half of a float, rounded to nearest
//! even. Every instruction set rounds in the same way, also subnormal numbers, which the
//! processor's own conversion (AVX512-BF16) would replace by zero.

use crate::Bf16;

use crate::element::{Plain, Simd};
use crate::stored::{Lanes, Storage};

type PlainVector = <Plain as Simd<f32>>::V;
const PLAIN: usize = <Plain as Simd<f32>>::LANES;

// SAFETY: needs no instruction set, and accesses exactly the elements that the trait names.
unsafe impl Lanes<Bf16> for Plain {
    #[inline(always)]
    unsafe fn read(at: *const Bf16) -> PlainVector {
        // SAFETY: the caller guarantees `LANES` elements.
        unsafe { at.cast::<[Bf16; PLAIN]>().read_unaligned() }.map(Bf16::real)
    }

    #[inline(always)]
    unsafe fn read_part(at: *const Bf16, n: usize) -> PlainVector {
        // SAFETY: the caller guarantees the first `n` elements.
        std::array::from_fn(|i| if i < n { unsafe { *at.add(i) }.real() } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn write(at: *mut Bf16, v: PlainVector) {
        // SAFETY: the caller guarantees `LANES` elements.
        unsafe { at.cast::<[Bf16; PLAIN]>().write_unaligned(v.map(Bf16::stored)) }
    }

    #[inline(always)]
    unsafe fn write_part(at: *mut Bf16, v: PlainVector, n: usize) {
        for (i, value) in v.into_iter().take(n).enumerate() {
            // SAFETY: the caller guarantees the first `n` elements.
            unsafe { *at.add(i) = Bf16::stored(value) }
        }
    }

    #[inline(always)]
    unsafe fn rounded(v: PlainVector) -> PlainVector {
        v.map(|value| Bf16::stored(value).real())
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::*;
    use crate::avx2::Avx2;
    use crate::avx512::Avx512;

    /// What is added before the lower half is cut off; the lowest bit that stays is added as well.
    const HALF: i32 = 0x7fff;
    /// A bit that keeps a NaN one when its lower half is cut off.
    const QUIET: i32 = 0x0040_0000;

    // The upper halves are rounded; the lower halves are undefined.
    #[inline(always)]
    unsafe fn rounded_256(v: __m256) -> __m256i {
        // SAFETY: register arithmetic; the caller guarantees AVX2.
        unsafe {
            let bits = _mm256_castps_si256(v);
            let lowest = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let sum = _mm256_add_epi32(bits, _mm256_add_epi32(lowest, _mm256_set1_epi32(HALF)));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            _mm256_blendv_epi8(sum, _mm256_or_si256(bits, _mm256_set1_epi32(QUIET)), nan)
        }
    }

    #[inline(always)]
    unsafe fn rounded_512(v: __m512) -> __m512i {
        // SAFETY: register arithmetic; the caller guarantees AVX-512.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let lowest = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let sum = _mm512_add_epi32(bits, _mm512_add_epi32(lowest, _mm512_set1_epi32(HALF)));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            _mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(QUIET))
        }
    }

    #[inline(always)]
    unsafe fn widened_256(halves: __m128i) -> __m256 {
        // SAFETY: register arithmetic; the caller guarantees AVX2.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves))) }
    }

    #[inline(always)]
    unsafe fn widened_512(halves: __m256i) -> __m512 {
        // SAFETY: register arithmetic; the caller guarantees AVX-512.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves))) }
    }

    // SAFETY: loads and stores access only the elements that the trait names, and callers guarantee
    // those and the instruction set.
    unsafe impl Lanes<Bf16> for Avx2 {
        #[inline(always)]
        unsafe fn read(at: *const Bf16) -> __m256 {
            unsafe { widened_256(_mm_loadu_si128(at.cast())) }
        }
        // AVX2 has no masks for elements of two bytes.
        #[inline(always)]
        unsafe fn read_part(at: *const Bf16, n: usize) -> __m256 {
            let mut elements = [Bf16::ZERO; 8];
            for (i, element) in elements.iter_mut().enumerate().take(n) {
                *element = unsafe { *at.add(i) };
            }
            unsafe { <Self as Lanes<Bf16>>::read(elements.as_ptr()) }
        }
        #[inline(always)]
        unsafe fn write(at: *mut Bf16, v: __m256) {
            unsafe {
                let words = _mm256_srli_epi32::<16>(rounded_256(v));
                let pairs = _mm256_packus_epi32(words, words);
                let halves = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
                _mm_storeu_si128(at.cast(), _mm256_castsi256_si128(halves));
            }
        }
        #[inline(always)]
        unsafe fn write_part(at: *mut Bf16, v: __m256, n: usize) {
            let mut elements = [Bf16::ZERO; 8];
            unsafe { <Self as Lanes<Bf16>>::write(elements.as_mut_ptr(), v) };
            for (i, &element) in elements.iter().enumerate().take(n) {
                unsafe { *at.add(i) = element };
            }
        }
        #[inline(always)]
        unsafe fn rounded(v: __m256) -> __m256 {
            unsafe {
                let upper = _mm256_set1_epi32(!0xffff);
                _mm256_castsi256_ps(_mm256_and_si256(rounded_256(v), upper))
            }
        }
    }

    /// A mask with ones in the first `n` bits.
    #[inline(always)]
    fn first(n: usize) -> __mmask16 {
        debug_assert!(n <= 16);
        ((1_u32 << n) - 1) as __mmask16
    }

    // SAFETY: as above.
    unsafe impl Lanes<Bf16> for Avx512 {
        #[inline(always)]
        unsafe fn read(at: *const Bf16) -> __m512 {
            unsafe { widened_512(_mm256_loadu_si256(at.cast())) }
        }
        #[inline(always)]
        unsafe fn read_part(at: *const Bf16, n: usize) -> __m512 {
            unsafe { widened_512(_mm256_maskz_loadu_epi16(first(n), at.cast())) }
        }
        #[inline(always)]
        unsafe fn write(at: *mut Bf16, v: __m512) {
            unsafe {
                let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded_512(v)));
                _mm256_storeu_si256(at.cast(), halves);
            }
        }
        #[inline(always)]
        unsafe fn write_part(at: *mut Bf16, v: __m512, n: usize) {
            unsafe {
                let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded_512(v)));
                _mm256_mask_storeu_epi16(at.cast(), first(n), halves);
            }
        }
        #[inline(always)]
        unsafe fn rounded(v: __m512) -> __m512 {
            unsafe {
                let upper = _mm512_set1_epi32(!0xffff);
                _mm512_castsi512_ps(_mm512_and_si512(rounded_512(v), upper))
            }
        }
    }
}
