//! An estimated number with its standard error: intervals, tests and required seeds.

use super::{ALPHA, student};

/// Power for which the required number of seeds is computed.
const POWER: f64 = 0.8;

/// An estimate whose standardized error has a t distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// Standard error; `None` if nothing varies, or with one seed.
    pub error: Option<f64>,
    /// Degrees of freedom of the error.
    pub freedom: usize,
    /// Number of seeds in the estimate.
    pub seeds: usize,
}

impl Estimate {
    /// The 95 % confidence interval; `None` without a standard error.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.interval_at(1.0 - ALPHA)
    }

    /// The 90 % confidence interval. It lies within ±margin if and only if [`Estimate::p_equal`] is
    /// below 5 %.
    pub fn narrow_interval(&self) -> Option<(f64, f64)> {
        self.interval_at(1.0 - 2.0 * ALPHA)
    }

    fn interval_at(&self, level: f64) -> Option<(f64, f64)> {
        let half = student::quantile((1.0 + level) / 2.0, self.freedom as f64) * self.error?;
        Some((self.value - half, self.value + half))
    }

    /// The two-sided p-value of the hypothesis that the true value is zero.
    pub fn p(&self) -> Option<f64> {
        Some(student::two_sided_p(self.value / self.error?, self.freedom as f64))
    }

    /// The p-value of the hypothesis that the true value is at least `margin` in absolute value:
    /// the greater of two one-sided tests (Schuirmann 1987). A small p-value means that the true
    /// value lies within the margin.
    pub fn p_equal(&self, margin: f64) -> Option<f64> {
        let error = self.error?;
        let above = student::upper_tail((self.value + margin) / error, self.freedom as f64);
        let below = student::upper_tail((margin - self.value) / error, self.freedom as f64);
        Some(above.max(below))
    }

    /// The smallest number of seeds, up to `most`, with which this design detects a true value of
    /// `size` at level `alpha` with a power of 80 %. The standard error is assumed to fall with the
    /// square root of the number of seeds, and its degrees of freedom to grow in proportion.
    pub fn seeds_needed(&self, size: f64, alpha: f64, most: usize) -> Option<usize> {
        let error = self.error?;
        let now = self.seeds as f64;
        let is_enough = |n: usize| {
            let freedom = self.freedom as f64 * (n as f64 - 1.0) / (now - 1.0);
            let noncentrality = size.abs() / (error * (now / n as f64).sqrt());
            student::power(noncentrality, freedom, alpha) >= POWER
        };
        // Bisection: the power grows with the number of seeds.
        let mut too_few = 1;
        let mut enough = most;
        if !is_enough(most) {
            return None;
        }
        while enough - too_few > 1 {
            let middle = too_few.midpoint(enough);
            *(if is_enough(middle) { &mut enough } else { &mut too_few }) = middle;
        }
        Some(enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{paired, pairs_needed};

    fn estimate() -> Estimate {
        let pairs = [(96.6, 97.1), (96.2, 97.6), (96.9, 96.8), (96.4, 97.9), (96.8, 97.3)];
        paired(&pairs).unwrap().estimate
    }

    #[test]
    fn equivalence_is_statsmodels() {
        // statsmodels 0.15.0: weightstats.DescrStatsW(d).ttost_mean(-m, m)[0] for d = [0.5, 1.4,
        // -0.1, 1.5, 0.5]
        for (margin, theirs) in [
            (0.5, 0.780_630_374_241_488_8),
            (1.5, 0.035_411_741_838_298_33),
            (3.0, 0.000_888_853_051_766_985_6),
        ] {
            let ours = estimate().p_equal(margin).unwrap();
            assert!((ours - theirs).abs() < 1e-12, "{margin}: {ours} {theirs}");
        }
    }

    #[test]
    fn seeds_needed_are_those_of_the_paired_test() {
        let found = estimate();
        let std = 0.676_756_972_627_546_f64;
        for size in [0.5, 0.76, 1.5] {
            assert_eq!(
                found.seeds_needed(size, 0.05, 100),
                pairs_needed(size / std, 0.05, 100),
                "{size}"
            );
        }
    }

    #[test]
    fn nothing_is_said_without_an_error() {
        let bare = Estimate { value: 1.0, error: None, freedom: 0, seeds: 1 };
        assert_eq!((bare.p(), bare.interval(), bare.p_equal(0.5)), (None, None, None));
        assert_eq!(bare.seeds_needed(1.0, 0.05, 100), None);
    }
}
