//! Products of matrices, for fully connected layers.

use crate::conv::tile::{ROWS, Tile, next_width, widest};
use crate::dispatch::Real;

/// The most values of the depth per tile.
const DEPTH: usize = 64;

/// Computes `out[i][j] = (or +=) sum over k of a(k, i) * b[k][j]`, for `depth` values of k and rows
/// of `columns` elements.
pub fn product<T: Real>(
    a: impl Fn(usize, usize) -> T,
    depth: usize,
    b: &[T],
    columns: usize,
    (out, add): (&mut [T], bool),
) {
    assert_eq!(b.len(), depth * columns);
    assert!(out.len().is_multiple_of(columns));
    if depth == 0 && !add {
        out.fill(T::ZERO);
    }
    // Read once: the instruction set in use may change between two calls, and the lanes must be
    // those of the tiles.
    let kernels = T::real_kernels();
    let lanes = kernels.lanes;
    let vectors = columns / lanes;
    for first in (0..depth).step_by(DEPTH) {
        let depth = DEPTH.min(depth - first);
        let add = add || first > 0;
        let b = &b[first * columns..][..depth * columns];
        let offsets: [u32; DEPTH] = std::array::from_fn(|k| (k * columns) as u32);
        for (row, out) in (0..).step_by(ROWS).zip(out.chunks_mut(ROWS * columns)) {
            let rows = out.len() / columns;
            let mut packed = [T::ZERO; DEPTH * ROWS];
            for k in 0..depth {
                (0..rows).for_each(|i| packed[k * rows + i] = a(first + k, row + i));
            }
            let mut done = 0;
            while done < vectors {
                let width = next_width(vectors - done, widest(ROWS, kernels.registers));
                // SAFETY: the tile covers whole vectors within `depth` rows of `b` and `rows` rows
                // of `out`.
                unsafe {
                    let tile = Tile {
                        weights: packed.as_ptr(),
                        panel: b.as_ptr().add(done * lanes),
                        offsets: offsets.as_ptr(),
                        depth,
                        out: out.as_mut_ptr().add(done * lanes),
                        stride: columns,
                        add,
                    };
                    (kernels.tile[rows - 1][width - 1])(&tile);
                }
                done += width;
            }
            for (i, out) in out.chunks_exact_mut(columns).enumerate() {
                for j in vectors * lanes..columns {
                    let start = if add { out[j] } else { T::ZERO };
                    out[j] = (0..depth)
                        .fold(start, |sum, k| sum + packed[k * rows + i] * b[k * columns + j]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_size() {
        let number = |i: usize| ((i * 37) % 101) as f64 - 50.0;
        for (rows, depth, columns) in
            [(1, 1, 1), (4, 1000, 21), (13, 3, 64), (6, 64, 8), (7, 65, 37), (3, 0, 5)]
        {
            let (a, b) = (
                |k: usize, i: usize| number(7 * k + i),
                (0..depth * columns).map(number).collect::<Vec<_>>(),
            );
            for add in [false, true] {
                let mut out: Vec<f64> = (0..rows * columns).map(number).collect();
                let wanted: Vec<f64> = (0..rows * columns)
                    .map(|at| {
                        let i = at / columns;
                        let j = at % columns;
                        let sum: f64 = (0..depth).map(|k| a(k, i) * b[k * columns + j]).sum();
                        if add { out[at] + sum } else { sum }
                    })
                    .collect();
                product(a, depth, &b, columns, (&mut out, add));
                // Sums of integers are exact.
                assert_eq!(out, wanted, "{rows} rows, depth {depth}, {columns} columns");
            }
        }
    }
}
