//! Monte Carlo tests of error rates: false claims of a difference or of equality are rare,
//! intervals have their nominal coverage, and the power is that of an exact test.
//!
//! `RES2LAB_SWEEPS` sets the number of sweeps of each kind. With the default of a thousand, bounds
//! are wider by the sampling error.

mod fixture;

use fixture::sweep;
use res2lab_report::findings::{Finding, Subject, Verdict};
use res2lab_report::stats::{ALPHA, pairs_wanted, power_of_paired_t, two_stage};
use res2lab_report::{Study, seeds};
use res2lab_store::{SweepRows, TrialRow};

/// Number of sweeps of each kind.
fn sweeps() -> u64 {
    std::env::var("RES2LAB_SWEEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000)
}

/// Allowance for sampling error of a rate near 5 %: three standard deviations, zero from ten
/// thousand sweeps on.
fn slack() -> f64 {
    if sweeps() < 10_000 { 3.0 * (0.05 * 0.95 / sweeps() as f64).sqrt() } else { 0.0 }
}

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

/// The distribution of a sweep's errors.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Noise {
    /// Normal, with equal variances.
    Plain,
    /// Normal, plus a shift per seed that all arms share, eight times as large.
    CommonSeeds,
    /// Normal; standard deviations of arms are evenly spaced between one and three, in random
    /// order.
    Spread,
    /// Skewed to one side, like accuracies near 100 %.
    Skewed,
    /// Normal; each trial is missing with a probability of 10 %.
    Missing,
}

const NOISES: [Noise; 5] =
    [Noise::Plain, Noise::CommonSeeds, Noise::Spread, Noise::Skewed, Noise::Missing];

/// Standard deviation of an arm's errors in points.
const SPREAD: f64 = 0.25;

/// One error with a standard deviation of one.
fn error(noise: Noise, normal: &mut Normal) -> f64 {
    match noise {
        // A gamma variable of shape two, mirrored so that its tail is below.
        Noise::Skewed => (2.0 + normal.uniform().ln() + normal.uniform().ln()) / 2f64.sqrt(),
        _ => normal.draw(),
    }
}

/// Standard deviations of arms: equal, or evenly spaced between one and three in random order.
fn deviations(noise: Noise, arms: usize, normal: &mut Normal) -> Vec<f64> {
    if noise != Noise::Spread {
        return vec![1.0; arms];
    }
    let mut all: Vec<f64> = (0..arms).map(|i| 1.0 + 2.0 * i as f64 / (arms as f64 - 1.0)).collect();
    for i in (1..arms).rev() {
        all.swap(i, (normal.uniform() * (i + 1) as f64) as usize);
    }
    all
}

/// The template with random accuracies. `truth` gives each arm's true value by its index in the
/// plan.
fn draw(
    template: &SweepRows,
    truth: &dyn Fn(usize) -> f64,
    noise: Noise,
    normal: &mut Normal,
) -> SweepRows {
    let mut rows = template.clone();
    let mut labels: Vec<String> = Vec::new();
    for trial in &rows.trials {
        if !labels.contains(&trial.planned.label) {
            labels.push(trial.planned.label.clone());
        }
    }
    let spread = deviations(noise, labels.len(), normal);
    let common = if noise == Noise::CommonSeeds { 8.0 } else { 1.0 };
    let of_seed: Vec<f64> = (0..64).map(|_| common * normal.draw()).collect();
    for trial in &mut rows.trials {
        let arm = labels.iter().position(|label| *label == trial.planned.label).unwrap();
        let value = truth(arm)
            + SPREAD
                * (of_seed[trial.planned.spec.seed as usize] + spread[arm] * error(noise, normal));
        let is_missing = noise == Noise::Missing && normal.uniform() < 0.1;
        let metrics = &mut trial.result.as_mut().unwrap().metrics;
        metrics.clear();
        if !is_missing {
            metrics.insert("val/acc1".into(), 90.0 + value);
        }
    }
    rows
}

