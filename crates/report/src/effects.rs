//! Main effects of axes and interactions of two axes, by least squares over the cells of a grid or
//! along one axis.

use crate::design::Design;
use crate::stats::{Estimate, FTest, factors};
use crate::study::Study;

/// A main effect of one axis, or the interaction of two axes.
pub struct Effect {
    /// Indices of the study's axes: one for a main effect, two for an interaction.
    pub axes: Vec<usize>,
    /// F-test of the null hypothesis that the effect is zero.
    pub test: FTest,
    /// Main effect only: marginal mean of each axis value.
    pub levels: Vec<Level>,
    /// Main effect: the difference between each two values, the second minus the first.
    /// Interaction: the difference between each two of those differences.
    pub differences: Vec<Difference>,
    /// Whether `differences` is complete. Above `MOST_DIFFERENCES` only the largest one is kept.
    pub has_all_differences: bool,
    /// Main effect of an axis with three or more numbers: the line through the marginal means.
    pub trend: Option<Trend>,
}

/// One value of an axis, averaged over the other axes.
pub struct Level {
    /// Index of the value.
    pub value: usize,
    /// Marginal mean; all cells of the value weigh alike.
    pub mean: f64,
    /// Difference from the mean of all values.
    pub from_mean: Estimate,
}

/// A difference between values of one axis, or between values of two axes.
pub struct Difference {
    /// For each axis of the effect, the indices of the two values (from, to).
    pub between: Vec<(usize, usize)>,
    /// The value at `to` minus the value at `from`.
    pub estimate: Estimate,
}

/// The least-squares line through an axis's marginal means.
pub struct Trend {
    /// Change of the metric per doubling or per unit of the axis.
    pub slope: Estimate,
    /// Whether a step is a doubling of the axis value; otherwise it is one unit.
    pub per_doubling: bool,
    /// Number of steps from the lowest axis value to the highest.
    pub steps: f64,
    /// F-test of the deviation of the means from the line.
    pub beyond: FTest,
}

/// Above this number of differences only the largest is kept: no reader can use that many.
const MOST_DIFFERENCES: usize = 20_000;

/// Computes the main effects in the design's order of axes, then the interactions of each two axes.
pub fn of(study: &Study, design: &Design) -> Vec<Effect> {
    let n = design.axes.len();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    (0..n)
        .map(|a| main(study, design, a))
        .chain(pairs.map(|(a, b)| interaction(design, a, b)))
        .collect()
}

fn main(study: &Study, design: &Design, factor: usize) -> Effect {
    let levels = design.levels();
    let values = &design.values[factor];
    let estimate =
        |weights: &[f64]| design.fit.contrast(&factors::of_levels(&levels, factor, weights));
    let share = 1.0 / values.len() as f64;
    let from_mean = |at: usize| {
        (0..values.len()).map(|i| f64::from(u8::from(i == at)) - share).collect::<Vec<_>>()
    };
    let level = |at: usize, value: usize| {
        let only = (0..values.len()).map(|i| f64::from(u8::from(i == at))).collect::<Vec<_>>();
        let mean = design.fit.mean(&factors::of_levels(&levels, factor, &only));
        Level { value, mean, from_mean: estimate(&from_mean(at)) }
    };
    let difference = |(from, to): (usize, usize)| Difference {
        between: vec![(values[from], values[to])],
        estimate: estimate(&step(values.len(), from, to)),
    };
    let has_all = values.len() * (values.len() - 1) / 2 <= MOST_DIFFERENCES;
    let marginal: Vec<Level> =
        values.iter().enumerate().map(|(at, &value)| level(at, value)).collect();
    let pairs =
        if has_all { differences(values.len()).collect() } else { vec![extremes(&marginal)] };
    Effect {
        axes: vec![design.axes[factor]],
        test: design.fit.test(&factors::contrasts(&levels, &[factor])),
        levels: marginal,
        differences: pairs.into_iter().map(difference).collect(),
        has_all_differences: has_all,
        trend: trend(study, design, factor),
    }
}

