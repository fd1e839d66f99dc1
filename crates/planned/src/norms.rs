//! Batch norm's statistics and the terms of its gradient, worked out from all threads' sums by each
//! thread for itself: cheaper than one that tells the others.

use res2lab_kernels::Real;

/// One thread's constants of all norms, channel by channel, all norms' channels in a row.
#[derive(Clone, Debug)]
pub struct Constants<T> {
    pub mean: Vec<T>,
    /// 1 / sqrt(var + eps).
    pub inverse: Vec<f64>,
    /// y = x * scale + shift.
    pub scale: Vec<T>,
    pub shift: Vec<T>,
    /// dx = a * g + b * x + c.
    pub a: Vec<T>,
    pub b: Vec<T>,
    pub c: Vec<T>,
}

impl<T: Real> Constants<T> {
    pub fn new(channels: usize) -> Constants<T> {
        let zeros = || vec![T::ZERO; channels];
        Constants {
            mean: zeros(),
            inverse: vec![0.0; channels],
            scale: zeros(),
            shift: zeros(),
            a: zeros(),
            b: zeros(),
            c: zeros(),
        }
    }
}

/// What one channel's values add up to.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Of the values, or of their gradients.
    pub first: f64,
    /// Of the squares, or of gradients times distances from the mean.
    pub second: f64,
}

/// A channel's trained values.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    pub weight: f64,
    pub bias: f64,
}

/// Mean and (biased) variance of `n` values.
pub(crate) fn moments(sums: Sums, n: f64) -> (f64, f64) {
    let mean = sums.first / n;
    (mean, (sums.second / n - mean * mean).max(0.0))
}

impl<T: Real> Constants<T> {
    /// Forward: what normalizes channel `i`.
    pub fn set_statistics(&mut self, i: usize, mean: f64, var: f64, eps: f64, affine: Affine) {
        let inverse = 1.0 / (var + eps).sqrt();
        let scale = affine.weight * inverse;
        self.mean[i] = T::from_f64(mean);
        self.inverse[i] = inverse;
        self.scale[i] = T::from_f64(scale);
        self.shift[i] = T::from_f64(affine.bias - mean * scale);
    }

    /// Backward: the terms of channel `i`'s gradient, and those of its weight and bias. `sums`
    /// holds the sum of the gradients g and that of g * (x - mean), over `n` values (Ioffe and
    /// Szegedy 2015, section 3).
    pub fn set_terms(&mut self, i: usize, sums: Sums, n: f64, affine: Affine) -> Affine {
        let mean = self.mean[i].to_f64();
        let inverse = self.inverse[i];
        let a = affine.weight * inverse;
        let b = -a * inverse * inverse * sums.second / n;
        self.a[i] = T::from_f64(a);
        self.b[i] = T::from_f64(b);
        self.c[i] = T::from_f64(-a * sums.first / n - b * mean);
        Affine { weight: sums.second * inverse, bias: sums.first }
    }
}
