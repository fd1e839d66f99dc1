//! The innermost functions, compiled for a type and an instruction set, chosen once.
//!
//! Tables are statics of this crate, so that the functions in them are compiled here, with this crate's optimisation, and
//! not wherever a generic caller is.

use crate::conv::{fill, finish, tile};
use crate::pool::rows;
use crate::real::{Plain, Real};
use crate::{norm, pointwise};

/// A function of the table, for arguments of type `A`.
type Run<A> = unsafe fn(&A);

pub(crate) struct Kernels<T: 'static> {
    /// Elements of a vector.
    pub lanes: usize,
    /// By rows - 1 and vectors - 1.
    pub tile: [[Run<tile::Tile<T>>; tile::VECTORS]; tile::ROWS],
    /// By rows - 1 and offsets - 1.
    pub dot: [[Run<tile::Dot<T>>; tile::VECTORS]; tile::ROWS],
    pub fill: [Run<fill::Fill<T>>; fill::KINDS],
    /// `ONE` and `SUM`.
    pub comb: [Run<fill::Comb<T>>; 2],
    pub finish: [Run<finish::Finish<T>>; finish::MODES],
    /// `STORE` and `ADD`.
    pub spread: [Run<finish::Spread<T>>; 2],
    pub sums: Run<norm::Sums<T>>,
    pub normalise: [Run<norm::Normalise<T>>; 2],
    pub backward_sums: [Run<norm::BackwardSums<T>>; 2],
    /// By kind of source, then overwriting or adding.
    pub copy: [[Run<pointwise::Copy<T>>; 2]; fill::KINDS],
    pub relu: Run<pointwise::Copy<T>>,
    pub scale: [Run<pointwise::Copy<T>>; 2],
    pub product_sum: Run<pointwise::ProductSum<T>>,
    pub pool_row: Run<rows::Sum<T>>,
    pub pool_maximum: Run<rows::Maximum<T>>,
}

