//! Bootstrap percentile interval of the mean, without a distribution assumption.

/// With fewer values there are too few distinct resampled means for percentiles.
const FEWEST: usize = 5;
/// Up to this number of values all resamples are enumerated: 6^6 = 46656.
const MOST_COUNTED: usize = 6;
/// Number of random resamples for more values.
const DRAWN: usize = 20_000;

/// The 95 % percentile interval of the mean; `None` for fewer than five values. Deterministic:
/// equal values give equal intervals.
pub fn bootstrap(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len();
    if n < FEWEST {
        return None;
    }
    let mut means: Vec<f64> =
        if n <= MOST_COUNTED { every_mean(values) } else { drawn_means(values) };
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| means[((q * means.len() as f64).ceil() as usize).saturating_sub(1)];
    Some((quantile(0.025), quantile(0.975)))
}

/// The mean of each of the n^n resamples.
fn every_mean(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mean = |mut resample: usize| {
        let mut sum = 0.0;
        for _ in 0..n {
            sum += values[resample % n];
            resample /= n;
        }
        sum / n as f64
    };
    (0..n.pow(n as u32)).map(mean).collect()
}

/// The means of resamples drawn with a fixed generator (SplitMix64).
fn drawn_means(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut state = 0_u64;
    let mut index = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The high 32 bits times n, shifted back, are uniform over 0..n to within 2^-32.
        ((((z ^ (z >> 31)) >> 32) * n as u64) >> 32) as usize
    };
    (0..DRAWN).map(|_| (0..n).map(|_| values[index()]).sum::<f64>() / n as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_scipys() {
        // Reference: scipy 1.17, bootstrap((d,), np.mean, method="percentile", n_resamples=200000)
        // gives 0.26 and 1.28, as does the enumeration of all 3125 resamples with numpy.
        let (low, high) = bootstrap(&[0.5, 1.4, -0.1, 1.5, 0.5]).unwrap();
        assert!((low - 0.26).abs() < 1e-9 && (high - 1.28).abs() < 1e-9, "{low} {high}");
        assert_eq!(bootstrap(&[1.0, 2.0, 3.0, 4.0]), None);
    }

    #[test]
    fn drawn_resamples_agree_with_counted_ones() {
        let values = [0.5, 1.4, -0.1, 1.5, 0.5, 0.9];
        let (low, high) = bootstrap(&values).unwrap();
        let mut drawn = drawn_means(&values);
        drawn.sort_by(f64::total_cmp);
        assert!(
            (drawn[DRAWN / 40] - low).abs() < 0.02
                && (drawn[DRAWN - DRAWN / 40] - high).abs() < 0.02
        );
    }
}
