//! The element types `f32` and `f64`, and vectors of them.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element type: `f32` or `f64`.
pub trait Element:
    sealed::Sealed
    + Copy
    + Send
    + Sync
    + PartialOrd
    + Default
    + std::fmt::Debug
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Negative infinity.
    const LOWEST: Self;

    /// Rounds to the nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// Converts without loss.
    fn to_f64(self) -> f64;
    /// The exponential function.
    fn exp(self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
}

macro_rules! element {
    ($type:ty) => {
        impl Element for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = <$type>::NEG_INFINITY;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn exp(self) -> Self {
                <$type>::exp(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
        }
    };
}

element!(f32);
element!(f64);

/// Vectors of `LANES` elements of `T`, in the registers of one instruction set.
///
/// # Safety
/// An implementation accesses only the elements that a function names: `load` and `store` access
/// `LANES` elements, `load_part` and `store_part` the first `n < LANES`. A caller guarantees that
/// these elements are valid, and that the processor has the instruction set.
pub(crate) unsafe trait Simd<T>: Copy {
    const LANES: usize;
    type V: Copy;

    unsafe fn splat(value: T) -> Self::V;
    unsafe fn load(at: *const T) -> Self::V;
    /// Loads `n` elements; the other lanes are zero.
    unsafe fn load_part(at: *const T, n: usize) -> Self::V;
    unsafe fn store(at: *mut T, v: Self::V);
    unsafe fn store_part(at: *mut T, v: Self::V, n: usize);
    /// Keeps the first `n` lanes and zeroes the others.
    unsafe fn first(v: Self::V, n: usize) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c, with one rounding where the instruction set has fused multiply-add.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of the value and zero; NaN stays NaN.
    unsafe fn relu(v: Self::V) -> Self::V;
    /// `v` where `gate` is positive, else zero.
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V;
    /// The even lanes of `a`, followed by the even lanes of `b`.
    unsafe fn deinterleave_even(a: Self::V, b: Self::V) -> Self::V;
    /// The odd lanes of `a`, followed by the odd lanes of `b`.
    unsafe fn deinterleave_odd(a: Self::V, b: Self::V) -> Self::V;
    /// Two vectors whose even lanes are those of `a` and whose odd lanes are those of `b`.
    unsafe fn interleave(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Prefetches a cache line. Any address is allowed.
    unsafe fn prefetch<E>(at: *const E);
    /// The sum of all lanes.
    unsafe fn sum(v: Self::V) -> T;
    /// Stores the sums of four vectors in four consecutive elements, or adds them to these
    /// elements.
    unsafe fn four_sums(v: [Self::V; 4], to: *mut T, add: bool);
    /// The sum of all lanes, taken in f64.
    unsafe fn sum_f64(v: Self::V) -> f64;

    /// Transposes a square of `LANES` rows and columns, with rows `stride` elements apart in the
    /// source and `to_stride` in the target.
    #[inline(always)]
    unsafe fn transpose(from: *const T, stride: usize, to: *mut T, to_stride: usize)
    where
        T: Copy,
    {
        for (row, column) in
            (0..Self::LANES).flat_map(|row| (0..Self::LANES).map(move |column| (row, column)))
        {
            // SAFETY: the caller guarantees both squares.
            unsafe { *to.add(column * to_stride + row) = *from.add(row * stride + column) };
        }
    }

    /// Loads `n` lanes, where `n` may be `LANES`. In a loop over whole vectors the compiler knows
    /// `n` and removes the branch.
    #[inline(always)]
    unsafe fn load_n(at: *const T, n: usize) -> Self::V {
        // SAFETY: the caller guarantees the first `n` elements.
        unsafe { if n == Self::LANES { Self::load(at) } else { Self::load_part(at, n) } }
    }

    /// Stores `n` lanes, where `n` may be `LANES`.
    #[inline(always)]
    unsafe fn store_n(at: *mut T, v: Self::V, n: usize) {
        // SAFETY: the caller guarantees the first `n` elements.
        unsafe { if n == Self::LANES { Self::store(at, v) } else { Self::store_part(at, v, n) } }
    }
}

/// Vectors as arrays, without explicit vector instructions. For processors without AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

const PLAIN: usize = 8;

// SAFETY: needs no instruction set, and accesses exactly the elements that the trait names.
#[allow(clippy::needless_range_loop)] // Index loops over fixed arrays are what the compiler turns into vectors.
unsafe impl<T: Element> Simd<T> for Plain {
    const LANES: usize = PLAIN;
    type V = [T; PLAIN];

    #[inline(always)]
    unsafe fn splat(value: T) -> Self::V {
        [value; PLAIN]
    }

    #[inline(always)]
    unsafe fn load(at: *const T) -> Self::V {
        // SAFETY: the caller guarantees `LANES` elements.
        unsafe { at.cast::<[T; PLAIN]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_part(at: *const T, n: usize) -> Self::V {
        // SAFETY: the caller guarantees the first `n` elements.
        std::array::from_fn(|i| if i < n { unsafe { *at.add(i) } } else { T::ZERO })
    }

    #[inline(always)]
    unsafe fn store(at: *mut T, v: Self::V) {
        // SAFETY: the caller guarantees `LANES` elements.
        unsafe { at.cast::<[T; PLAIN]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_part(at: *mut T, v: Self::V, n: usize) {
        for i in 0..n {
            // SAFETY: the caller guarantees the first `n` elements.
            unsafe { *at.add(i) = v[i] }
        }
    }

    #[inline(always)]
    unsafe fn first(v: Self::V, n: usize) -> Self::V {
        std::array::from_fn(|i| if i < n { v[i] } else { T::ZERO })
    }

    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn relu(v: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] < T::ZERO { T::ZERO } else { v[i] })
    }

    #[inline(always)]
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
        std::array::from_fn(|i| if gate[i] > T::ZERO { v[i] } else { T::ZERO })
    }

    #[inline(always)]
    unsafe fn deinterleave_even(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if i < PLAIN / 2 { a[2 * i] } else { b[2 * i - PLAIN] })
    }

    #[inline(always)]
    unsafe fn deinterleave_odd(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if i < PLAIN / 2 { a[2 * i + 1] } else { b[2 * i + 1 - PLAIN] })
    }

    #[inline(always)]
    unsafe fn interleave(a: Self::V, b: Self::V) -> [Self::V; 2] {
        [0, PLAIN / 2].map(|from| {
            std::array::from_fn(|i| if i % 2 == 0 { a[from + i / 2] } else { b[from + i / 2] })
        })
    }

    #[inline(always)]
    unsafe fn prefetch<E>(_at: *const E) {}

    #[inline(always)]
    unsafe fn sum(v: Self::V) -> T {
        v.iter().fold(T::ZERO, |sum, &x| sum + x)
    }

    #[inline(always)]
    unsafe fn four_sums(v: [Self::V; 4], to: *mut T, add: bool) {
        for (j, v) in v.into_iter().enumerate() {
            // SAFETY: the caller guarantees four elements.
            unsafe {
                *to.add(j) = <Self as Simd<T>>::sum(v) + if add { *to.add(j) } else { T::ZERO }
            };
        }
    }

    #[inline(always)]
    unsafe fn sum_f64(v: Self::V) -> f64 {
        v.iter().map(|x| x.to_f64()).sum()
    }
}
