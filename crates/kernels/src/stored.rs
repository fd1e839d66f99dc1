//! How the elements of planes (activations and their gradients) are stored: in the type of the
//! arithmetic, or rounded to bfloat16. Arithmetic, weights, statistics, panels and sums are in
//! `f32` or `f64` either way.

use crate::Bf16;

use crate::element::{Element, Simd};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for half::bf16 {}
}

/// A type in which planes are stored: `f32`, `f64`, or [`Bf16`].
pub trait Storage:
    sealed::Sealed + Copy + Send + Sync + Default + PartialEq + std::fmt::Debug + 'static
{
    /// The type of all arithmetic on these elements.
    type Real: Element + Storage<Real = Self::Real>;

    /// Whether values are rounded when they are stored.
    const IS_ROUNDED: bool;

    /// Rounds to the nearest element, ties to even; NaN stays NaN.
    fn stored(value: Self::Real) -> Self;

    /// Converts without loss.
    fn real(self) -> Self::Real;

    /// The elements as they are computed with, which are converted into `memory` if they differ.
    fn reals<'a>(elements: &'a [Self], memory: &'a mut [Self::Real]) -> &'a [Self::Real];

    /// The elements, if they are stored as they are computed with.
    fn as_reals(elements: &mut [Self]) -> Option<&mut [Self::Real]>;

    /// The address of an element, if elements are stored as they are computed with.
    fn real_address(at: *const Self) -> Option<*const Self::Real>;

    /// The values as they are stored, which are rounded into `memory` if they differ.
    fn rounded<'a>(values: &'a [Self::Real], memory: &'a mut Vec<Self>) -> &'a [Self];
}

macro_rules! stored_as_computed {
    ($type:ty) => {
        impl Storage for $type {
            type Real = $type;
            const IS_ROUNDED: bool = false;

            #[inline(always)]
            fn stored(value: $type) -> $type {
                value
            }

            #[inline(always)]
            fn real(self) -> $type {
                self
            }

            fn reals<'a>(elements: &'a [$type], _: &'a mut [$type]) -> &'a [$type] {
                elements
            }

            fn as_reals(elements: &mut [$type]) -> Option<&mut [$type]> {
                Some(elements)
            }

            fn real_address(at: *const $type) -> Option<*const $type> {
                Some(at)
            }

            fn rounded<'a>(values: &'a [$type], _: &'a mut Vec<$type>) -> &'a [$type] {
                values
            }
        }
    };
}

stored_as_computed!(f32);
stored_as_computed!(f64);

impl Storage for Bf16 {
    type Real = f32;
    const IS_ROUNDED: bool = true;

    // Without branches, so that the compiler vectorizes loops over it.
    #[inline(always)]
    fn stored(value: f32) -> Bf16 {
        let bits = value.to_bits();
        let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        let quiet = bits | 0x0040_0000;
        Bf16::from_bits(((if value.is_nan() { quiet } else { nearest }) >> 16) as u16)
    }

    #[inline(always)]
    fn real(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    fn reals<'a>(elements: &'a [Bf16], memory: &'a mut [f32]) -> &'a [f32] {
        let memory = &mut memory[..elements.len()];
        memory.iter_mut().zip(elements).for_each(|(value, element)| *value = element.real());
        memory
    }

    fn as_reals(_: &mut [Bf16]) -> Option<&mut [f32]> {
        None
    }

    fn real_address(_: *const Bf16) -> Option<*const f32> {
        None
    }

    fn rounded<'a>(values: &'a [f32], memory: &'a mut Vec<Bf16>) -> &'a [Bf16] {
        memory.clear();
        memory.extend(values.iter().map(|value| Bf16::stored(*value)));
        memory
    }
}

/// Vectors of `T::Real` that are read from elements of `T` and written to them.
///
/// # Safety
/// As for [`Simd`]: `read` and `write` access `LANES` elements, `read_part` and `write_part` the
/// first `n < LANES`.
pub(crate) unsafe trait Lanes<T: Storage>: Simd<T::Real> {
    unsafe fn read(at: *const T) -> Self::V;
    /// Reads `n` elements; the other lanes are zero.
    unsafe fn read_part(at: *const T, n: usize) -> Self::V;
    unsafe fn write(at: *mut T, v: Self::V);
    unsafe fn write_part(at: *mut T, v: Self::V, n: usize);
    /// The values that are read after `v` is written.
    unsafe fn rounded(v: Self::V) -> Self::V;

