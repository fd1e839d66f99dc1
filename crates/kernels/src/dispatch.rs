//! Dispatch: the loops, compiled for each type and instruction set.
//!
//! Dispatch tables are statics of this crate. Their functions are therefore compiled here, with
//! this crate's optimization level, and not in the crate of a generic caller.
#![allow(private_interfaces)] // The tables are no part of the interface.

use crate::Bf16;
#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::avx512::Avx512;
use crate::conv::results::{self, Activate, Add, Mask, Store, StoreSums, Write};
use crate::conv::{pack, scatter, tile};
use crate::element::{Element, Plain};
#[cfg(target_arch = "x86_64")]
use crate::instruction_set::{InstructionSet, current};
use crate::moments::loops as moments;
use crate::norm::loops as norm;
use crate::pointwise::loops as pointwise;
use crate::pool::rows;
use crate::resize::rows as resize;
use crate::sgd::loops as sgd;
use crate::source::{Masked, NormPlane, One, Source, StridedSource, Sum};
use crate::stored::{Lanes, Storage};

/// A type in which planes are stored, with its kernels: `f32`, `f64` or [`Bf16`].
pub trait Stored: Storage<Real: Real> {
    /// The dispatch table for this type and the instruction set in use.
    #[doc(hidden)]
    fn kernels() -> &'static Kernels<Self>;
}

/// The type of arithmetic: `f32` or `f64`.
pub trait Real: Element + Storage<Real = Self> {
    /// As [`Stored::kernels`].
    #[doc(hidden)]
    fn real_kernels() -> &'static Kernels<Self>;
}

impl Real for f32 {
    fn real_kernels() -> &'static Kernels<Self> {
        f32::kernels()
    }
}

impl Real for f64 {
    fn real_kernels() -> &'static Kernels<Self> {
        f64::kernels()
    }
}

macro_rules! stored {
    ($type:ty, $avx512:ident, $avx512_narrow:ident, $avx2:ident, $plain:ident) => {
        impl Stored for $type {
            fn kernels() -> &'static Kernels<Self> {
                #[cfg(target_arch = "x86_64")]
                match current() {
                    InstructionSet::Amx | InstructionSet::Avx512 => return &$avx512,
                    InstructionSet::Avx512Narrow => return &$avx512_narrow,
                    InstructionSet::Avx2 => return &$avx2,
                    InstructionSet::Plain => {}
                }
                &$plain
            }
        }
    };
}

stored!(f32, AVX512_F32, AVX512_NARROW_F32, AVX2_F32, PLAIN_F32);
stored!(f64, AVX512_F64, AVX512_NARROW_F64, AVX2_F64, PLAIN_F64);
stored!(Bf16, AVX512_BF16, AVX512_NARROW_BF16, AVX2_BF16, PLAIN_BF16);

/// An entry of a dispatch table: a function of one argument of type `A`.
type Entry<A> = unsafe fn(&A);

/// A function that writes its result, and one that accumulates it.
pub(crate) struct WriteOrAdd<A: 'static> {
    write: Entry<A>,
    add: Entry<A>,
}

impl<A> WriteOrAdd<A> {
    /// The function that accumulates, or the one that writes.
    pub(crate) fn of(&self, add: bool) -> Entry<A> {
        if add { self.add } else { self.write }
    }
}

/// Packing, by the source of the rows.
pub(crate) struct Packs<T: Storage> {
    pub one: Entry<pack::Pack<T::Real, One<T>>>,
    pub sum: Entry<pack::Pack<T::Real, Sum<T>>>,
    pub norm: Entry<pack::Pack<T::Real, NormPlane<T>>>,
}

/// Strided packing, by the source of the rows.
pub(crate) struct Gathers<T: Storage> {
    pub one: Entry<pack::StridedGather<T::Real, One<T>>>,
    pub sum: Entry<pack::StridedGather<T::Real, Sum<T>>>,
}

/// Writing a convolution's results, by the operation on them.
pub(crate) struct Writes<T: Storage> {
    pub store: Entry<Write<T, Store>>,
    pub add: Entry<Write<T, Add>>,
    pub sums: Entry<Write<T, StoreSums>>,
    pub activate: Entry<Write<T, Activate<T>>>,
    pub mask: Entry<Write<T, Mask<T, false>>>,
    pub mask_add: Entry<Write<T, Mask<T, true>>>,
}

