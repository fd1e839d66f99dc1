//! Stein's two-stage rule: the first pairs tell how many are needed in all, and nothing else of the
//! data does. Stopping when a difference looks significant, or when an ordinary interval looks
//! narrow, is wrong in 17 and in up to 9 % of cases; here the interval holds exactly (Stein 1945),
//! because its width uses the spread of the first pairs alone.

use super::{Estimate, Paired, Sample, student};

/// How many pairs make the 95 % interval no wider than `half_width` to either side, judged by the
/// first differences. At least as many as there are; those alone if they do not vary.
pub fn pairs_wanted(first: &[f64], half_width: f64, most: usize) -> usize {
    let n = first.len();
    let Some(std) = Sample::of(first).and_then(|s| s.std).filter(|&s| s > 0.0) else { return n };
    let t = student::quantile(0.975, (n - 1) as f64);
    let wanted = (t * std / half_width).powi(2).ceil();
    // A tiny half width asks for more than a usize holds.
    (wanted.min(most as f64) as usize).max(n)
}

/// The difference over all `pairs`, with the interval and the test that the rule gives; `first` of
/// them came first.
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
        // scipy: t.ppf(0.975, 2) = 4.30265; std 0.5: (4.30265 * 0.5 / 0.5)^2 = 18.51
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