fn interaction(design: &Design, a: usize, b: usize) -> Effect {
    let levels = design.levels();
    let values = &design.values;
    let count =
        values[a].len() * (values[a].len() - 1) * values[b].len() * (values[b].len() - 1) / 4;
    let of = |(from_a, to_a): (usize, usize), (from_b, to_b): (usize, usize)| {
        let of_a = factors::of_levels(&levels, a, &step(values[a].len(), from_a, to_a));
        let weights =
            of_a.iter().enumerate().map(|(cell, weight)| match factors::level(&levels, b, cell) {
                at if at == to_b => weight * values[b].len() as f64,
                at if at == from_b => -weight * values[b].len() as f64,
                _ => 0.0,
            });
        Difference {
            between: vec![
                (values[a][from_a], values[a][to_a]),
                (values[b][from_b], values[b][to_b]),
            ],
            estimate: design.fit.contrast(&weights.collect::<Vec<_>>()),
        }
    };
    let all = || {
        differences(values[a].len()).flat_map(|x| differences(values[b].len()).map(move |y| (x, y)))
    };
    Effect {
        axes: vec![design.axes[a], design.axes[b]],
        test: design.fit.test(&factors::contrasts(&levels, &[a, b])),
        levels: Vec::new(),
        differences: if count > MOST_DIFFERENCES {
            Vec::new()
        } else {
            all().map(|(x, y)| of(x, y)).collect()
        },
        has_all_differences: count <= MOST_DIFFERENCES,
        trend: None,
    }
}

/// The indices of the levels with the lowest and the highest mean, in index order.
fn extremes(levels: &[Level]) -> (usize, usize) {
    let by_mean = |a: &usize, b: &usize| levels[*a].mean.total_cmp(&levels[*b].mean);
    let low = (0..levels.len()).min_by(by_mean);
    let high = (0..levels.len()).max_by(by_mean);
    let a = low.unwrap_or_default();
    let b = high.unwrap_or_default();
    (a.min(b), a.max(b))
}

/// All index pairs of `n` levels, the lower index first.
fn differences(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |from| (from + 1..n).map(move |to| (from, to)))
}

/// Contrast weights of the level `to` minus the level `from`.
fn step(n: usize, from: usize, to: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from(u8::from(i == to)) - f64::from(u8::from(i == from))).collect()
}

/// The trend along an axis: per doubling if its values span a factor of four, per unit otherwise.
fn trend(study: &Study, design: &Design, factor: usize) -> Option<Trend> {
    let levels = design.levels();
    // With two values, the slope would repeat the difference.
    let numbers =
        study.axes[design.axes[factor]].numbers.as_ref().filter(|_| levels[factor] > 2)?;
    let numbers: Vec<f64> = design.values[factor].iter().map(|&v| numbers[v]).collect();
    let least = *numbers.first()?;
    let most = *numbers.last()?;
    let per_doubling = least > 0.0 && most >= 4.0 * least;
    let x: Vec<f64> =
        if per_doubling { numbers.iter().map(|v| v.log2()).collect() } else { numbers };
    let of_cells = |weights: &Vec<f64>| factors::of_levels(&levels, factor, weights);
    Some(Trend {
        slope: design.fit.contrast(&of_cells(&factors::slope(&x))),
        per_doubling,
        steps: x.last()? - x.first()?,
        beyond: design.fit.test(&factors::beyond_line(&x).iter().map(of_cells).collect::<Vec<_>>()),
    })
}

impl Effect {
    /// The difference with the largest absolute value.
    pub fn widest(&self) -> Option<&Difference> {
        self.differences
            .iter()
            .max_by(|a, b| a.estimate.value.abs().total_cmp(&b.estimate.value.abs()))
    }

    /// The p-value of the null hypothesis that any difference is at least as large as `margin`.
    /// Every difference must be shown to be smaller (intersection-union test), so the number of
    /// differences needs no correction (Berger 1982).
    pub fn p_equal(&self, margin: f64) -> Option<f64> {
        let all: Option<Vec<f64>> =
            self.differences.iter().map(|d| d.estimate.p_equal(margin)).collect();
        all.filter(|_| self.has_all_differences)?.into_iter().reduce(f64::max)
    }
}
