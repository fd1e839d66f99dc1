//! What each axis does on its own, and two of them together: analysis of variance over a complete grid, or along the only
//! line of an axis.

use crate::lines::along;
use crate::stats::{Grid, Sample, Source, holm, test_of_mean};
use crate::study::{Arm, Study};

/// The effects of all axes that could be analysed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Main effects in the axes' order, then interactions.
    pub effects: Vec<Effect>,
    /// Seeds that all cells have.
    pub seeds: usize,
    /// Whether one grid of all axes was analysed; if not, each axis was along its own line.
    pub is_grid: bool,
}

/// One axis, or two together.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Numbers of the axes.
    pub axes: Vec<usize>,
    /// Share of all variation.
    pub share: f64,
    /// Of the F-test, after Holm over all effects; None with one seed.
    pub p_holm: Option<f64>,
    /// For one axis: each value's mean, as the difference from the mean of all values, over seeds.
    pub levels: Vec<(usize, Sample)>,
    /// For one axis of numbers: the change per step.
    pub trend: Option<Trend>,
}

/// A straight line through an axis's means, one for each seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Its slopes over seeds.
    pub slope: Sample,
    /// Whether a step is a doubling or one unit of the axis.
    pub per_doubling: bool,
    /// Of no slope; not corrected.
    pub p: Option<f64>,
}

/// Analyses a study.
pub fn of(study: &Study) -> Effects {
    let all: Vec<usize> = (0..study.axes.len()).collect();
    if let Some((grid, values)) = whole_grid(study, &all) {
        let effects = analyse(study, &grid, &all, &values);
        return Effects { effects: corrected(effects), seeds: grid.seeds(), is_grid: true };
    }
    let lines = all.iter().filter_map(|&axis| {
        let (grid, values) = line(study, axis)?;
        Some((analyse(study, &grid, &[axis], &[values]), grid.seeds()))
    });
    let (effects, seeds): (Vec<_>, Vec<_>) = lines.unzip();
    let effects = effects.into_iter().flatten().collect();
    Effects { effects: corrected(effects), seeds: seeds.into_iter().min().unwrap_or(0), is_grid: false }
}

fn corrected(mut effects: Vec<Effect>) -> Vec<Effect> {
    let raw: Vec<f64> = effects.iter().filter_map(|e| e.p_holm).collect();
    for (effect, p) in effects.iter_mut().filter(|e| e.p_holm.is_some()).zip(holm(&raw)) {
        effect.p_holm = Some(p);
    }
    effects
}

/// All arms as one grid, and for each axis the values on it; None if any combination is missing, or stands for another.
fn whole_grid(study: &Study, axes: &[usize]) -> Option<(Grid, Vec<Vec<usize>>)> {
    if axes.is_empty() || study.arms.iter().any(|arm| arm.places.len() > 1 || arm.variant != study.arms[0].variant) {
        return None;
    }
    let levels: Vec<usize> = axes.iter().map(|&a| study.axes[a].values.len()).collect();
    let mut cells: Vec<Option<&Arm>> = vec![None; levels.iter().product()];
    for arm in &study.arms {
        let places = axes.iter().map(|&a| study.axes[a].index(arm.places[0][a].as_deref()?));
        let at = places.zip(&levels).try_fold(0, |at, (place, n)| Some(at * n + place?))?;
        if cells[at].replace(arm).is_some() {
            return None;
        }
    }
    let cells: Vec<&Arm> = cells.into_iter().collect::<Option<_>>()?;
    let all = levels.iter().map(|&n| (0..n).collect()).collect();
    Some((grid(levels, &cells)?, all))
}

/// The only line along an axis, with the values that were measured.
fn line(study: &Study, axis: usize) -> Option<(Grid, Vec<usize>)> {
    let groups = along(study, axis);
    let [group] = &groups[..] else { return None };
    let measured: Vec<_> = group.points.iter().filter(|(_, arm)| !arm.values.is_empty()).collect();
    let mut values: Vec<usize> = measured.iter().map(|(at, _)| *at).collect();
    values.dedup();
    if values.len() < 2 || values.len() < measured.len() {
        return None;
    }
    let arms: Vec<&Arm> = measured.iter().map(|(_, arm)| *arm).collect();
    // An arm that stands at two places would be counted twice.
    if (1..arms.len()).any(|i| arms[..i].iter().any(|arm| arm.id == arms[i].id)) {
        return None;
    }
    Some((grid(vec![values.len()], &arms)?, values))
}

/// The values of the seeds that all arms have.
fn grid(levels: Vec<usize>, arms: &[&Arm]) -> Option<Grid> {
    let first = arms.first()?;
    let shared: Vec<u64> =
        first.values.keys().copied().filter(|seed| arms.iter().all(|arm| arm.values.contains_key(seed))).collect();
    let of = |arm: &&Arm| shared.iter().filter_map(|seed| arm.values.get(seed).copied()).collect();
    (!shared.is_empty()).then(|| Grid { levels, values: arms.iter().map(of).collect() })
}

fn analyse(study: &Study, grid: &Grid, axes: &[usize], values: &[Vec<usize>]) -> Vec<Effect> {
    let effect = |source: Source| {
        let (levels, trend) = match source.factors[..] {
            [factor] => {
                (levels(grid, factor, &values[factor]), trend(study, grid, factor, axes[factor], &values[factor]))
            }
            _ => (Vec::new(), None),
        };
        let axes = source.factors.iter().map(|&f| axes[f]).collect();
        Effect { axes, share: source.share, p_holm: source.p, levels, trend }
    };
    grid.sources().into_iter().map(effect).collect()
}

/// For each seed the means of a factor's levels.
fn means_by_seed(grid: &Grid, factor: usize) -> Vec<Vec<f64>> {
    (0..grid.seeds()).map(|s| grid.means(&[factor], |seed| seed == s)).collect()
}

fn levels(grid: &Grid, factor: usize, values: &[usize]) -> Vec<(usize, Sample)> {
    let by_seed = means_by_seed(grid, factor);
    let from_mean = |means: &Vec<f64>, level: usize| means[level] - means.iter().sum::<f64>() / means.len() as f64;
    let sample = |(level, value): (usize, &usize)| {
        let over_seeds: Vec<f64> = by_seed.iter().map(|means| from_mean(means, level)).collect();
        Some((*value, Sample::of(&over_seeds)?))
    };
    values.iter().enumerate().filter_map(sample).collect()
}

/// Numbers that span a factor of four are looked at by doublings.
fn trend(study: &Study, grid: &Grid, factor: usize, axis: usize, values: &[usize]) -> Option<Trend> {
    // Between two values there is a difference, which is told elsewhere.
    let numbers = study.axes[axis].numbers.as_ref().filter(|_| values.len() > 2)?;
    let numbers: Vec<f64> = values.iter().map(|&v| numbers[v]).collect();
    let (least, most) = (numbers.first()?, numbers.last()?);
    let per_doubling = *least > 0.0 && *most >= 4.0 * least;
    let x: Vec<f64> = if per_doubling { numbers.iter().map(|v| v.log2()).collect() } else { numbers };
    let by_seed = means_by_seed(grid, factor);
    let slopes: Vec<f64> = by_seed.iter().map(|y| slope(&x, y)).collect();
    let slope = Sample::of(&slopes)?;
    let scale = by_seed.iter().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
    Some(Trend { slope, per_doubling, p: test_of_mean(&slope, scale) })
}

/// Of the least-squares line.
fn slope(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let products: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    products / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>()
}
