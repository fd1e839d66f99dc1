//! One number that a design estimates, with its standard error: intervals, tests, and how many
//! seeds it needs.

use super::{ALPHA, student};

/// The power that a number of seeds is asked for.
const POWER: f64 = 0.8;

/// An estimate whose error has a t distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// Its standard error; None where nothing varies, or with one seed.
    pub error: Option<f64>,
    /// Degrees of freedom of the error.
    pub freedom: usize,
    /// Seeds that it rests on.
    pub seeds: usize,
}

impl Estimate {
    /// The 95 % interval.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.interval_at(1.0 - ALPHA)
    }

    /// The 90 % interval: it lies within a margin if and only if [`Estimate::p_equal`] is below 5
    /// %.
    pub fn narrow_interval(&self) -> Option<(f64, f64)> {
        self.interval_at(1.0 - 2.0 * ALPHA)
    }

    fn interval_at(&self, level: f64) -> Option<(f64, f64)> {
        let half = student::quantile((1.0 + level) / 2.0, self.freedom as f64) * self.error?;
        Some((self.value - half, self.value + half))
    }

    /// The two-sided p-value of a true value of zero.
    pub fn p(&self) -> Option<f64> {
        Some(student::two_sided_p(self.value / self.error?, self.freedom as f64))
    }

    /// The p-value of a true value of at least `margin` to either side: the greater of two
    /// one-sided tests (Schuirmann 1987). A small one says that the true value is nearer to zero
    /// than that.
    pub fn p_equal(&self, margin: f64) -> Option<f64> {
        let error = self.error?;
        let above = student::upper_tail((self.value + margin) / error, self.freedom as f64);
        let below = student::upper_tail((margin - self.value) / error, self.freedom as f64);
        Some(above.max(below))
    }

    /// Of how many seeds, up to `most`, a design as this one needs to show a true value of `size`
    /// at level `alpha` in four of five cases. Errors shrink with the root of the number of seeds,
    /// and their degrees of freedom grow with it.
    pub fn seeds_needed(&self, size: f64, alpha: f64, most: usize) -> Option<usize> {
        let error = self.error?;
        let now = self.seeds as f64;
        let is_enough = |n: usize| {
            let freedom = self.freedom as f64 * (n as f64 - 1.0) / (now - 1.0);
            let noncentrality = size.abs() / (error * (now / n as f64).sqrt());
            student::power(noncentrality, freedom, alpha) >= POWER
        };
        // The power grows with the number of seeds.
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
