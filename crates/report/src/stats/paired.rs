//! Differences between two arms over their shared seeds.

use super::{Estimate, Sample};

/// The paired differences, second minus first, with Student's paired test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Mean, standard deviation and number of the differences.
    pub difference: Sample,
    /// The mean difference with its standard error; without an error if the differences do not
    /// vary.
    pub estimate: Estimate,
}

impl Paired {
    /// The 95 % interval of the mean difference; `None` if the differences do not vary.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.estimate.interval()
    }

    /// The two-sided p-value of the hypothesis of no difference; `None` if the differences do not
    /// vary.
    pub fn p(&self) -> Option<f64> {
        self.estimate.p()
    }
}

/// Compares pairs of finite values; `None` if there are no pairs.
///
/// A single pair has no standard deviation and no test. Equal differences have none either: with
/// coarse metrics and two or three seeds they occur by chance, and an infinite t would claim
/// certainty.
pub fn paired(pairs: &[(f64, f64)]) -> Option<Paired> {
    let differences: Vec<_> = pairs.iter().map(|(first, second)| second - first).collect();
    let difference = Sample::of(&differences)?;
    let largest = pairs.iter().map(|(a, b)| a.abs().max(b.abs())).fold(0.0, f64::max);
    let error = difference.standard_error().filter(|&e| e > 1e-12 * largest);
    let value = difference.mean;
    let seeds = difference.n;
    Some(Paired { difference, estimate: Estimate { value, error, freedom: seeds - 1, seeds } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paired_test_is_scipys() {
        // Reference: scipy 1.17, r = scipy.stats.ttest_rel(b, a); r.pvalue, r.confidence_interval()
        // a = [96.6, 96.2, 96.9, 96.4, 96.8], b = [97.1, 97.6, 96.8, 97.9, 97.3]
        let a = [96.6, 96.2, 96.9, 96.4, 96.8];
        let b = [97.1, 97.6, 96.8, 97.9, 97.3];
        let pairs: Vec<_> = a.into_iter().zip(b).collect();
        let found = paired(&pairs).unwrap();
        let (low, high) = found.interval().unwrap();
        let ours = [found.difference.mean, found.p().unwrap(), low, high];
        let scipys =
            [0.76, 0.065_979_128_687_967_8, -0.080_304_768_444_997_57, 1.600_304_768_444_990_7];
        for (ours, scipys) in ours.into_iter().zip(scipys) {
            assert!((ours - scipys).abs() < 1e-9 * scipys.abs(), "{ours} {scipys}");
        }
    }

    #[test]
    fn differences_that_do_not_vary_are_not_tested() {
        let same = paired(&[(97.1, 97.2), (97.3, 97.4), (96.9, 97.0)]).unwrap();
        assert_eq!((same.p(), same.interval()), (None, None));
        assert!((same.difference.mean - 0.1).abs() < 1e-9);
        assert_eq!(paired(&[(1.0, 2.0)]).unwrap().p(), None);
        assert_eq!(paired(&[]), None);
    }
}
