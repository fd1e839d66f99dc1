//! Dispatch: the innermost functions, compiled for each type and instruction set.
//!
//! Dispatch tables are statics of this crate. Their functions are therefore compiled here, with
//! this crate's optimization level, and not in the crate of a generic caller.

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::avx512::Avx512;
use crate::conv::{epilogue, pack, tile};
use crate::pool::rows;
use crate::real::{Plain, Real, Simd};
use crate::{norm, pointwise, sgd};

/// An entry of a dispatch table: a function of one argument of type `A`.
type Entry<A> = unsafe fn(&A);

/// The dispatch table of one element type and instruction set.
pub(crate) struct Kernels<T: 'static> {
    /// The elements of a vector in the register tiles.
    pub lanes: usize,
    /// The number of vector registers.
    pub registers: usize,
    /// Indexed by rows - 1 and vectors - 1.
    pub tile: [[Entry<tile::Tile<T>>; tile::VECTORS]; tile::ROWS],
    /// Indexed by rows - 1 and offsets - 1.
    pub dot: [[Entry<tile::Dot<T>>; tile::VECTORS]; tile::ROWS],
    /// Indexed by rows - 1 and vectors - 1.
    pub outer: [[Entry<tile::Outer<T>>; tile::VECTORS]; tile::ROWS],
    pub transpose: Entry<tile::Transpose<T>>,
    pub pack: [Entry<pack::Pack<T>>; pack::KINDS],
    /// For the kinds `ONE` and `SUM`.
    pub strided_gather: [Entry<pack::StridedGather<T>>; 2],
    pub epilogue: [Entry<epilogue::TileEpilogue<T>>; epilogue::MODES],
    /// For the modes `STORE` and `ADD`.
    pub strided_scatter: [Entry<epilogue::StridedScatter<T>>; 2],
    pub sums: Entry<norm::PlaneSums<T>>,
    pub normalize: [Entry<norm::Normalize<T>>; 2],
    pub backward_sums: [Entry<norm::BackwardSums<T>>; 2],
    /// Indexed by the kind of the source, and whether to accumulate.
    pub copy: [[Entry<pointwise::PlaneCopy<T>>; 2]; pack::KINDS],
    pub relu: Entry<pointwise::PlaneCopy<T>>,
    pub scale: [Entry<pointwise::PlaneCopy<T>>; 2],
    pub product_sum: Entry<pointwise::ProductSum<T>>,
    pub sgd: Entry<sgd::Flat<T>>,
    pub pool_row: Entry<rows::RowSum<T>>,
    pub pool_maximum: Entry<rows::Maximum<T>>,
    pub pool_places: Entry<rows::Places<T>>,
}

