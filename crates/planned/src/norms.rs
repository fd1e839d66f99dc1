//! Statistics of batch norms, and the coefficients of their backward pass. Each thread computes all
//! of them redundantly from all threads' sums, which is cheaper than computing them once and
//! broadcasting.

use res2lab_kernels::Real;

/// One thread's copy of the statistics and coefficients of all norms. Each vector holds the
/// channels of all norms, one norm after the other.
#[derive(Clone, Debug)]
pub(crate) struct Constants<R> {
    pub mean: Vec<R>,
    /// 1 / sqrt(var + eps).
    pub inverse: Vec<f64>,
    /// y = x * scale + shift.
    pub scale: Vec<R>,
    pub shift: Vec<R>,
    /// dx = dy_coefficient * dy + x_coefficient * x + constant.
    pub dy_coefficient: Vec<R>,
    pub x_coefficient: Vec<R>,
    pub constant: Vec<R>,
}

impl<R: Real> Constants<R> {
    pub(crate) fn new(channels: usize) -> Constants<R> {
        let zeros = || vec![R::ZERO; channels];
        Constants {
            mean: zeros(),
            inverse: vec![0.0; channels],
            scale: zeros(),
            shift: zeros(),
            dy_coefficient: zeros(),
            x_coefficient: zeros(),
            constant: zeros(),
        }
    }
}

/// The two sums over one channel that its statistics or its backward coefficients need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelSums {
    /// The sum of x (forward) or of dy (backward).
    pub first: f64,
    /// The sum of x * x (forward) or of dy * (x - mean) (backward).
    pub second: f64,
}

/// The trained values of one channel of a batch norm, or their gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine {
    pub weight: f64,
    pub bias: f64,
}

/// The mean and the biased variance of `n` values.
pub(crate) fn moments(sums: ChannelSums, n: f64) -> (f64, f64) {
    let mean = sums.first / n;
    (mean, (sums.second / n - mean * mean).max(0.0))
}

impl<R: Real> Constants<R> {
    /// Sets the scale and shift that normalize channel `i`.
    pub(crate) fn set_statistics(
        &mut self,
        i: usize,
        mean: f64,
        var: f64,
        eps: f64,
        affine: Affine,
    ) {
        let inverse = 1.0 / (var + eps).sqrt();
        let scale = affine.weight * inverse;
        self.mean[i] = R::from_f64(mean);
        self.inverse[i] = inverse;
        self.scale[i] = R::from_f64(scale);
        self.shift[i] = R::from_f64(affine.bias - mean * scale);
    }

    /// Sets the backward coefficients of channel `i` from the sums over its `n` values, and returns
    /// the gradients of its weight and bias (Ioffe and Szegedy 2015, section 3).
    pub(crate) fn set_backward_coefficients(
        &mut self,
        i: usize,
        sums: ChannelSums,
        n: f64,
        affine: Affine,
    ) -> Affine {
        let mean = self.mean[i].to_f64();
        let inverse = self.inverse[i];
        let dy_coefficient = affine.weight * inverse;
        let x_coefficient = -dy_coefficient * inverse * inverse * sums.second / n;
        self.dy_coefficient[i] = R::from_f64(dy_coefficient);
        self.x_coefficient[i] = R::from_f64(x_coefficient);
        self.constant[i] = R::from_f64(-dy_coefficient * sums.first / n - x_coefficient * mean);
        Affine { weight: sums.second * inverse, bias: sums.first }
    }
}
