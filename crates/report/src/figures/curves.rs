//! Figures: learning curves. An arm's finished trials are a mean and a band; other trials are
//! single curves.

use super::clip::{curve_above, polygon_above};
use super::{Figure, Table, titled};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::format::fixed;
use crate::metric::Metric;
use crate::stats::Sample;
use crate::study::{Arm, Study};
use res2lab_store::{Status, TrialRow};
use std::collections::BTreeMap;

const CURVES: [(&str, &str, &str); 2] = [
    ("val/acc1", "curve-acc1", "Accuracy on the test images during training"),
    ("train/loss", "curve-loss", "Training loss"),
];

/// Maximum number of points of one curve, and of all curves together; more cannot be resolved.
const MOST_POINTS: usize = 120;
const MOST_IN_ALL: usize = 4000;

/// One figure per logged metric.
pub fn figures(study: &Study) -> Vec<Figure> {
    CURVES
        .iter()
        .filter_map(|(path, id, title)| figure(study, &Metric::of(path), id, title))
        .collect()
}

/// An arm's mean curve.
struct Mean<'s, 'a> {
    arm: &'s Arm<'a>,
    bins: Vec<Bin>,
}

/// The values of all seeds at one epoch.
struct Bin {
    epoch: f64,
    sample: Sample,
}

/// The curve of one unfinished trial.
struct Single<'s, 'a> {
    arm: &'s Arm<'a>,
    trial: &'a TrialRow,
    points: Vec<(f64, f64)>,
}

fn figure(study: &Study, metric: &Metric, id: &str, title: &str) -> Option<Figure> {
    let most = (MOST_IN_ALL / study.arms.len().max(1)).clamp(12, MOST_POINTS);
    let means: Vec<Mean> =
        study.arms.iter().filter_map(|arm| mean_curve(arm, &metric.path, most)).collect();
    let singles: Vec<Single> =
        study.arms.iter().flat_map(|arm| unfinished(arm, &metric.path, most)).collect();
    let points = || {
        let of_means =
            means.iter().flat_map(|mean| &mean.bins).map(|bin| (bin.epoch, bin.sample.mean));
        of_means.chain(singles.iter().flat_map(|single| single.points.iter().copied()))
    };
    // A single evaluation makes no curve.
    let is_curve = means.iter().any(|mean| mean.bins.len() > 1)
        || singles.iter().any(|single| single.points.len() > 1);
    if !is_curve {
        return None;
    }
    let x = Scale::from_zero(points().map(|(epoch, _)| epoch), "epoch");
    let (y, cut) = value_scale(points().map(|(_, value)| value), metric);
    let marks = marks(&means, &singles, &y);
    Some(Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        drawing: Chart {
            label: title.to_owned(),
            height: 230,
            x,
            y,
            grid: Grid::Horizontal,
            marks,
        }
        .into(),
        how_to_read: how_to_read(!means.is_empty(), !singles.is_empty(), cut)
            + smoothing(study, metric),
        legend: Vec::new(),
        table: table(&means, metric),
    })
}

fn how_to_read(has_means: bool, has_singles: bool, cut: Option<String>) -> String {
    let mut sentences = Vec::new();
    if has_means {
        sentences.push(
            "Lines are means over an arm's finished trials, bands their 95 % confidence intervals."
                .to_owned(),
        );
    }
    if has_singles {
        sentences.push(
            "Dashed lines are single trials that have not finished or did not end well.".to_owned(),
        );
    }
    sentences.extend(cut.map(|low| format!("Values below {low} are cut off.")));
    sentences.join(" ")
}

/// What the training loss includes that the loss on test images does not.
fn smoothing(study: &Study, metric: &Metric) -> &'static str {
    let is_smoothed = |t: &TrialRow| t.planned.spec.train.label_smoothing > 0.0;
    match metric.path == "train/loss" && study.rows.trials.iter().any(is_smoothed) {
        true => " It includes label smoothing, which the loss on the test images does not.",
        false => "",
    }
}

fn mean_curve<'s, 'a>(arm: &'s Arm<'a>, path: &str, most: usize) -> Option<Mean<'s, 'a>> {
    let done: Vec<&TrialRow> =
        arm.trials.iter().copied().filter(|t| t.status == Status::Done).collect();
    let n = done.iter().filter(|t| t.curve.iter().any(|p| finite(p, path).is_some())).count();
    let mut by_step: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
    for point in done.iter().flat_map(|t| &t.curve) {
        if let Some(value) = finite(point, path) {
            by_step.entry(point.step).or_insert((point.epoch, Vec::new())).1.push(value);
        }
    }
    // A mean over fewer seeds would cause a jump in the curve.
    let whole = by_step.into_values().filter(|(_, values)| values.len() == n);
    let bins = whole
        .filter_map(|(epoch, values)| Some(Bin { epoch, sample: Sample::of(&values)? }))
        .collect();
    let bins = thin(bins, most);
    (!bins.is_empty()).then_some(Mean { arm, bins })
}

