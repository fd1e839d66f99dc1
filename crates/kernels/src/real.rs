//! The two kinds of numbers, and vectors of them.

use std::ops::{Add, Div, Mul, Sub};

/// f32 or f64.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    #[allow(missing_docs)]
    const ZERO: Self;
    #[allow(missing_docs)]
    const ONE: Self;
    /// Vectors of 32 bytes where the processor has them.
    type Wide: Lanes<Self>;
    /// The same in plain Rust.
    type Plain: Lanes<Self>;
    #[allow(missing_docs)]
    fn from_f64(x: f64) -> Self;
    #[allow(missing_docs)]
    fn to_f64(self) -> f64;
    #[allow(missing_docs)]
    fn exp(self) -> Self;
}

/// A vector. Functions are unsafe where they touch memory, or need instructions that the processor may lack.
pub trait Lanes<T>: Copy {
    /// Elements of a vector.
    const N: usize;
    /// # Safety
    /// `at` must point to N elements.
    unsafe fn load(at: *const T) -> Self;
    /// # Safety
    /// `at` must point to N elements.
    unsafe fn store(self, at: *mut T);
    /// # Safety
    /// The processor must have the vectors.
    unsafe fn splat(x: T) -> Self;
    /// self + a * b.
    ///
    /// # Safety
    /// The processor must have the vectors.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// # Safety
    /// The processor must have the vectors.
    unsafe fn sum(self) -> T;
}

/// Vectors without any instructions that not every processor has.
#[derive(Clone, Copy)]
pub struct Array<T, const N: usize>([T; N]);

impl<T: Real, const N: usize> Lanes<T> for Array<T, N> {
    const N: usize = N;
    #[inline(always)]
    unsafe fn load(at: *const T) -> Self {
        // SAFETY: the caller's promise.
        Array(std::array::from_fn(|i| unsafe { *at.add(i) }))
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut T) {
        // SAFETY: the caller's promise.
        (0..N).for_each(|i| unsafe { *at.add(i) = self.0[i] });
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Array([x; N])
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Array(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }
    #[inline(always)]
    unsafe fn sum(self) -> T {
        self.0.into_iter().fold(T::ZERO, |sum, x| sum + x)
    }
}

macro_rules! real {
    ($kind:ty, $n:literal, $module:ident) => {
        impl Real for $kind {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[cfg(target_arch = "x86_64")]
            type Wide = $module::Vector;
            #[cfg(not(target_arch = "x86_64"))]
            type Wide = Array<$kind, $n>;
            type Plain = Array<$kind, $n>;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $kind
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                <$kind>::exp(self)
            }
        }
    };
}

real!(f32, 8, avx_f32);
real!(f64, 4, avx_f64);

#[cfg(target_arch = "x86_64")]
mod avx_f32 {
    use super::Lanes;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Vector(__m256);

    // SAFETY: callers hold `Lanes`' promises.
    impl Lanes<f32> for Vector {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            unsafe { Vector(_mm256_loadu_ps(at)) }
        }
        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            unsafe { _mm256_storeu_ps(at, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Vector(_mm256_set1_ps(x)) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { Vector(_mm256_fmadd_ps(a.0, b.0, self.0)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            let mut lanes = [0.0; 8];
            unsafe { self.store(lanes.as_mut_ptr()) };
            ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]))
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx_f64 {
    use super::Lanes;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Vector(__m256d);

    // SAFETY: callers hold `Lanes`' promises.
    impl Lanes<f64> for Vector {
        const N: usize = 4;
        #[inline(always)]
        unsafe fn load(at: *const f64) -> Self {
            unsafe { Vector(_mm256_loadu_pd(at)) }
        }
        #[inline(always)]
        unsafe fn store(self, at: *mut f64) {
            unsafe { _mm256_storeu_pd(at, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(x: f64) -> Self {
            unsafe { Vector(_mm256_set1_pd(x)) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { Vector(_mm256_fmadd_pd(a.0, b.0, self.0)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f64 {
            let mut lanes = [0.0; 4];
            unsafe { self.store(lanes.as_mut_ptr()) };
            (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
        }
    }
}

/// Whether this processor has AVX2 and FMA.
pub fn has_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Runs `f`, compiled for AVX2 where the processor has it. `f` must be small enough to be inlined whole.
#[inline(always)]
pub fn wide<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn run<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if has_wide() {
            // SAFETY: the processor has the instructions.
            return unsafe { run(f) };
        }
    }
    f()
}
