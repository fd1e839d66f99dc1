//! Holm's step-down correction, which controls the family-wise error rate of all comparisons.

/// Adjusted p-values, in the order of `p`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut so_far = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        so_far = so_far.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = so_far;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_values_are_those_of_r() {
        // Reference: R, p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
        let ours = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (ours, rs) in ours.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((ours - rs).abs() < 1e-15);
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