/// A sweep without the parts that simulations do not use.
fn template(axes: &[(&str, &[&str])], seeds: u64) -> SweepRows {
    let mut rows = sweep("s", axes, &(0..seeds).collect::<Vec<_>>());
    rows.events.clear();
    rows.trials.iter_mut().for_each(|t: &mut TrialRow| t.curve.clear());
    rows
}

fn grid() -> SweepRows {
    template(&[("block", &["a", "b"]), ("scale", &["2", "4", "8"])], 3)
}

fn one_axis() -> SweepRows {
    template(&[("scale", &["2", "4", "6", "8"])], 3)
}

fn contrasts() -> SweepRows {
    let mut rows = template(&[("zoo", &["a", "b", "c", "d", "e", "f"])], 4);
    rows.plan.contrasts.pairs = [("b", "a"), ("d", "c"), ("f", "e")]
        .map(|(a, b)| (format!("zoo={a}"), format!("zoo={b}")))
        .to_vec();
    rows
}

/// Four arms whose seeds are added by the seed rule.
fn sequential() -> SweepRows {
    let mut rows = template(&[("zoo", &["a", "b", "c", "d"])], 24);
    rows.plan.seed_rule = Some(res2lab_experiment::SeedRule { min: 4, max: 24, half_width: 0.4 });
    rows
}

/// The trials that a seed rule would train: the first stage, then as many as the rule requires.
fn by_the_rule(mut rows: SweepRows) -> SweepRows {
    let Some(rule) = rows.plan.seed_rule else { return rows };
    let mut first = rows.clone();
    first.trials.retain(|t| t.planned.spec.seed < rule.min as u64);
    let wanted = seeds::wanted(&first);
    let has = |t: &TrialRow| {
        t.planned.spec.seed < wanted.get(&t.planned.arm).copied().unwrap_or(rule.min) as u64
    };
    rows.trials.retain(has);
    rows
}

fn kinds() -> [(&'static str, SweepRows); 4] {
    [
        ("grid", grid()),
        ("one axis", one_axis()),
        ("contrasts", contrasts()),
        ("sequential seeds", sequential()),
    ]
}

/// Draws sweeps and inspects the findings of each.
fn simulate(
    template: &SweepRows,
    truth: &dyn Fn(usize) -> f64,
    noise: Noise,
    start: u64,
    mut look: impl FnMut(&Study),
) {
    let mut normal = Normal(start);
    for _ in 0..sweeps() {
        let rows = by_the_rule(draw(template, truth, noise, &mut normal));
        look(&Study::of(&rows));
    }
}

fn all<'s>(study: &'s Study) -> impl Iterator<Item = &'s Finding> {
    study.findings.members.iter().chain(&study.findings.details)
}

#[test]
fn without_a_difference_claims_are_rare() {
    for (i, (kind, template)) in kinds().into_iter().enumerate() {
        for noise in NOISES {
            let mut claims = 0;
            simulate(&template, &|_| 0.0, noise, 1000 + i as u64, |study| {
                claims += u64::from(all(study).any(|f| f.verdict.is_difference()));
            });
            let share = claims as f64 / sweeps() as f64;
            println!("{kind}, {noise:?}: {:.2} % of sweeps claim a difference", 100.0 * share);
            let most =
                if [Noise::Plain, Noise::CommonSeeds].contains(&noise) { 0.055 } else { 0.07 };
            assert!(share <= most + slack(), "{kind} {noise:?}: {share}");
        }
    }
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    for (i, (kind, template)) in kinds().into_iter().enumerate() {
        for noise in [Noise::Plain, Noise::CommonSeeds, Noise::Missing] {
            let mut held = 0;
            let mut looked = 0;
            let truth = |arm: usize| 0.3 * arm as f64;
            simulate(&template, &truth, noise, 2000 + i as u64, |study| {
                for finding in &study.findings.members {
                    let Some((low, high)) = finding.estimate.and_then(|e| e.interval()) else {
                        continue;
                    };
                    let Some(true_value) = true_value(study, finding, &truth) else { continue };
                    looked += 1;
                    held += u64::from((low..=high).contains(&true_value));
                }
            });
            let share = held as f64 / looked as f64;
            println!(
                "{kind}, {noise:?}: {:.2} % of {looked} intervals hold the truth",
                100.0 * share
            );
            assert!((share - 0.95).abs() <= 0.01 + slack(), "{kind} {noise:?}: {share}");
        }
    }
}

