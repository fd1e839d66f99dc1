//! The two inner loops of all convolutions: tiles of a product, and blocks of dot products. Both keep their sums in
//! registers: twelve vectors of sums leave room for what is read, of the sixteen there are.

use crate::real::{Lanes, Real, has_wide};

/// Rows of a tile (output channels).
pub const ROWS: usize = 6;
/// Columns of a tile (pixels): two vectors of f32.
pub const COLUMNS: usize = 16;

/// out[r][0..16] = (or +=) sum over k of a[k * rows + r] * b[k * 16..][0..16].
///
/// # Safety
/// `a` must point to k * rows elements, `b` to k * 16, `out` to rows of 16 elements `stride` apart; 1 <= rows <= 6.
#[inline]
pub unsafe fn tile<T: Real>(k: usize, rows: usize, a: *const T, b: *const T, out: *mut T, stride: usize, add: bool) {
    // SAFETY: the caller's promise; the wide form runs where the processor has it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if has_wide() {
            return wide_tile::<T>(k, rows, a, b, out, stride, add);
        }
        any_tile::<T, T::Plain>(k, rows, a, b, out, stride, add);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn wide_tile<T: Real>(k: usize, rows: usize, a: *const T, b: *const T, out: *mut T, stride: usize, add: bool) {
    // SAFETY: the caller's promise.
    unsafe { any_tile::<T, T::Wide>(k, rows, a, b, out, stride, add) }
}

#[inline(always)]
unsafe fn any_tile<T: Real, L: Lanes<T>>(
    k: usize,
    rows: usize,
    a: *const T,
    b: *const T,
    out: *mut T,
    stride: usize,
    add: bool,
) {
    // SAFETY: the caller's promise. A tile of f64 is done in two halves, whose sums fit the registers.
    unsafe {
        let half = 2 * L::N;
        for start in (0..COLUMNS).step_by(half) {
            let (b, out) = (b.add(start), out.add(start));
            match rows {
                1 => rows_of::<T, L, 1>(k, a, b, out, stride, add),
                2 => rows_of::<T, L, 2>(k, a, b, out, stride, add),
                3 => rows_of::<T, L, 3>(k, a, b, out, stride, add),
                4 => rows_of::<T, L, 4>(k, a, b, out, stride, add),
                5 => rows_of::<T, L, 5>(k, a, b, out, stride, add),
                _ => rows_of::<T, L, 6>(k, a, b, out, stride, add),
            }
        }
    }
}

#[inline(always)]
unsafe fn rows_of<T: Real, L: Lanes<T>, const R: usize>(
    k: usize,
    a: *const T,
    b: *const T,
    out: *mut T,
    stride: usize,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = L::splat(T::ZERO);
        let mut sums = [[zero; 2]; R];
        if add {
            for (r, sums) in sums.iter_mut().enumerate() {
                let at = out.add(r * stride);
                *sums = [L::load(at), L::load(at.add(L::N))];
            }
        }
        let (mut a, mut b) = (a, b);
        for _ in 0..k {
            let x = [L::load(b), L::load(b.add(L::N))];
            for (r, sums) in sums.iter_mut().enumerate() {
                let w = L::splat(*a.add(r));
                sums[0] = sums[0].fma(w, x[0]);
                sums[1] = sums[1].fma(w, x[1]);
            }
            a = a.add(R);
            b = b.add(COLUMNS);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let at = out.add(r * stride);
            sums[0].store(at);
            sums[1].store(at.add(L::N));
        }
    }
}

/// Rows of a block of dot products.
pub const DOT_ROWS: usize = 3;
/// Columns of a block of dot products.
pub const DOT_COLUMNS: usize = 4;

/// out[r][c] += sum over n of g[r][n] * x[c][n].
///
/// # Safety
/// `g` and `x` must point to n elements each, `out` to elements that nobody else writes.
#[inline]
pub unsafe fn dots<T: Real>(
    n: usize,
    g: [*const T; DOT_ROWS],
    x: [*const T; DOT_COLUMNS],
    out: &mut [[T; DOT_COLUMNS]; DOT_ROWS],
) {
    // SAFETY: the caller's promise; the wide form runs where the processor has it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if has_wide() {
            return wide_dots::<T>(n, g, x, out);
        }
        any_dots::<T, T::Plain>(n, g, x, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn wide_dots<T: Real>(
    n: usize,
    g: [*const T; DOT_ROWS],
    x: [*const T; DOT_COLUMNS],
    out: &mut [[T; DOT_COLUMNS]; DOT_ROWS],
) {
    // SAFETY: the caller's promise.
    unsafe { any_dots::<T, T::Wide>(n, g, x, out) }
}

#[inline(always)]
unsafe fn any_dots<T: Real, L: Lanes<T>>(
    n: usize,
    g: [*const T; DOT_ROWS],
    x: [*const T; DOT_COLUMNS],
    out: &mut [[T; DOT_COLUMNS]; DOT_ROWS],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(T::ZERO); DOT_COLUMNS]; DOT_ROWS];
        let whole = n - n % L::N;
        for i in (0..whole).step_by(L::N) {
            let gs = g.map(|g| L::load(g.add(i)));
            for c in 0..DOT_COLUMNS {
                let x = L::load(x[c].add(i));
                for r in 0..DOT_ROWS {
                    sums[r][c] = sums[r][c].fma(gs[r], x);
                }
            }
        }
        for r in 0..DOT_ROWS {
            for c in 0..DOT_COLUMNS {
                let rest = (whole..n).fold(T::ZERO, |sum, i| sum + *g[r].add(i) * *x[c].add(i));
                out[r][c] = out[r][c] + sums[r][c].sum() + rest;
            }
        }
    }
}
