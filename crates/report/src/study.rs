//! A sweep's rows grouped into arms with their values, and each arm's difference from the baseline.

use crate::axis::{self, Axis, Place};
use crate::encoding::{Encoding, SHAPES, Style};
use crate::findings::{self, Findings, Subject, Verdict};
use crate::format::decimals_for;
use crate::metric::Metric;
use crate::stats::{self, Paired, Sample};
use crate::{recipe, together};
use res2lab_store::{Status, SweepRows, TrialRow};
use std::collections::{BTreeMap, HashMap};

/// The input of tables, sentences and figures.
pub struct Study<'a> {
    pub rows: &'a SweepRows,
    /// The metric by which arms are compared.
    pub metric: Metric,
    /// Decimals of the metric's values.
    pub decimals: usize,
    /// Decimals of differences from the baseline.
    pub difference_decimals: usize,
    /// The varied axes.
    pub axes: Vec<Axis>,
    /// What colors and shapes stand for.
    pub encoding: Encoding,
    /// In the plan's order.
    pub arms: Vec<Arm<'a>>,
    /// Index of the baseline: the chosen arm if it has a value, otherwise the first arm that has
    /// one.
    pub baseline: Option<usize>,
    /// Arms with the partners to which they are compared.
    pub pairs: Vec<Pair>,
    /// Whether the user requested the pairs individually.
    pub has_asked_pairs: bool,
    pub findings: Findings,
}

/// An arm and its partner in a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Index of the arm.
    pub arm: usize,
    /// Index of the partner.
    pub partner: usize,
    /// Differences over the shared seeds, the arm's value minus the partner's. `None` if no seed is
    /// shared.
    pub paired: Option<Paired>,
    /// p-value after Holm's correction over all pairs that could be tested.
    pub p_holm: Option<f64>,
    pub verdict: Verdict,
}

/// The trials that differ in nothing but the seed.
pub struct Arm<'a> {
    /// Shared by the arm's trials.
    pub id: &'a str,
    /// Distinguishes the arm from the others.
    pub label: String,
    /// Suffix of labels that two arms share: the configuration fields in which their bases differ.
    pub variant: String,
    /// Places on the study's axes.
    pub places: Vec<Place>,
    /// One trial per seed.
    pub trials: Vec<&'a TrialRow>,
    /// The metric of the finished trials by seed.
    pub values: BTreeMap<u64, f64>,
    /// Mean and standard deviation of the values.
    pub sample: Option<Sample>,
    /// The first pair that compares the arm with a partner; `None` for an arm without a partner.
    pub against: Option<Pair>,
    /// A category color or a step of the ramp; `None` for arms that are not highlighted.
    pub color: Option<usize>,
    /// One of four shapes of symbols and dashes of lines.
    pub shape: usize,
    /// Whether the arm is among the few that crowded figures show: the baseline and the best.
    pub is_lead: bool,
}

/// Number of distinguishable colors.
pub const COLORS: usize = 8;

impl<'a> Study<'a> {
    /// Groups rows into arms and computes their comparisons and findings.
    pub fn of(rows: &'a SweepRows) -> Study<'a> {
        let metric = Metric::choose(rows);
        let axes = Axis::all(rows);
        let mut arms = gather(rows, &axes, &metric);
        tell_apart(&mut arms);
        name_recipes(&mut arms, rows);
        let baseline = baseline(&arms, rows);
        let asked = asked_pairs(&arms, rows);
        let has_asked_pairs = !asked.is_empty();
        let wanted = if has_asked_pairs { asked } else { partners(&arms, baseline, &axes) };
        let first_seeds = rows.plan.seed_rule.map(|rule| rule.min as u64);
        let pairs = wanted.into_iter().map(|(a, b)| pair(&arms, a, b, first_seeds)).collect();
        lead(&mut arms, baseline, &metric);
        let encoding = encoding(&axes, &arms);
        paint(&mut arms, &axes, &encoding);
        let decimals = metric.decimals(arms.iter().filter_map(|arm| arm.sample.as_ref()));
        let difference_decimals = decimals;
        let findings = Findings::default();
        let study = Study {
            rows,
            metric,
            decimals,
            difference_decimals,
            axes,
            encoding,
            arms,
            baseline,
            pairs,
            has_asked_pairs,
            findings,
        };
        study.with_findings()
    }

    fn with_findings(mut self) -> Study<'a> {
        self.findings = findings::of(&self);
        for found in findings::of_arms(&self) {
            let Subject::Pair { arm, partner } = found.subject else { continue };
            for pair in
                self.pairs.iter_mut().filter(|pair| (pair.arm, pair.partner) == (arm, partner))
            {
                (pair.p_holm, pair.verdict) = (found.p_holm, found.verdict);
            }
        }
        for pair in &self.pairs {
            self.arms[pair.arm].against.get_or_insert(*pair);
        }
        self.difference_decimals = difference_decimals(&self.arms, self.decimals);
        self
    }