/// Copying a plane, by its source.
pub(crate) struct Copies<T: Storage> {
    pub one: WriteOrAdd<pointwise::PlaneCopy<T, One<T>>>,
    pub sum: WriteOrAdd<pointwise::PlaneCopy<T, Sum<T>>>,
    pub masked: WriteOrAdd<pointwise::PlaneCopy<T, Masked<T>>>,
    pub norm: WriteOrAdd<pointwise::PlaneCopy<T, NormPlane<T>>>,
}

/// The sums of a batch norm, by their factors.
pub(crate) struct NormSums<T: Storage> {
    pub squares: Entry<norm::PlaneSums<norm::Squares<T>>>,
    pub products: Entry<norm::PlaneSums<norm::Products<T>>>,
    pub masked_products: Entry<norm::PlaneSums<norm::MaskedProducts<T>>>,
}

/// Normalization, without and with a residual.
pub(crate) struct Normalizations<T: Storage> {
    pub plain: Entry<norm::Normalize<T, norm::NoTerm>>,
    pub residual: Entry<norm::Normalize<T, norm::Term<T>>>,
}

/// One row of a map in another size, and its gradient.
pub(crate) struct Resizes<T: Storage> {
    pub blend: for<'a> unsafe fn(&resize::Blend<'a, T>),
    pub spread: for<'a> unsafe fn(&resize::Spread<'a, T>),
}

/// The steps of optimizers with a mean of squared gradients.
pub(crate) struct Moments<R: 'static> {
    pub adamw: Entry<moments::Flat<R, moments::AdamW<R>>>,
    pub rmsprop_tf: Entry<moments::Flat<R, moments::RmsPropTf<R>>>,
    pub lamb_means: Entry<moments::Flat<R, moments::LambStep<R>>>,
    pub lamb_values: Entry<moments::Flat<R, moments::LambStep<R>>>,
}

/// The dispatch table of one type of elements and instruction set.
pub(crate) struct Kernels<T: Storage> {
    /// The elements of a vector in the register tiles.
    pub lanes: usize,
    /// The number of vector registers.
    pub registers: usize,
    /// Indexed by rows - 1 and vectors - 1.
    pub tile: [[Entry<tile::Tile<T::Real>>; tile::VECTORS]; tile::ROWS],
    /// Indexed by rows - 1 and offsets - 1.
    pub dot: [[Entry<tile::Dot<T::Real>>; tile::VECTORS]; tile::ROWS],
    /// Indexed by rows - 1 and vectors - 1.
    pub outer: [[Entry<tile::Outer<T::Real>>; tile::VECTORS]; tile::ROWS],
    pub transpose: Entry<tile::Transpose<T::Real>>,
    pub pack: Packs<T>,
    pub gather: Gathers<T>,
    pub write: Writes<T>,
    pub scatter: WriteOrAdd<scatter::StridedScatter<T>>,
    pub sums: NormSums<T>,
    pub normalize: Normalizations<T>,
    pub copy: Copies<T>,
    pub relu: Entry<pointwise::PlaneCopy<T, One<T>>>,
    pub scale: WriteOrAdd<pointwise::Scale<T>>,
    pub product_sum: Entry<pointwise::PlaneSum<pointwise::Product<T>>>,
    pub sum: Entry<pointwise::PlaneSum<One<T>>>,
    pub sgd: Entry<sgd::Flat<T::Real>>,
    pub moments: Moments<T::Real>,
    pub pool_row: Entry<rows::RowSum<T>>,
    pub pool_maximum: Entry<rows::Maximum<T>>,
    pub pool_places: Entry<rows::Places<T>>,
    pub resize: Resizes<T>,
}

