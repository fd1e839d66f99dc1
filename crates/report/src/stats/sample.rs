//! Summary statistics of one arm's values.

use super::{ALPHA, student};

/// Summary statistics of a sample. The standard deviation has the divisor n - 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Number of values.
    pub n: usize,
    pub mean: f64,
    /// `None` for one value.
    pub std: Option<f64>,
}

impl Sample {
    /// Summarizes finite values; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Sample> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        Some(Sample { n, mean, std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) })
    }

    /// Student's 95 % interval of the mean; `None` for one value.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let half =
            student::quantile(1.0 - ALPHA / 2.0, (self.n - 1) as f64) * self.standard_error()?;
        Some((self.mean - half, self.mean + half))
    }

    /// The standard error of the mean; `None` for one value.
    pub fn standard_error(&self) -> Option<f64> {
        Some(self.std? / (self.n as f64).sqrt())
    }
}

/// The two-sided p-value of Student's test of a mean of zero. `None` if the values do not vary
/// beyond rounding; `scale` is the magnitude of the numbers from which the values were computed.
pub fn test_of_mean(sample: &Sample, scale: f64) -> Option<f64> {
    let error = sample.standard_error().filter(|&e| e > 1e-12 * scale)?;
    Some(student::two_sided_p(sample.mean / error, (sample.n - 1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_interval_are_scipys() {
        // Reference: numpy 2.4, scipy 1.17, x = [97.1, 97.6, 96.8, 97.9, 97.3]; x.mean(),
        // x.std(ddof=1), scipy.stats.t.interval(0.95, 4, x.mean(), scipy.stats.sem(x))
        let sample = Sample::of(&[97.1, 97.6, 96.8, 97.9, 97.3]).unwrap();
        let (low, high) = sample.interval().unwrap();
        let expected =
            [97.34, 0.427_784_992_724_151_5, 96.808_834_775_562_56, 97.871_165_224_437_45];
        for (ours, scipys) in
            [sample.mean, sample.std.unwrap(), low, high].into_iter().zip(expected)
        {
            assert!((ours - scipys).abs() < 1e-9 * scipys, "{ours} {scipys}");
        }
    }

    #[test]
    fn one_value_has_no_spread() {
        let sample = Sample::of(&[3.0]).unwrap();
        assert_eq!((sample.std, sample.interval()), (None, None));
        assert_eq!(Sample::of(&[]), None);
    }
}