    /// Reads `n` lanes, where `n` may be `LANES`. In a loop over whole vectors the compiler knows
    /// `n` and removes the branch.
    #[inline(always)]
    unsafe fn read_n(at: *const T, n: usize) -> Self::V {
        // SAFETY: the caller guarantees the first `n` elements.
        unsafe { if n == Self::LANES { Self::read(at) } else { Self::read_part(at, n) } }
    }

    /// As `read_n`, where `n` may also be 0.
    #[inline(always)]
    unsafe fn read_up_to(at: *const T, n: usize) -> Self::V {
        // SAFETY: the caller guarantees the first `n` elements.
        unsafe { if n == 0 { Self::splat(T::Real::ZERO) } else { Self::read_n(at, n) } }
    }

    /// Reads `n` elements that are two apart into the first lanes. Nothing after the last one is
    /// read.
    #[inline(always)]
    unsafe fn read_every_second(at: *const T, n: usize) -> Self::V {
        // SAFETY: the caller guarantees the elements from the first to the last one.
        unsafe {
            // No closure: it would be compiled without the instruction set.
            let all = 2 * n - 1;
            let a = Self::read_n(at, all.min(Self::LANES));
            let b = Self::read_up_to(at.wrapping_add(Self::LANES), all.saturating_sub(Self::LANES));
            Self::deinterleave_even(a, b)
        }
    }

    /// Writes `n` lanes, where `n` may be `LANES`.
    #[inline(always)]
    unsafe fn write_n(at: *mut T, v: Self::V, n: usize) {
        // SAFETY: the caller guarantees the first `n` elements.
        unsafe { if n == Self::LANES { Self::write(at, v) } else { Self::write_part(at, v, n) } }
    }
}

/// Lanes of elements that are stored as they are computed with.
macro_rules! lanes_as_computed {
    ($type:ty, $($vectors:ty),*) => {$(
        // SAFETY: the functions are those of `Simd`.
        unsafe impl Lanes<$type> for $vectors {
            #[inline(always)]
            unsafe fn read(at: *const $type) -> Self::V {
                // SAFETY: as for `Simd::load`.
                unsafe { <Self as Simd<$type>>::load(at) }
            }
            #[inline(always)]
            unsafe fn read_part(at: *const $type, n: usize) -> Self::V {
                // SAFETY: as for `Simd::load_part`.
                unsafe { <Self as Simd<$type>>::load_part(at, n) }
            }
            #[inline(always)]
            unsafe fn write(at: *mut $type, v: Self::V) {
                // SAFETY: as for `Simd::store`.
                unsafe { <Self as Simd<$type>>::store(at, v) }
            }
            #[inline(always)]
            unsafe fn write_part(at: *mut $type, v: Self::V, n: usize) {
                // SAFETY: as for `Simd::store_part`.
                unsafe { <Self as Simd<$type>>::store_part(at, v, n) }
            }
            #[inline(always)]
            unsafe fn rounded(v: Self::V) -> Self::V {
                v
            }
        }
    )*};
}

lanes_as_computed!(f32, crate::element::Plain);
lanes_as_computed!(f64, crate::element::Plain);
#[cfg(target_arch = "x86_64")]
lanes_as_computed!(f32, crate::avx2::Avx2, crate::avx512::Avx512);
#[cfg(target_arch = "x86_64")]
lanes_as_computed!(f64, crate::avx2::Avx2, crate::avx512::Avx512);
