//! The fully connected layer.

use res2lab_kernels::Real;
use res2lab_kernels::matrix::product;
use res2lab_kernels::pointwise::dot;
use std::ops::Range;

/// y[n][k] = bias[k] + sum over c of x[n][c] * w[k][c], for k in `outputs`.
pub(crate) fn forward<T: Real>(
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
    outputs: Range<usize>,
) {
    let inputs = weight.len() / bias.len();
    // The outer loop is over rows of weights, because the weights are larger than the images'
    // values.
    for k in outputs {
        let w = &weight[k * inputs..(k + 1) * inputs];
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(bias.len())) {
            y[k] = T::from_f64(bias[k].to_f64() + dot(x, w));
        }
    }
}

/// dx[n][c] = (or +=) sum over k of dy[n][k] * w[k][c].
pub(crate) fn input_gradient<T: Real>(
    dy: &[T],
    weight: &[T],
    outputs: usize,
    dx: &mut [T],
    add: bool,
) {
    product(|k, n| dy[n * outputs + k], outputs, weight, weight.len() / outputs, (dx, add));
}

/// dw[k][c] = (or +=) sum over n of dy[n][k] * x[n][c].
pub(crate) fn weight_gradient<T: Real>(
    x: &[T],
    dy: &[T],
    outputs: usize,
    (dw, add): (&mut [T], bool),
) {
    product(|n, k| dy[n * outputs + k], dy.len() / outputs, x, dw.len() / outputs, (dw, add));
}

/// db[k] = (or +=) sum over n of dy[n][k].
pub(crate) fn bias_gradient<T: Real>(dy: &[T], (db, add): (&mut [T], bool)) {
    if !add {
        db.fill(T::ZERO);
    }
    for dy in dy.chunks_exact(db.len()) {
        db.iter_mut().zip(dy).for_each(|(db, dy)| *db += *dy);
    }
}