fn unfinished<'s, 'a>(arm: &'s Arm<'a>, path: &str, most: usize) -> Vec<Single<'s, 'a>> {
    let single = |trial: &&'a TrialRow| {
        let points = trial.curve.iter().filter_map(|p| Some((p.epoch, finite(p, path)?))).collect();
        Single { arm, trial, points: thin(points, most) }
    };
    let others = arm.trials.iter().filter(|t| t.status != Status::Done).map(single);
    others.filter(|single| !single.points.is_empty()).collect()
}

fn finite(point: &res2lab_store::Point, path: &str) -> Option<f64> {
    point.values.get(path).filter(|v| v.is_finite())
}

/// Keeps every n-th point so that at most `most` remain; the last point is always kept.
fn thin<T>(points: Vec<T>, most: usize) -> Vec<T> {
    let n = points.len();
    let step = n.div_ceil(most).max(1);
    points
        .into_iter()
        .enumerate()
        .filter(|(i, _)| (n - 1 - i).is_multiple_of(step))
        .map(|(_, point)| point)
        .collect()
}

/// The vertical axis. Accuracy rises steeply at first, so the lowest fifth of the values is cut
/// off; the second result is then the lower bound as text.
fn value_scale(values: impl Iterator<Item = f64>, metric: &Metric) -> (Scale, Option<String>) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let full = Scale::linear(sorted.iter().copied(), &metric.title());
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else { return (full, None) };
    let fifth = sorted[sorted.len() / 5];
    // Cut off only if this at least doubles the height of the rest.
    if !metric.higher_is_better || (most - fifth) * 2.0 > most - least {
        return (full, None);
    }
    let scale = Scale::linear(sorted.into_iter().filter(|v| *v >= fifth), &metric.title());
    let low = fixed(scale.low, usize::from(scale.high - scale.low < 3.0));
    (scale, Some(low))
}

fn marks(means: &[Mean], singles: &[Single], y: &Scale) -> Vec<Mark> {
    // Highlighted arms are drawn over the others.
    let mut order: Vec<&Mean> = means.iter().collect();
    order.sort_by_key(|mean| mean.arm.is_lead);
    let mut marks: Vec<Mark> = order.iter().filter_map(|mean| band(mean, y)).collect();
    for mean in order {
        let curve = mean.bins.iter().map(|b| (b.epoch, b.sample.mean));
        marks.extend(
            curve_above(curve, y.low).into_iter().map(|points| mark(mean.arm, Kind::Line, points)),
        );
    }
    for Single { arm, trial, points } in singles {
        let title =
            format!("{}, seed {} ({})", arm.label, trial.planned.spec.seed, trial.status.name());
        for part in curve_above(points.iter().copied(), y.low) {
            let dashed = mark(arm, Kind::Dashed, part);
            marks.push(Mark { trial: trial.planned.id.clone(), title: title.clone(), ..dashed });
        }
    }
    marks
}

/// The band of the mean's 95 % interval. `None` for arms that are not highlighted, because their
/// bands would cover the others.
fn band(mean: &Mean, y: &Scale) -> Option<Mark> {
    mean.arm.is_lead.then_some(())?;
    let intervals: Vec<(f64, (f64, f64))> =
        mean.bins.iter().filter_map(|b| Some((b.epoch, b.sample.interval()?))).collect();
    let upper = intervals.iter().map(|(x, (_, high))| (*x, high.min(y.high)));
    let lower = intervals.iter().rev().map(|(x, (low, _))| (*x, *low));
    let corners = polygon_above(&upper.chain(lower).collect::<Vec<_>>(), y.low);
    (corners.len() > 2).then(|| mark(mean.arm, Kind::Band, corners))
}

fn mark(arm: &Arm, kind: Kind, points: Vec<(f64, f64)>) -> Mark {
    titled(arm, kind, points, arm.label.clone())
}

/// The means during and at the end of training.
fn table(means: &[Mean], metric: &Metric) -> Table {
    let ends = means.iter().filter_map(|mean| mean.bins.last());
    let decimals = metric.decimals(ends.map(|b| &b.sample)) + 1;
    let row = |mean: &Mean| {
        let after = |quarters: usize| {
            mean.bins.get((mean.bins.len() * quarters).div_ceil(4).saturating_sub(1))
        };
        let values =
            (1..=4).map(|k| after(k).map_or("–".into(), |b| fixed(b.sample.mean, decimals)));
        let end = after(4).map(|b| b.sample);
        let std = end.and_then(|s| s.std).map_or("–".into(), |s| fixed(s, decimals));
        let n = end.map_or(0, |s| s.n).to_string();
        std::iter::once(mean.arm.label.clone()).chain(values).chain([std, n]).collect()
    };
    Table {
        columns: ["arm", "after 1/4", "after 1/2", "after 3/4", "at the end", "std", "n"]
            .map(str::to_owned)
            .to_vec(),
        rows: means.iter().map(row).collect(),
    }
}
