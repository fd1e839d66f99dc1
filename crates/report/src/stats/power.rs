//! Power of the paired t-test.

use super::student;

/// The power of a two-sided paired t-test of `n` pairs at level `alpha`. `effect` is the true mean
/// difference in standard deviations of the differences.
pub fn power_of_paired_t(effect: f64, n: usize, alpha: f64) -> f64 {
    student::power(effect.abs() * (n as f64).sqrt(), (n - 1) as f64, alpha)
}

/// The smallest number of pairs that gives a power of 80 %; `None` if it exceeds `most`.
pub fn pairs_needed(effect: f64, alpha: f64, most: usize) -> Option<usize> {
    (2..=most).find(|&n| power_of_paired_t(effect, n, alpha) >= 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_that_of_scipys_noncentral_t() {
        // Reference: scipy 1.17, c = t.ppf(1 - a / 2, n - 1);
        // nct.sf(c, n - 1, d * sqrt(n)) + nct.cdf(-c, n - 1, d * sqrt(n))
        let scipys = [
            (1.0, 10, 0.05, 0.803_096_856_632_721_9),
            (0.5, 3, 0.05, 0.084_107_055_896_389_42),
            (2.0, 3, 0.05 / 3.0, 0.193_571_831_943_694_12),
            (0.0, 5, 0.05, 0.05),
            (1.5, 2, 0.05, 0.132_952_124_157_027_48),
            (0.3, 90, 0.01, 0.585_951_680_920_783_8),
        ];
        for (effect, n, alpha, scipys) in scipys {
            let ours = power_of_paired_t(effect, n, alpha);
            assert!((ours - scipys).abs() < 1e-8, "{effect} {n} {alpha}: {ours} {scipys}");
        }
    }

    #[test]
    fn the_number_of_pairs_is_the_first_that_suffices() {
        let n = pairs_needed(1.0, 0.05, 100).unwrap();
        assert!(
            power_of_paired_t(1.0, n, 0.05) >= 0.8 && power_of_paired_t(1.0, n - 1, 0.05) < 0.8
        );
        assert_eq!(n, 10);
        assert_eq!(pairs_needed(0.1, 0.05, 100), None);
    }
}
