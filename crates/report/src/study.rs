//! A sweep's rows put in order: arms with their trials and values, and each arm's difference from the baseline.

use crate::axis::{self, Axis, Place};
use crate::metric::Metric;
use crate::recipe;
use crate::stats::{self, Paired, Sample};
use std::collections::{BTreeMap, HashMap};
use store::{Status, SweepRows, TrialRow};

/// Everything that tables, sentences and figures are made of.
pub struct Study<'a> {
    /// What it was made of.
    pub rows: &'a SweepRows,
    /// What arms are compared by.
    pub metric: Metric,
    /// Decimals of the metric's values.
    pub decimals: usize,
    /// Decimals of differences from the baseline.
    pub difference_decimals: usize,
    /// What was varied.
    pub axes: Vec<Axis>,
    /// In the plan's order.
    pub arms: Vec<Arm<'a>>,
    /// The first arm that has a value; the others are compared with it.
    pub baseline: Option<usize>,
}

/// The trials that differ in nothing but the seed.
pub struct Arm<'a> {
    /// Shared by its trials.
    pub id: &'a str,
    /// What tells it from the others.
    pub label: String,
    /// What is added to labels where two arms share one: fields in which bases differ.
    pub variant: String,
    /// Where it stands on the study's axes.
    pub places: Vec<Place>,
    /// One for each seed.
    pub trials: Vec<&'a TrialRow>,
    /// The metric of its finished trials by seed.
    pub values: BTreeMap<u64, f64>,
    /// Their mean and spread.
    pub sample: Option<Sample>,
    /// The difference from the baseline; None for the baseline itself and where no seed is shared.
    pub against: Option<Comparison>,
    /// Its colour: one of eight, or none.
    pub color: Option<usize>,
}

/// An arm against the baseline over the seeds that both have.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The differences and their test.
    pub paired: Paired,
    /// The p-value after Holm's correction over all arms that could be tested.
    pub p_holm: Option<f64>,
}

/// Colours that can be told apart.
pub const COLORS: usize = 8;

impl<'a> Study<'a> {
    /// Puts rows in order.
    pub fn of(rows: &'a SweepRows) -> Study<'a> {
        let metric = Metric::choose(rows);
        let axes = Axis::all(rows);
        let mut arms = gather(rows, &axes, &metric);
        tell_apart(&mut arms);
        let baseline = arms.iter().position(|arm| arm.sample.is_some());
        if let Some(baseline) = baseline {
            compare(&mut arms, baseline, rows.plan.seed_rule.map(|rule| rule.min as u64));
        }
        paint(&mut arms, baseline, &metric);
        let decimals = metric.decimals(arms.iter().filter_map(|arm| arm.sample.as_ref()));
        let difference_decimals = difference_decimals(&arms, decimals);
        Study { rows, metric, decimals, difference_decimals, axes, arms, baseline }
    }

    /// The baseline arm.
    pub fn baseline(&self) -> Option<&Arm<'a>> {
        self.baseline.map(|i| &self.arms[i])
    }

    /// How many trials have each of `statuses`.
    pub fn count(&self, statuses: &[Status]) -> usize {
        self.rows.trials.iter().filter(|t| statuses.contains(&t.status)).count()
    }

    /// The comparisons that were tested.
    pub fn tested(&self) -> usize {
        self.arms.iter().filter(|arm| arm.p_holm().is_some()).count()
    }
}

impl Arm<'_> {
    /// Trials with one of `statuses`.
    pub fn count(&self, statuses: &[Status]) -> usize {
        self.trials.iter().filter(|t| statuses.contains(&t.status)).count()
    }

    /// The mean over finished trials of something that results hold.
    pub fn mean_of(&self, what: impl Fn(&TrialRow) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self
            .trials
            .iter()
            .filter(|t| t.status == Status::Done)
            .filter_map(|t| what(t))
            .filter(|v| v.is_finite())
            .collect();
        Sample::of(&values).map(|s| s.mean)
    }

    /// The corrected p-value of its difference from the baseline.
    pub fn p_holm(&self) -> Option<f64> {
        self.against?.p_holm
    }
}

