//! Pearson correlation with its confidence interval.

use statrs::distribution::{ContinuousCDF, Normal};

/// Pearson's correlation with its 95 % interval by Fisher's transformation. There is no interval
/// for fewer than four pairs or for points on a line. `None` if one of the quantities does not
/// vary.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<(f64, Option<(f64, f64)>)> {
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let mx = mean(|p| p.0);
    let my = mean(|p| p.1);
    let mut xx = 0.0;
    let mut yy = 0.0;
    let mut xy = 0.0;
    for (x, y) in pairs {
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
        xy += (x - mx) * (y - my);
    }
    let r = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
    if !r.is_finite() {
        return None;
    }
    let interval = (pairs.len() > 3 && r.abs() < 1.0).then(|| {
        let half = Normal::standard().inverse_cdf(1.0 - super::ALPHA / 2.0) / (n - 3.0).sqrt();
        ((r.atanh() - half).tanh(), (r.atanh() + half).tanh())
    });
    Some((r, interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correlation_is_scipys() {
        let pairs = [
            (4.1, 96.8),
            (4.4, 97.1),
            (5.0, 96.9),
            (5.2, 97.4),
            (5.9, 97.3),
            (6.1, 97.2),
            (6.6, 97.6),
        ];
        let (r, interval) = pearson(&pairs).unwrap();
        let (low, high) = interval.unwrap();
        // Reference: scipy 1.17.1, pearsonr(x, y) and its confidence_interval().
        for (ours, theirs) in
            [(r, 0.7961939861947753), (low, 0.10772667007867893), (high, 0.9685365960195265)]
        {
            assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
        }
    }

    #[test]
    fn few_or_equal_values_have_no_interval_or_no_correlation() {
        assert_eq!(pearson(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0), (4.0, 8.0)]), Some((1.0, None)));
        assert!(pearson(&[(1.0, 2.0), (2.0, 1.0), (3.0, 5.0)]).unwrap().1.is_none());
        assert_eq!(pearson(&[(1.0, 2.0), (1.0, 4.0), (1.0, 6.0)]), None);
        assert_eq!(pearson(&[]), None);
    }
}