/// Compiles `$module::$function` for the baseline and for AVX2.
macro_rules! compile {
    ($name:ident, $module:ident :: $function:ident, ($($const:ident),*), $argument:ty) => {
        mod $name {
            use super::*;
            pub(crate) unsafe fn plain<T: Real $(, const $const: usize)*>(argument: &$argument) {
                // SAFETY: the caller guarantees the argument, and that the processor has the
                // instructions.
                unsafe { $module::$function::<T, Plain $(, $const)*>(argument) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            pub(crate) unsafe fn avx2<T: Real $(, const $const: usize)*>(argument: &$argument)
            where
                Avx2: Simd<T>,
            {
                // SAFETY: the caller guarantees the argument, and that the processor has the
                // instructions.
                unsafe { $module::$function::<T, Avx2 $(, $const)*>(argument) }
            }
        }
    };
    // As above, and for AVX-512 with vectors of both widths.
    ($name:ident, $module:ident :: $function:ident, ($($const:ident),*), $argument:ty, both) => {
        mod $name {
            use super::*;
            compile!(compiled, $module::$function, ($($const),*), $argument);
            pub(crate) use compiled::*;
            compile!(@avx512, avx512, $module::$function, ($($const),*), $argument, Avx512);
            compile!(@avx512, avx512_narrow, $module::$function, ($($const),*), $argument, Avx2);
        }
    };
    // As above, and for AVX-512 with vectors of one width.
    ($name:ident, $module:ident :: $function:ident, ($($const:ident),*), $argument:ty, $vectors:ident) => {
        mod $name {
            use super::*;
            compile!(compiled, $module::$function, ($($const),*), $argument);
            pub(crate) use compiled::*;
            compile!(@avx512, avx512, $module::$function, ($($const),*), $argument, $vectors);
        }
    };
    (@avx512, $which:ident, $module:ident :: $function:ident, ($($const:ident),*), $argument:ty, $vectors:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl")]
        pub(crate) unsafe fn $which<T: Real $(, const $const: usize)*>(argument: &$argument)
        where
            $vectors: Simd<T>,
        {
            // SAFETY: the caller guarantees the argument, and that the processor has the
            // instructions.
            unsafe { $module::$function::<T, $vectors $(, $const)*>(argument) }
        }
    };
}

// Which width is faster depends on the processor. A processor with two 512-bit units does nearly
// twice as many multiply-adds with vectors of sixteen floats. A processor that splits such vectors
// into halves gains nothing, and loses where rows are short or unaligned.
compile!(tiles, tile::tile, (M, N), tile::Tile<T>, both);
compile!(dots, tile::dot, (M, N), tile::Dot<T>, both);
compile!(outers, tile::outer, (M, N), tile::Outer<T>, both);
compile!(transposes, tile::transpose, (), tile::Transpose<T>, both);
// Loops over planes use the longer vectors wherever they exist, but for this one.
compile!(strided_gathers, pack::strided_gather, (KIND), pack::StridedGather<T>, Avx2);
compile!(packs, pack::pack, (KIND), pack::Pack<T>, Avx512);
compile!(epilogues, epilogue::tile_epilogue, (MODE), epilogue::TileEpilogue<T>, Avx512);
compile!(norm_sums, norm::sums_of, (), norm::PlaneSums<T>, Avx512);
compile!(normalizes, norm::normalize_plane, (RESIDUAL), norm::Normalize<T>, Avx512);
compile!(norm_backward, norm::backward_sums_of, (RELU), norm::BackwardSums<T>, Avx512);
compile!(copies, pointwise::copy_plane, (KIND, ADD), pointwise::PlaneCopy<T>, Avx512);
compile!(relus, pointwise::relu_plane, (), pointwise::PlaneCopy<T>, Avx512);
compile!(scales, pointwise::scale_plane, (ADD), pointwise::PlaneCopy<T>, Avx512);
compile!(product_sums, pointwise::product_sum_of, (), pointwise::ProductSum<T>, Avx512);
compile!(sgds, sgd::step, (), sgd::Flat<T>, Avx512);
compile!(strided_scatters, epilogue::strided_scatter, (MODE), epilogue::StridedScatter<T>, Avx512);
compile!(pool_places, rows::places, (), rows::Places<T>, Avx512);
// The compiler vectorizes these loops itself; the code that it generates for AVX-512 is slower.
compile!(pool_rows, rows::sum, (), rows::RowSum<T>);
compile!(pool_maxima, rows::maximum, (), rows::Maximum<T>);

macro_rules! widths {
    ($kind:ident, $which:ident, $t:ty, $widest:path, $registers:literal) => {
        [
            widths!($kind, $which, $t, $widest, $registers, 1),
            widths!($kind, $which, $t, $widest, $registers, 2),
            widths!($kind, $which, $t, $widest, $registers, 3),
            widths!($kind, $which, $t, $widest, $registers, 4),
            widths!($kind, $which, $t, $widest, $registers, 5),
            widths!($kind, $which, $t, $widest, $registers, 6),
        ]
    };
    // Tiles wider than the widest are never called; the table repeats the widest in their entries.
    ($kind:ident, $which:ident, $t:ty, $widest:path, $registers:literal, $rows:literal) => {{
        const WIDEST: usize = $widest($rows, $registers);
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

macro_rules! dispatch_table {
    ($name:ident, $t:ty, $lanes:literal, $registers:literal, $tiles:ident, $which:ident, $loops:ident) => {
        pub(crate) static $name: Kernels<$t> = Kernels {
            lanes: $lanes,
            registers: $registers,
            tile: widths!(tiles, $tiles, $t, tile::widest, $registers),
            dot: widths!(dots, $tiles, $t, tile::widest_dot, $registers),
            outer: widths!(outers, $tiles, $t, tile::widest, $registers),
            transpose: transposes::$tiles::<$t>,
            pack: [
                packs::$which::<$t, { pack::ONE }>,
                packs::$which::<$t, { pack::SUM }>,
                packs::$which::<$t, { pack::RELU }>,
                packs::$which::<$t, { pack::NORM }>,
            ],
            strided_gather: [
                strided_gathers::$which::<$t, { pack::ONE }>,
                strided_gathers::$which::<$t, { pack::SUM }>,
            ],
            epilogue: [
                epilogues::$which::<$t, { epilogue::STORE }>,
                epilogues::$which::<$t, { epilogue::ADD }>,
                epilogues::$which::<$t, { epilogue::SUMS }>,
                epilogues::$which::<$t, { epilogue::BIAS_RESIDUAL_RELU }>,
                epilogues::$which::<$t, { epilogue::MASKED_STORE }>,
                epilogues::$which::<$t, { epilogue::MASKED_ADD }>,
            ],
            strided_scatter: [
                strided_scatters::$which::<$t, { epilogue::STORE }>,
                strided_scatters::$which::<$t, { epilogue::ADD }>,
            ],
            sums: norm_sums::$which::<$t>,
            normalize: [normalizes::$which::<$t, 0>, normalizes::$which::<$t, 1>],
            backward_sums: [norm_backward::$which::<$t, 0>, norm_backward::$which::<$t, 1>],
            copy: [
                [copies::$which::<$t, { pack::ONE }, 0>, copies::$which::<$t, { pack::ONE }, 1>],
                [copies::$which::<$t, { pack::SUM }, 0>, copies::$which::<$t, { pack::SUM }, 1>],
                [copies::$which::<$t, { pack::RELU }, 0>, copies::$which::<$t, { pack::RELU }, 1>],
                [copies::$which::<$t, { pack::NORM }, 0>, copies::$which::<$t, { pack::NORM }, 1>],
            ],
            relu: relus::$which::<$t>,
            scale: [scales::$which::<$t, 0>, scales::$which::<$t, 1>],
            product_sum: product_sums::$which::<$t>,
            sgd: sgds::$which::<$t>,
            pool_row: pool_rows::$loops::<$t>,
            pool_maximum: pool_maxima::$loops::<$t>,
            pool_places: pool_places::$which::<$t>,
        };
    };
}

#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_F32, f32, 16, 32, avx512, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_F64, f64, 8, 32, avx512, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_NARROW_F32, f32, 8, 32, avx512_narrow, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_NARROW_F64, f64, 4, 32, avx512_narrow, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX2_F32, f32, 8, 16, avx2, avx2, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX2_F64, f64, 4, 16, avx2, avx2, avx2);
dispatch_table!(PLAIN_F32, f32, 8, 16, plain, plain, plain);
dispatch_table!(PLAIN_F64, f64, 8, 16, plain, plain, plain);