/// A function compiled for the baseline and one for AVX2, both with the body of `$module::$function`.
macro_rules! compile {
    ($name:ident, $module:ident :: $function:ident, ($($const:ident),*), $argument:ty) => {
        mod $name {
            use super::*;
            pub(super) unsafe fn plain<T: Real $(, const $const: usize)*>(argument: &$argument) {
                // SAFETY: the caller's promise.
                unsafe { $module::$function::<T, Plain $(, $const)*>(argument) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn wide<T: Real $(, const $const: usize)*>(argument: &$argument)
            where
                crate::wide::Wide: crate::real::Simd<T>,
            {
                // SAFETY: the caller's promise.
                unsafe { $module::$function::<T, crate::wide::Wide $(, $const)*>(argument) }
            }
        }
    };
}

compile!(tiles, tile::tile, (M, N), tile::Tile<T>);
compile!(dots, tile::dot, (M, N), tile::Dot<T>);
compile!(fills, fill::fill, (KIND), fill::Fill<T>);
compile!(combs, fill::comb, (KIND), fill::Comb<T>);
compile!(finishes, finish::finish, (MODE), finish::Finish<T>);
compile!(spreads, finish::spread, (MODE), finish::Spread<T>);
compile!(norm_sums, norm::sums_of, (), norm::Sums<T>);
compile!(normalises, norm::normalise_plane, (RESIDUAL), norm::Normalise<T>);
compile!(norm_backward, norm::backward_sums_of, (RELU), norm::BackwardSums<T>);
compile!(copies, pointwise::copy_plane, (KIND, ADD), pointwise::Copy<T>);
compile!(relus, pointwise::relu_plane, (), pointwise::Copy<T>);
compile!(scales, pointwise::scale_plane, (ADD), pointwise::Copy<T>);
compile!(product_sums, pointwise::product_sum_of, (), pointwise::ProductSum<T>);
compile!(pool_rows, rows::sum, (), rows::Sum<T>);
compile!(pool_maxima, rows::maximum, (), rows::Maximum<T>);

macro_rules! widths {
    ($kind:ident, $which:ident, $t:ty, $widest:path) => {
        [
            widths!($kind, $which, $t, $widest, 1),
            widths!($kind, $which, $t, $widest, 2),
            widths!($kind, $which, $t, $widest, 3),
            widths!($kind, $which, $t, $widest, 4),
            widths!($kind, $which, $t, $widest, 5),
            widths!($kind, $which, $t, $widest, 6),
        ]
    };
    // Tiles wider than the widest are never asked for; the widest stands in their place.
    ($kind:ident, $which:ident, $t:ty, $widest:path, $rows:literal) => {{
        const WIDEST: usize = $widest($rows);
        const fn at_most(n: usize) -> usize {
            if n < WIDEST { n } else { WIDEST }
        }
        [
            $kind::$which::<$t, $rows, 1>,
            $kind::$which::<$t, $rows, 2>,
            $kind::$which::<$t, $rows, { at_most(3) }>,
            $kind::$which::<$t, $rows, { at_most(4) }>,
        ]
    }};
}

macro_rules! table {
    ($name:ident, $t:ty, $lanes:literal, $which:ident) => {
        pub(crate) static $name: Kernels<$t> = Kernels {
            lanes: $lanes,
            tile: widths!(tiles, $which, $t, tile::widest),
            dot: widths!(dots, $which, $t, tile::widest_dot),
            fill: [
                fills::$which::<$t, { fill::ONE }>,
                fills::$which::<$t, { fill::SUM }>,
                fills::$which::<$t, { fill::RELU }>,
                fills::$which::<$t, { fill::NORM }>,
                fills::$which::<$t, { fill::RELU_NORM }>,
            ],
            comb: [combs::$which::<$t, { fill::ONE }>, combs::$which::<$t, { fill::SUM }>],
            finish: [
                finishes::$which::<$t, { finish::STORE }>,
                finishes::$which::<$t, { finish::ADD }>,
                finishes::$which::<$t, { finish::SUMS }>,
                finishes::$which::<$t, { finish::EXTRA }>,
            ],
            spread: [spreads::$which::<$t, { finish::STORE }>, spreads::$which::<$t, { finish::ADD }>],
            sums: norm_sums::$which::<$t>,
            normalise: [normalises::$which::<$t, 0>, normalises::$which::<$t, 1>],
            backward_sums: [norm_backward::$which::<$t, 0>, norm_backward::$which::<$t, 1>],
            copy: [
                [copies::$which::<$t, { fill::ONE }, 0>, copies::$which::<$t, { fill::ONE }, 1>],
                [copies::$which::<$t, { fill::SUM }, 0>, copies::$which::<$t, { fill::SUM }, 1>],
                [copies::$which::<$t, { fill::RELU }, 0>, copies::$which::<$t, { fill::RELU }, 1>],
                [copies::$which::<$t, { fill::NORM }, 0>, copies::$which::<$t, { fill::NORM }, 1>],
                [copies::$which::<$t, { fill::RELU_NORM }, 0>, copies::$which::<$t, { fill::RELU_NORM }, 1>],
            ],
            relu: relus::$which::<$t>,
            scale: [scales::$which::<$t, 0>, scales::$which::<$t, 1>],
            product_sum: product_sums::$which::<$t>,
            pool_row: pool_rows::$which::<$t>,
            pool_maximum: pool_maxima::$which::<$t>,
        };
    };
}

#[cfg(target_arch = "x86_64")]
table!(WIDE_F32, f32, 8, wide);
#[cfg(target_arch = "x86_64")]
table!(WIDE_F64, f64, 4, wide);
table!(PLAIN_F32, f32, 8, plain);
table!(PLAIN_F64, f64, 8, plain);

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn numbers(n: usize, factor: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * factor).sin()).collect()
    }

    fn close(a: &[f32], b: &[f32]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} and {b:?}");
    }

    /// No test machine is without AVX2, so the plain functions run beside the others here.
    #[test]
    fn plain_functions_compute_what_wide_ones_do() {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return;
        }
        let (weights, inputs, offsets) = (numbers(60, 0.7), numbers(300, 0.3), [0, 9, 17, 40, 41, 42, 77, 80, 90, 100]);
        let results = [&WIDE_F32, &PLAIN_F32].map(|kernels| {
            let mut out = vec![0.5f32; 4 * 48];
            let mut sums = [0.0f64; 2];
            let tile = tile::Tile {
                weights: weights.as_ptr(),
                panel: inputs.as_ptr(),
                offsets: offsets.as_ptr(),
                depth: 10,
                out: out.as_mut_ptr(),
                stride: 48,
                add: true,
            };
            // SAFETY: the vectors hold what the functions touch: 3 rows of 24 results, and below 4 rows of 27 products.
            unsafe { (kernels.tile[2][2])(&tile) };
            let dot = tile::Dot {
                rows: inputs.as_ptr(),
                plane: 50,
                panel: inputs.as_ptr(),
                offsets: offsets.as_ptr(),
                count: 2,
                span: 31,
                len: 27,
                out: out[..].as_mut_ptr().wrapping_add(30),
                stride: 48,
            };
            // SAFETY: as above.
            unsafe { (kernels.dot[2][3])(&dot) };
            let finish = finish::Finish {
                from: inputs.as_ptr(),
                pitch: 12,
                rows: 3,
                cols: 11,
                into: out[..].as_mut_ptr().wrapping_add(3 * 48),
                room: 33,
                bias: 0.0,
                residual: std::ptr::null(),
                relu: false,
                sums: [&raw mut sums[0], &raw mut sums[1]],
            };
            // SAFETY: three rows of eleven fit into the last 48 elements.
            unsafe { (kernels.finish[finish::SUMS])(&finish) };
            (out, sums.map(|sum| sum as f32))
        });
        close(&results[0].0, &results[1].0);
        close(&results[0].1, &results[1].1);
    }
}
