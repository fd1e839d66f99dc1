//! The fully connected layer. It is small beside the convolutions, so plain loops do.

use kernels::Real;

/// y[n][k] = bias[k] + sum over c of x[n][c] * w[k][c].
pub fn forward<T: Real>(x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
    let inputs = weight.len() / bias.len();
    for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(bias.len())) {
        for ((y, w), b) in y.iter_mut().zip(weight.chunks_exact(inputs)).zip(bias) {
            *y = *b + dot(x, w);
        }
    }
}

/// Sums of independent lanes, so that the compiler can use vectors.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::ZERO; LANES];
    let (a_whole, b_whole) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_whole.remainder().iter().zip(b_whole.remainder()).fold(T::ZERO, |sum, (a, b)| sum + *a * *b);
    for (a, b) in a_whole.zip(b_whole) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// dx[n][c] = (or +=) sum over k of dy[n][k] * w[k][c].
pub fn input_gradient<T: Real>(dy: &[T], weight: &[T], outputs: usize, dx: &mut [T], add: bool) {
    let inputs = weight.len() / outputs;
    for (dy, dx) in dy.chunks_exact(outputs).zip(dx.chunks_exact_mut(inputs)) {
        if !add {
            dx.fill(T::ZERO);
        }
        for (g, w) in dy.iter().zip(weight.chunks_exact(inputs)) {
            dx.iter_mut().zip(w).for_each(|(dx, w)| *dx += *g * *w);
        }
    }
}

/// dw[k][c] += sum over n of dy[n][k] * x[n][c].
pub fn weight_gradient<T: Real>(x: &[T], dy: &[T], outputs: usize, dw: &mut [T]) {
    let inputs = dw.len() / outputs;
    for (k, dw) in dw.chunks_exact_mut(inputs).enumerate() {
        for (x, dy) in x.chunks_exact(inputs).zip(dy.chunks_exact(outputs)) {
            dw.iter_mut().zip(x).for_each(|(dw, x)| *dw += dy[k] * *x);
        }
    }
}

/// db[k] += sum over n of dy[n][k].
pub fn bias_gradient<T: Real>(dy: &[T], db: &mut [T]) {
    for dy in dy.chunks_exact(db.len()) {
        db.iter_mut().zip(dy).for_each(|(db, dy)| *db += *dy);
    }
}