/// The true value of a finding's estimate, from the arms' true values.
fn true_value(study: &Study, finding: &Finding, truth: &dyn Fn(usize) -> f64) -> Option<f64> {
    let place = |label: &str| study.rows.plan.trials.iter().position(|t| t.label == label);
    // The plan lists its trials arm by arm.
    let seeds = study
        .rows
        .plan
        .trials
        .iter()
        .filter(|t| t.label == study.rows.plan.trials[0].label)
        .count();
    let of_arm = |arm: &res2lab_report::study::Arm| Some(truth(place(&arm.label)? / seeds));
    let mean_at = |axis: usize, value: usize| {
        let is_on = |arm: &&res2lab_report::study::Arm| {
            arm.places[0][axis].as_ref() == Some(&study.axes[axis].values[value])
        };
        let values: Vec<f64> = study.arms.iter().filter(is_on).filter_map(of_arm).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    match finding.subject {
        Subject::Pair { arm, partner } => {
            Some(of_arm(&study.arms[arm])? - of_arm(&study.arms[partner])?)
        }
        Subject::Axis(axis) => Some(mean_at(axis, 1) - mean_at(axis, 0)),
        Subject::Trend(axis) if study.arms.iter().all(|arm| arm.sample.is_some()) => {
            let x: Vec<f64> = study.axes[axis].numbers.as_ref()?.iter().map(|v| v.log2()).collect();
            let weights = res2lab_report::stats::factors::slope(&x);
            Some(
                weights
                    .iter()
                    .enumerate()
                    .map(|(value, weight)| weight * mean_at(axis, value))
                    .sum(),
            )
        }
        _ => None,
    }
}

#[test]
fn what_differs_by_the_margin_is_rarely_called_equal() {
    // Each arm of the second half lies one margin above its partner. Along axes, the last value
    // lies one margin above the first.
    let truths: [&dyn Fn(usize) -> f64; 4] = [
        &|arm| if arm < 3 { 0.0 } else { 0.5 },
        &|arm| 0.5 * [0.0, 1.0, 1.585, 2.0][arm] / 2.0,
        &|arm| 0.5 * (arm % 2) as f64,
        &|arm| if arm == 0 { 0.0 } else { 0.5 },
    ];
    for (i, ((kind, template), truth)) in kinds().into_iter().zip(truths).enumerate() {
        for noise in NOISES {
            let mut wrong = 0;
            simulate(&template, truth, noise, 3000 + i as u64, |study| {
                let is_wrong = |f: &Finding| {
                    let is_of_it = match f.subject {
                        Subject::Axis(_) | Subject::Pair { .. } => true,
                        Subject::Trend(_) => kind == "one axis",
                        _ => false,
                    };
                    is_of_it && f.verdict == Verdict::Equal
                };
                wrong += u64::from(study.findings.members.iter().any(is_wrong));
            });
            let share = wrong as f64 / sweeps() as f64;
            println!("{kind}, {noise:?}: {:.2} % of sweeps call a margin equal", 100.0 * share);
            let most =
                if [Noise::Plain, Noise::CommonSeeds].contains(&noise) { 0.055 } else { 0.07 };
            assert!(share <= most + slack(), "{kind} {noise:?}: {share}");
        }
    }
}

#[test]
fn real_differences_are_found_as_often_as_an_exact_test_finds_them() {
    // (kind, detection rate, true size in standard errors of one seed's contrast, seeds, degrees of
    // freedom of the error)
    let found =
        |template: &SweepRows, truth: &dyn Fn(usize) -> f64, wanted: fn(&Subject) -> bool| {
            let mut found = 0;
            simulate(template, truth, Noise::CommonSeeds, 4000, |study| {
                let it = study.findings.members.iter().find(|f| wanted(&f.subject)).unwrap();
                found += u64::from(it.p.unwrap() < ALPHA);
            });
            found as f64 / sweeps() as f64
        };
    let exact = |noncentrality: f64, freedom: f64| {
        res2lab_report::stats::power(noncentrality, freedom, ALPHA)
    };
    let x = [1.0, 2.0, 6f64.log2(), 3.0];
    let middle = x.iter().sum::<f64>() / 4.0;
    let squares: f64 = x.iter().map(|x| (x - middle).powi(2)).sum();
    let n = 3f64;
    let is_pair = |s: &Subject| matches!(s, Subject::Pair { .. });
    let cases = [
        // Six cells: the difference of two means of nine values each.
        (
            "grid, two values",
            found(&grid(), &|arm| if arm < 3 { 0.0 } else { 0.3 }, |s| {
                matches!(s, Subject::Axis(_))
            }),
            exact(0.3 / (SPREAD * (2.0 / 9.0_f64).sqrt()), 10.0),
        ),
        (
            "one axis, its trend",
            found(&one_axis(), &|arm| 0.25 * x[arm], |s| matches!(s, Subject::Trend(_))),
            exact(0.25 * (squares * n).sqrt() / SPREAD, 6.0),
        ),
        (
            "contrasts, a pair",
            found(&contrasts(), &|arm| 0.6 * (arm % 2) as f64, is_pair),
            power_of_paired_t(0.6 / (SPREAD * 2f64.sqrt()), 4, ALPHA),
        ),
    ];
    for (what, share, exact) in cases {
        println!("{what}: found in {:.1} %, exact {:.1} %", 100.0 * share, 100.0 * exact);
        assert!((share - exact).abs() < 0.03 + slack(), "{what}: {share} {exact}");
    }
}

/// Simulates Stein's procedure with two arms: coverage of the interval, rate of claimed
/// differences, and mean number of trained pairs.
fn two_stages(
    effect: f64,
    first: usize,
    half_width: f64,
    most: usize,
    start: u64,
) -> (f64, f64, f64) {
    let mut normal = Normal(start);
    let mut covered = 0;
    let mut claimed = 0;
    let mut trained = 0;
    for _ in 0..sweeps() {
        let mut pair = || {
            let of_seed = 97.0 + 2.0 * normal.draw();
            (of_seed + normal.draw(), of_seed + effect + normal.draw())
        };
        let mut pairs: Vec<(f64, f64)> = (0..first).map(|_| pair()).collect();
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let wanted = pairs_wanted(&differences, half_width, most);
        pairs.extend((first..wanted).map(|_| pair()));
        let found = two_stage(&pairs, first).unwrap();
        let (low, high) = found.interval().unwrap();
        covered += usize::from((low..=high).contains(&effect));
        claimed += usize::from(found.p().unwrap() < ALPHA);
        trained += pairs.len();
    }
    let share = |n: usize| n as f64 / sweeps() as f64;
    (share(covered), share(claimed), share(trained))
}

#[test]
fn seeds_added_by_the_rule_keep_the_intervals_coverage_and_the_rate_of_false_claims() {
    for (first, half_width, most) in [(3, 1.0, 10), (3, 2.0, 200), (5, 0.8, 60), (10, 0.5, 100)] {
        let (covered, claimed, trained) =
            two_stages(0.0, first, half_width, most, 7 + first as u64);
        let (covered_too, ..) = two_stages(0.9, first, half_width, most, 70 + first as u64);
        println!(
            "first {first}, half width {half_width}, at most {most}: covered {:.2} and {:.2} %, false claims {:.2} %, {trained:.1} pairs",
            100.0 * covered,
            100.0 * covered_too,
            100.0 * claimed
        );
        assert!(
            (covered - 0.95).abs() < 0.01 + slack() && (covered_too - 0.95).abs() < 0.01 + slack(),
            "{covered} {covered_too}"
        );
        assert!(claimed <= 0.055 + slack(), "{claimed}");
    }
}
