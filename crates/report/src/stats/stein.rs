//! Stein's two-stage procedure: the standard deviation of the first pairs alone determines the
//! total number of pairs. Optional stopping at a significant difference has an error rate of 17 %,
//! and at a narrow ordinary interval of up to 9 %. Stein's interval is exact (Stein 1945), because
//! its width uses the standard deviation of the first pairs only.

use super::{Estimate, Paired, Sample, student};

/// The total number of pairs for which the 95 % interval is at most ±`half_width`, from the
/// differences of the first stage and at most `most`. The result is at least `first.len()`, and
/// equal to it if the differences do not vary.
pub fn pairs_wanted(first: &[f64], half_width: f64, most: usize) -> usize {
    let n = first.len();
    let Some(std) = Sample::of(first).and_then(|s| s.std).filter(|&s| s > 0.0) else { return n };
    let t = student::quantile(0.975, (n - 1) as f64);
    let wanted = (t * std / half_width).powi(2).ceil();
    // For a tiny half width the number exceeds usize.
    (wanted.min(most as f64) as usize).max(n)
}

/// The difference over all `pairs` with the interval and the test of the two-stage procedure. The
/// first `first` pairs form the first stage.
pub fn two_stage(pairs: &[(f64, f64)], first: usize) -> Option<Paired> {
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let difference = Sample::of(&differences)?;
    let std = Sample::of(&differences[..first.min(pairs.len())])
        .and_then(|s| s.std)
        .filter(|&s| s > 1e-9);
    let value = difference.mean;
    let seeds = difference.n;
    let error = std.map(|std| std / (seeds as f64).sqrt());
    Some(Paired {
        difference,
        estimate: Estimate { value, error, freedom: first.max(1) - 1, seeds },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_follows_from_the_first_spread() {
        // scipy: t.ppf(0.975, 2) = 4.30265; std 0.5: (4.30265 * 0.5 / 0.5)^2 = 18.51.
        assert_eq!(pairs_wanted(&[0.5, 1.0, 1.5], 0.5, 100), 19);
        assert_eq!(pairs_wanted(&[0.5, 1.0, 1.5], 0.5, 10), 10);
        assert_eq!(pairs_wanted(&[0.5, 1.0, 1.5], 50.0, 10), 3);
        assert_eq!(pairs_wanted(&[1.0, 1.0, 1.0], 0.1, 10), 3);
    }

    #[test]
    fn with_one_stage_it_is_the_paired_test() {
        let pairs = [(96.6, 97.1), (96.2, 97.6), (96.9, 96.8), (96.4, 97.9), (96.8, 97.3)];
        let a = two_stage(&pairs, 5).unwrap();
        let b = super::super::paired(&pairs).unwrap();
        assert!((a.p().unwrap() - b.p().unwrap()).abs() < 1e-12);
        assert!((a.interval().unwrap().0 - b.interval().unwrap().0).abs() < 1e-12);
        assert_eq!(two_stage(&[(1.0, 2.0), (2.0, 3.0)], 2).unwrap().p(), None);
    }
}
