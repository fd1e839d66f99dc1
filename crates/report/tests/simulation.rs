//! Ten thousand made-up sweeps: claims where there is nothing to claim stay rare, and real differences are found as often
//! as an exact test finds them.

use report::stats::{ALPHA, holm, paired, pairs_wanted, power_of_paired_t, two_stage};

const SWEEPS: u64 = 10_000;

/// Standard normal numbers from a counter.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How often any arm is claimed to differ from the baseline, the first arm; seeds shift all arms alike.
fn share_with_a_claim(effects: &[f64], seeds: usize, start: u64) -> f64 {
    let mut normal = Normal(start);
    let claims = (0..SWEEPS).filter(|_| {
        let of_seed: Vec<f64> = (0..seeds).map(|_| 2.0 * normal.draw()).collect();
        let arm = |effect: f64, normal: &mut Normal| -> Vec<f64> {
            of_seed.iter().map(|shift| 97.0 + effect + shift + normal.draw()).collect()
        };
        let baseline = arm(0.0, &mut normal);
        let p: Vec<f64> = effects
            .iter()
            .map(|&effect| {
                let pairs: Vec<_> = baseline.iter().copied().zip(arm(effect, &mut normal)).collect();
                paired(&pairs).unwrap().p.unwrap()
            })
            .collect();
        holm(&p).into_iter().any(|p| p < ALPHA)
    });
    claims.count() as f64 / SWEEPS as f64
}

#[test]
fn without_a_difference_claims_are_rare() {
    for (arms, seeds) in [(1, 3), (3, 3), (3, 5), (8, 5), (2, 2)] {
        let share = share_with_a_claim(&vec![0.0; arms], seeds, (arms * 100 + seeds) as u64);
        println!("{arms} arms beside the baseline, {seeds} seeds: {:.2} % claim something", 100.0 * share);
        assert!(share <= 0.055, "{arms} arms, {seeds} seeds: {share}");
    }
}

#[test]
fn a_real_difference_is_found_as_often_as_the_exact_test_finds_it() {
    for (effect, seeds) in [(1.5, 5), (1.0, 10), (3.0, 3), (2.0, 4)] {
        let share = share_with_a_claim(&[effect], seeds, seeds as u64);
        // Both arms scatter by one, so their differences by the root of two.
        let exact = power_of_paired_t(effect / 2f64.sqrt(), seeds, ALPHA);
        println!("effect {effect}, {seeds} seeds: found in {:.1} %, exact {:.1} %", 100.0 * share, 100.0 * exact);
        assert!((share - exact).abs() < 0.03, "{effect} {seeds}: {share} {exact}");
    }
}

/// Sweeps of two arms by Stein's rule: how often the interval holds the true difference, how often one is claimed, and how
/// many pairs were trained on average.
fn two_stages(effect: f64, first: usize, half_width: f64, most: usize, start: u64) -> (f64, f64, f64) {
    let mut normal = Normal(start);
    let (mut covered, mut claimed, mut trained) = (0, 0, 0);
    for _ in 0..SWEEPS {
        let mut pair = || {
            let of_seed = 97.0 + 2.0 * normal.draw();
            (of_seed + normal.draw(), of_seed + effect + normal.draw())
        };
        let mut pairs: Vec<(f64, f64)> = (0..first).map(|_| pair()).collect();
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let wanted = pairs_wanted(&differences, half_width, most);
        pairs.extend((first..wanted).map(|_| pair()));
        let found = two_stage(&pairs, first).unwrap();
        let (low, high) = found.interval.unwrap();
        covered += usize::from((low..=high).contains(&effect));
        claimed += usize::from(found.p.unwrap() < ALPHA);
        trained += pairs.len();
    }
    let share = |n: usize| n as f64 / SWEEPS as f64;
    (share(covered), share(claimed), share(trained))
}

#[test]
fn seeds_added_by_the_rule_keep_the_intervals_coverage_and_the_rate_of_false_claims() {
    for (first, half_width, most) in [(3, 1.0, 10), (3, 2.0, 200), (5, 0.8, 60), (10, 0.5, 100)] {
        let (covered, claimed, trained) = two_stages(0.0, first, half_width, most, 7 + first as u64);
        let (covered_too, ..) = two_stages(0.9, first, half_width, most, 70 + first as u64);
        println!(
            "first {first}, half width {half_width}, at most {most}: covered {:.2} and {:.2} %, false claims {:.2} %, {trained:.1} pairs",
            100.0 * covered,
            100.0 * covered_too,
            100.0 * claimed
        );
        assert!((covered - 0.95).abs() < 0.01 && (covered_too - 0.95).abs() < 0.01, "{covered} {covered_too}");
        assert!(claimed <= 0.055, "{claimed}");
    }
}