    /// The smallest difference that matters, in percentage points; `None` for metrics without a
    /// unit.
    pub fn margin(&self) -> Option<f64> {
        (!self.metric.unit.is_empty()).then_some(self.rows.plan.contrasts.margin)
    }

    /// The baseline arm; `None` if no arm has a value.
    pub fn baseline(&self) -> Option<&Arm<'a>> {
        self.baseline.map(|i| &self.arms[i])
    }

    /// The arm's value on an axis.
    pub fn value<'s>(&self, arm: &'s Arm, axis: &str) -> Option<&'s str> {
        let at = self.axes.iter().position(|known| known.label == axis)?;
        arm.places.first()?[at].as_deref()
    }

    /// The number of trials with one of `statuses`.
    pub fn count(&self, statuses: &[Status]) -> usize {
        self.rows.trials.iter().filter(|t| statuses.contains(&t.status)).count()
    }

    /// The partner that all pairs share; `None` if the partners differ.
    pub fn common_partner(&self) -> Option<&Arm<'a>> {
        let first = self.pairs.first()?.partner;
        self.pairs.iter().all(|pair| pair.partner == first).then(|| &self.arms[first])
    }
}

impl Arm<'_> {
    /// The number of the arm's trials with one of `statuses`.
    pub fn count(&self, statuses: &[Status]) -> usize {
        self.trials.iter().filter(|t| statuses.contains(&t.status)).count()
    }

    /// The mean of a quantity over finished trials.
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

    /// The arm's color and shape.
    pub fn style(&self) -> Style {
        Style { color: self.color, shape: self.shape }
    }

    /// The paired differences from the arm's partner.
    pub fn paired(&self) -> Option<Paired> {
        self.against?.paired
    }

    /// The corrected p-value of the comparison with the arm's partner.
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
                shape: 0,
                is_lead: false,
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

/// Extends the labels of all arms by the configuration fields in which arms with the same label
/// differ. Commands with another base (e.g. more epochs) produce such arms.
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
        let value =
            |path: &String| fields.iter().find(|(p, _)| p == path).map_or("", |(_, value)| value);
        let short = |path: &String| path.rsplit('.').next().unwrap_or_default().to_owned();
        arm.variant = paths
            .iter()
            .map(|path| format!("{}={}", short(path), value(path)))
            .collect::<Vec<_>>()
            .join(" ");
        arm.label = format!("{} ({})", arm.label, arm.variant);
    }
}

/// Maximum number of configuration fields in a label; the banner lists all.
const MOST_FIELDS: usize = 2;

/// Adds the configuration fields in which the recipes of several sweeps differ to the arms' labels.
fn name_recipes(arms: &mut [Arm], rows: &SweepRows) {
    let differing = recipe::between_sweeps(rows);
    for arm in arms.iter_mut().filter(|_| !differing.is_empty()) {
        let sweep =
            arm.trials[0].planned.coordinates.iter().find(|(axis, _)| axis == together::AXIS);
        let Some((_, sweep)) = sweep else { continue };
        let field = |(path, values): &(String, Vec<(String, String)>)| {
            let (_, value) = values.iter().find(|(name, _)| name == sweep)?;
            Some(format!("{}={value}", path.rsplit('.').next().unwrap_or_default()))
        };
        let fields: Vec<String> = differing.iter().take(MOST_FIELDS).filter_map(field).collect();
        arm.label = format!("{} ({})", arm.label, fields.join(" "));
    }
}

/// The chosen arm if it has a value, otherwise the first arm that has one.
fn baseline(arms: &[Arm], rows: &SweepRows) -> Option<usize> {
    let chosen = rows.plan.contrasts.baseline.as_ref().and_then(|label| find(arms, label));
    chosen
        .filter(|&i| arms[i].sample.is_some())
        .or_else(|| arms.iter().position(|arm| arm.sample.is_some()))
}

/// The arm with this label, or the arm that is trained in its place.
fn find(arms: &[Arm], label: &str) -> Option<usize> {
    let exact = arms.iter().position(|arm| arm.trials[0].planned.label == label);
    let stands_for = |arm: &Arm| arm.trials[0].planned.same_as.iter().any(|same| same == label);
    exact.or_else(|| arms.iter().position(stands_for))
}

