//! Bartlett's test of equal variances.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The p-value of Bartlett's test of the hypothesis that all groups have the same variance. `None`
/// for fewer than two groups with two values or more, or if a group does not vary.
pub fn bartlett(groups: &[Vec<f64>]) -> Option<f64> {
    let variance = |values: &Vec<f64>| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (n - 1.0, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0))
    };
    let found: Vec<(f64, f64)> = groups.iter().filter(|g| g.len() > 1).map(variance).collect();
    if found.len() < 2 || found.iter().any(|(_, variance)| *variance <= 0.0) {
        return None;
    }
    let k = found.len() as f64;
    let freedom: f64 = found.iter().map(|(f, _)| f).sum();
    let pooled = found.iter().map(|(f, v)| f * v).sum::<f64>() / freedom;
    let statistic = freedom * pooled.ln() - found.iter().map(|(f, v)| f * v.ln()).sum::<f64>();
    let correction =
        1.0 + (found.iter().map(|(f, _)| 1.0 / f).sum::<f64>() - 1.0 / freedom) / (3.0 * (k - 1.0));
    Some(ChiSquared::new(k - 1.0).ok()?.sf(statistic / correction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_scipys() {
        let groups = [vec![97.1, 97.6, 96.8], vec![96.0, 99.1, 93.2, 97.0], vec![97.5, 97.4, 97.6]];
        // Reference: scipy 1.17, scipy.stats.bartlett(*groups).pvalue.
        let ours = bartlett(&groups).unwrap();
        assert!((ours - 0.002662388369438232).abs() < 1e-12, "{ours}");
        assert_eq!(bartlett(&[vec![1.0, 1.0], vec![1.0, 2.0]]), None);
        assert_eq!(bartlett(&groups[..1]), None);
    }
}