/// Compiles `$module::$function`, whose generic parameters beside the element type and the vectors
/// are `$params`, for the baseline and for AVX2.
macro_rules! compile {
    ($name:ident, $bound:ident, $module:ident :: $function:ident,
        [$($params:tt)*], [$($args:tt)*], $argument:ty) => {
        mod $name {
            use super::*;
            pub(crate) unsafe fn plain<T: $bound, $($params)*>(argument: &$argument)
            where
                Plain: Lanes<T>,
            {
                // SAFETY: the caller guarantees the argument, and that the processor has the
                // instructions.
                unsafe { $module::$function::<T, Plain, $($args)*>(argument) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            pub(crate) unsafe fn avx2<T: $bound, $($params)*>(argument: &$argument)
            where
                Avx2: Lanes<T>,
            {
                // SAFETY: the caller guarantees the argument, and that the processor has the
                // instructions.
                unsafe { $module::$function::<T, Avx2, $($args)*>(argument) }
            }
        }
    };
    // As above, and for AVX-512 with vectors of both widths.
    ($name:ident, $bound:ident, $module:ident :: $function:ident,
        [$($params:tt)*], [$($args:tt)*], $argument:ty, both) => {
        mod $name {
            use super::*;
            compile!(compiled, $bound, $module::$function, [$($params)*], [$($args)*], $argument);
            pub(crate) use compiled::*;
            compile!(
                @avx512, avx512, $bound, $module::$function, [$($params)*], [$($args)*], $argument, Avx512
            );
            compile!(
                @avx512, avx512_narrow, $bound, $module::$function,
                [$($params)*], [$($args)*], $argument, Avx2
            );
        }
    };
    // As above, and for AVX-512 with vectors of one width.
    ($name:ident, $bound:ident, $module:ident :: $function:ident,
        [$($params:tt)*], [$($args:tt)*], $argument:ty, $vectors:ident) => {
        mod $name {
            use super::*;
            compile!(compiled, $bound, $module::$function, [$($params)*], [$($args)*], $argument);
            pub(crate) use compiled::*;
            compile!(
                @avx512, avx512, $bound, $module::$function,
                [$($params)*], [$($args)*], $argument, $vectors
            );
        }
    };
    (@avx512, $which:ident, $bound:ident, $module:ident :: $function:ident,
        [$($params:tt)*], [$($args:tt)*], $argument:ty, $vectors:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        pub(crate) unsafe fn $which<T: $bound, $($params)*>(argument: &$argument)
        where
            $vectors: Lanes<T>,
        {
            // SAFETY: the caller guarantees the argument, and that the processor has the
            // instructions.
            unsafe { $module::$function::<T, $vectors, $($args)*>(argument) }
        }
    };
}

// Which width is faster depends on the processor. A processor with two 512-bit units does nearly
// twice as many multiply-adds with vectors of sixteen floats. A processor that splits such vectors
// into halves gains nothing, and loses where rows are short or unaligned.
compile!(tiles, Real, tile::tile, [const M: usize, const N: usize], [M, N], tile::Tile<T>, both);
compile!(dots, Real, tile::dot, [const M: usize, const N: usize], [M, N], tile::Dot<T>, both);
compile!(outers, Real, tile::outer, [const M: usize, const N: usize], [M, N], tile::Outer<T>, both);
compile!(transposes, Real, tile::transpose, [], [], tile::Transpose<T>, both);
// Loops over planes use the longer vectors wherever they exist, but for this one.
compile!(
    gathers, Storage, pack::strided_gather, [P: StridedSource<T>], [P], pack::StridedGather<T::Real, P>, Avx2
);
compile!(packs, Storage, pack::pack, [P: Source<T>], [P], pack::Pack<T::Real, P>, Avx512);
compile!(writes, Storage, results::write, [O: results::Operation<T>], [O], Write<T, O>, Avx512);
compile!(
    scatters, Storage, scatter::strided_scatter, [const ADD: bool], [ADD], scatter::StridedScatter<T>, Avx512
);
compile!(norm_sums, Storage, norm::sums_of, [F: norm::Factors<T>], [F], norm::PlaneSums<F>, Avx512);
compile!(
    normalizes, Storage, norm::normalize_plane, [A: norm::Added<T>], [A], norm::Normalize<T, A>, Avx512
);
compile!(
    copies, Storage, pointwise::copy_plane, [P: Source<T>, const ADD: bool], [P, ADD],
    pointwise::PlaneCopy<T, P>, Avx512
);
compile!(relus, Storage, pointwise::relu_plane, [], [], pointwise::PlaneCopy<T, One<T>>, Avx512);
compile!(scales, Storage, pointwise::scale_plane, [const ADD: bool], [ADD], pointwise::Scale<T>, Avx512);
compile!(
    plane_sums, Storage, pointwise::sum_of, [F: pointwise::Summand<T>], [F], pointwise::PlaneSum<F>, Avx512
);
compile!(sgds, Real, sgd::step, [], [], sgd::Flat<T>, Avx512);
compile!(pool_places, Storage, rows::places, [], [], rows::Places<T>, Avx512);
// The compiler vectorizes these loops itself; the code that it generates for AVX-512 is slower.
compile!(pool_rows, Storage, rows::sum, [], [], rows::RowSum<T>);
compile!(pool_maxima, Storage, rows::maximum, [], [], rows::Maximum<T>);
compile!(blends, Storage, resize::blend, [], [], resize::Blend<T>);
compile!(spreads, Storage, resize::spread, [], [], resize::Spread<T>);
compile!(adamws, Real, moments::adamw, [], [], moments::Flat<T, moments::AdamW<T>>);
compile!(rmsprop_tfs, Real, moments::rmsprop_tf, [], [], moments::Flat<T, moments::RmsPropTf<T>>);
compile!(lamb_means, Real, moments::lamb_means, [], [], moments::Flat<T, moments::LambStep<T>>);
compile!(lamb_values, Real, moments::lamb_values, [], [], moments::Flat<T, moments::LambStep<T>>);

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

macro_rules! write_or_add {
    ($kind:ident, $which:ident, $($generics:ty),*) => {
        WriteOrAdd {
            write: $kind::$which::<$($generics,)* false>,
            add: $kind::$which::<$($generics,)* true>,
        }
    };
}

macro_rules! dispatch_table {
    ($name:ident, $t:ty, $real:ty, $lanes:literal, $registers:literal, $tiles:ident, $which:ident,
        $loops:ident) => {
        pub(crate) static $name: Kernels<$t> = Kernels {
            lanes: $lanes,
            registers: $registers,
            tile: widths!(tiles, $tiles, $real, tile::widest, $registers),
            dot: widths!(dots, $tiles, $real, tile::widest_dot, $registers),
            outer: widths!(outers, $tiles, $real, tile::widest, $registers),
            transpose: transposes::$tiles::<$real>,
            pack: Packs {
                one: packs::$which::<$t, One<$t>>,
                sum: packs::$which::<$t, Sum<$t>>,
                norm: packs::$which::<$t, NormPlane<$t>>,
            },
            gather: Gathers {
                one: gathers::$which::<$t, One<$t>>,
                sum: gathers::$which::<$t, Sum<$t>>,
            },
            write: Writes {
                store: writes::$which::<$t, Store>,
                add: writes::$which::<$t, Add>,
                sums: writes::$which::<$t, StoreSums>,
                activate: writes::$which::<$t, Activate<$t>>,
                mask: writes::$which::<$t, Mask<$t, false>>,
                mask_add: writes::$which::<$t, Mask<$t, true>>,
            },
            scatter: write_or_add!(scatters, $which, $t),
            sums: NormSums {
                squares: norm_sums::$which::<$t, norm::Squares<$t>>,
                products: norm_sums::$which::<$t, norm::Products<$t>>,
                masked_products: norm_sums::$which::<$t, norm::MaskedProducts<$t>>,
            },
            normalize: Normalizations {
                plain: normalizes::$which::<$t, norm::NoTerm>,
                residual: normalizes::$which::<$t, norm::Term<$t>>,
            },
            copy: Copies {
                one: write_or_add!(copies, $which, $t, One<$t>),
                sum: write_or_add!(copies, $which, $t, Sum<$t>),
                masked: write_or_add!(copies, $which, $t, Masked<$t>),
                norm: write_or_add!(copies, $which, $t, NormPlane<$t>),
            },
            relu: relus::$which::<$t>,
            scale: write_or_add!(scales, $which, $t),
            product_sum: plane_sums::$which::<$t, pointwise::Product<$t>>,
            sum: plane_sums::$which::<$t, One<$t>>,
            sgd: sgds::$which::<$real>,
            moments: Moments {
                adamw: adamws::$loops::<$real>,
                rmsprop_tf: rmsprop_tfs::$loops::<$real>,
                lamb_means: lamb_means::$loops::<$real>,
                lamb_values: lamb_values::$loops::<$real>,
            },
            pool_row: pool_rows::$loops::<$t>,
            pool_maximum: pool_maxima::$loops::<$t>,
            pool_places: pool_places::$which::<$t>,
            resize: Resizes { blend: blends::$loops::<$t>, spread: spreads::$loops::<$t> },
        };
    };
}

#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_F32, f32, f32, 16, 32, avx512, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_F64, f64, f64, 8, 32, avx512, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_BF16, Bf16, f32, 16, 32, avx512, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_NARROW_F32, f32, f32, 8, 32, avx512_narrow, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_NARROW_F64, f64, f64, 4, 32, avx512_narrow, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX512_NARROW_BF16, Bf16, f32, 8, 32, avx512_narrow, avx512, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX2_F32, f32, f32, 8, 16, avx2, avx2, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX2_F64, f64, f64, 4, 16, avx2, avx2, avx2);
#[cfg(target_arch = "x86_64")]
dispatch_table!(AVX2_BF16, Bf16, f32, 8, 16, avx2, avx2, avx2);
dispatch_table!(PLAIN_F32, f32, f32, 8, 16, plain, plain, plain);
dispatch_table!(PLAIN_F64, f64, f64, 8, 16, plain, plain, plain);
dispatch_table!(PLAIN_BF16, Bf16, f32, 8, 16, plain, plain, plain);