fn gather<'a>(rows: &'a SweepRows, axes: &[Axis], metric: &Metric) -> Vec<Arm<'a>> {
    let mut at: HashMap<&str, usize> = HashMap::new();
    let mut arms: Vec<Arm<'a>> = Vec::new();
    for trial in &rows.trials {
        let planned = &trial.planned;
        let i = *at.entry(&planned.arm).or_insert_with(|| {
            arms.push(Arm {
                id: &planned.arm,
                label: planned.label.clone(),
                variant: String::new(),
                places: axis::places(planned, axes),
                trials: Vec::new(),
                values: BTreeMap::new(),
                sample: None,
                against: None,
                color: None,
            });
            arms.len() - 1
        });
        arms[i].trials.push(trial);
        if let Some(value) = trial.metric(&metric.path) {
            arms[i].values.insert(planned.spec.seed, value);
        }
    }
    for arm in &mut arms {
        arm.sample = Sample::of(&arm.values.values().copied().collect::<Vec<_>>());
    }
    arms
}

/// Commands with another base (more epochs) give arms of the same label. The fields in which those differ are then added
/// to the labels of all arms.
fn tell_apart(arms: &mut [Arm]) {
    let mut same: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, arm) in arms.iter().enumerate() {
        same.entry(&arm.label).or_default().push(i);
    }
    let mut paths: Vec<String> = Vec::new();
    for group in same.into_values().filter(|group| group.len() > 1) {
        let (_, differing) = recipe::compare(group.iter().map(|&i| &arms[i].trials[0].planned));
        paths.extend(differing.into_iter().map(|d| d.path));
    }
    paths.sort();
    paths.dedup();
    for arm in arms.iter_mut().filter(|_| !paths.is_empty()) {
        let fields = recipe::fields(&arm.trials[0].planned);
        let value = |path: &String| fields.iter().find(|(p, _)| p == path).map_or("", |(_, value)| value);
        let short = |path: &String| path.rsplit('.').next().unwrap_or_default().to_owned();
        arm.variant = paths.iter().map(|path| format!("{}={}", short(path), value(path))).collect::<Vec<_>>().join(" ");
        arm.label = format!("{} ({})", arm.label, arm.variant);
    }
}

/// `first_seeds`: with a rule that adds seeds, those below this number came first.
fn compare(arms: &mut [Arm], baseline: usize, first_seeds: Option<u64>) {
    let base = arms[baseline].values.clone();
    for (_, arm) in arms.iter_mut().enumerate().filter(|(i, _)| *i != baseline) {
        let pairs: Vec<_> = arm.values.iter().filter_map(|(seed, v)| Some((*base.get(seed)?, *v))).collect();
        // Values are in the order of seeds.
        let first = |seeds: u64| arm.values.keys().filter(|&&seed| seed < seeds && base.contains_key(&seed)).count();
        let paired = match first_seeds.map(first) {
            Some(first) if first > 1 => stats::two_stage(&pairs, first),
            _ => stats::paired(&pairs),
        };
        arm.against = paired.map(|paired| Comparison { paired, p_holm: None });
    }
    let tested: Vec<usize> =
        (0..arms.len()).filter(|&i| arms[i].against.is_some_and(|c| c.paired.p.is_some())).collect();
    let raw: Vec<f64> = tested.iter().filter_map(|&i| arms[i].against?.paired.p).collect();
    for (i, adjusted) in tested.into_iter().zip(stats::holm(&raw)) {
        if let Some(comparison) = &mut arms[i].against {
            comparison.p_holm = Some(adjusted);
        }
    }
}

/// So many that the narrowest interval's half width has about two digits, and never fewer than values have.
fn difference_decimals(arms: &[Arm], of_values: usize) -> usize {
    let intervals = arms.iter().filter_map(|arm| arm.against?.paired.interval);
    let half = intervals.map(|(low, high)| (high - low) / 2.0).fold(f64::INFINITY, f64::min);
    let wanted = (-(half / 5.0).log10()).ceil().clamp(0.0, 9.0) as usize;
    wanted.clamp(of_values, of_values + 1)
}

/// Up to eight arms have a colour each; of more, the baseline and the seven best have one.
fn paint(arms: &mut [Arm], baseline: Option<usize>, metric: &Metric) {
    let mut chosen: Vec<usize> = (0..arms.len()).collect();
    if arms.len() > COLORS {
        let sign = if metric.higher_is_better { -1.0 } else { 1.0 };
        let rank = |i: usize| arms[i].sample.map_or(f64::INFINITY, |s| sign * s.mean);
        chosen.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)));
        chosen.sort_by_key(|&i| Some(i) != baseline);
        chosen.truncate(COLORS);
        chosen.sort_unstable();
    }
    for (color, i) in chosen.into_iter().enumerate() {
        arms[i].color = Some(color);
    }
}