fn asked_pairs(arms: &[Arm], rows: &SweepRows) -> Vec<(usize, usize)> {
    let asked = rows.plan.contrasts.pairs.iter();
    let found = asked.filter_map(|(arm, partner)| Some((find(arms, arm)?, find(arms, partner)?)));
    found.filter(|(arm, partner)| arm != partner).collect()
}

/// Pairs every arm with the baseline. On a page of several sweeps, an arm's partner is the arm at
/// the same place in the first sweep, if there is one.
fn partners(arms: &[Arm], baseline: Option<usize>, axes: &[Axis]) -> Vec<(usize, usize)> {
    let Some(baseline) = baseline else { return Vec::new() };
    let of_sweep = axes.iter().position(|axis| axis.label == together::AXIS);
    // The sweep, and the place on all other axes.
    let place = |i: usize| {
        let place = arms[i].places.first()?;
        let rest = place.iter().enumerate().filter(|(axis, _)| Some(*axis) != of_sweep);
        Some((
            place[of_sweep?].as_ref(),
            rest.map(|(_, value)| value.as_deref()).collect::<Vec<_>>(),
        ))
    };
    let twin = |i: usize| {
        let (first, _) = place(baseline)?;
        let (sweep, rest) = place(i)?;
        let is_twin =
            |j: &usize| place(*j) == Some((first, rest.clone())) && arms[*j].sample.is_some();
        (sweep != first).then(|| (0..arms.len()).find(is_twin)).flatten()
    };
    (0..arms.len()).filter(|&i| i != baseline).map(|i| (i, twin(i).unwrap_or(baseline))).collect()
}

/// Compares an arm with its partner. Under a seed rule, the seeds below `first_seeds` form the
/// first stage of Stein's test.
fn pair(arms: &[Arm], arm: usize, partner: usize, first_seeds: Option<u64>) -> Pair {
    let base = &arms[partner].values;
    let values = &arms[arm].values;
    let pairs: Vec<_> =
        values.iter().filter_map(|(seed, v)| Some((*base.get(seed)?, *v))).collect();
    // Values are ordered by seed, so the first-stage seeds come first.
    let first = |seeds: u64| {
        values.keys().filter(|&&seed| seed < seeds && base.contains_key(&seed)).count()
    };
    let paired = match first_seeds.map(first) {
        Some(first) if first > 1 => stats::two_stage(&pairs, first),
        _ => stats::paired(&pairs),
    };
    Pair { arm, partner, paired, p_holm: None, verdict: Verdict::NotTested }
}

/// The number of decimals that shows about two digits of the narrowest interval's half width; at
/// least the decimals of values.
fn difference_decimals(arms: &[Arm], of_values: usize) -> usize {
    let intervals = arms.iter().filter_map(|arm| arm.against?.paired?.interval());
    let half = intervals.map(|(low, high)| (high - low) / 2.0).fold(f64::INFINITY, f64::min);
    decimals_for(half).clamp(of_values, of_values + 1)
}

/// Marks the arms that crowded figures show: up to eight arms, or the baseline and the seven best.
fn lead(arms: &mut [Arm], baseline: Option<usize>, metric: &Metric) {
    let mut chosen: Vec<usize> = (0..arms.len()).collect();
    if arms.len() > COLORS {
        let sign = if metric.higher_is_better { -1.0 } else { 1.0 };
        let rank = |i: usize| arms[i].sample.map_or(f64::INFINITY, |s| sign * s.mean);
        chosen.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)));
        chosen.sort_by_key(|&i| Some(i) != baseline);
        chosen.truncate(COLORS);
    }
    chosen.into_iter().for_each(|i| arms[i].is_lead = true);
}

/// The encoding by axes, unless arms of several bases share places.
fn encoding(axes: &[Axis], arms: &[Arm]) -> Encoding {
    if arms.iter().any(|arm| !arm.variant.is_empty()) {
        return Encoding::Arms;
    }
    Encoding::of(axes, arms.iter().map(|arm| &arm.places[..]))
}

/// Assigns colors and shapes: those of the arm's axis values, or one of each to every leading arm.
fn paint(arms: &mut [Arm], axes: &[Axis], encoding: &Encoding) {
    let mut next = 0;
    for arm in arms {
        let style = arm.places.first().and_then(|place| encoding.style(axes, place));
        let style = style.unwrap_or(Style {
            color: (*encoding == Encoding::Arms && arm.is_lead).then_some(next),
            shape: next % SHAPES,
        });
        (arm.color, arm.shape) = (style.color, style.shape);
        next += usize::from(arm.is_lead);
    }
}
