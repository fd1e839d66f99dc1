//! Figures: the metric against each swept axis. Means have error bars, single seeds are dots, and
//! each setting of the other axes is a line.

use super::{Figure, Legend, Table, dot, value_cells};
use crate::axis::Axis;
use crate::chart::{Chart, Grid, Kind, Mark, Scale, WIDTH, draw};
use crate::format::capital;
use crate::lines::{Group, along};
use crate::metric::Metric;
use crate::study::{Arm, COLORS, Study};
use crate::svg::text_width;

/// Width available for tick labels, SVG units.
pub(super) const PLOT: f64 = WIDTH as f64 - 80.0;

/// With more lines than this, single seeds are not drawn: they would hide the lines.
const MOST_WITH_DOTS: usize = 3;

/// One figure per axis that fits under a chart.
pub fn figures(study: &Study) -> Vec<Figure> {
    (0..study.axes.len())
        .filter(|&i| fits(&study.axes[i]))
        .filter_map(|i| figure(study, i))
        .collect()
}

/// Whether an axis's values fit side by side under a chart: numbers do, long names do not.
pub fn fits(axis: &Axis) -> bool {
    let widest = axis.values.iter().map(|v| text_width(v)).fold(0.0, f64::max);
    axis.numbers.is_some() || (widest + 8.0) * axis.values.len() as f64 <= PLOT
}

fn figure(study: &Study, index: usize) -> Option<Figure> {
    let axis = &study.axes[index];
    let groups = along(study, index);
    let measured = || groups.iter().flat_map(|g| &g.points).filter(|(_, arm)| arm.sample.is_some());
    measured().next()?;
    let y = Scale::linear(
        measured().flat_map(|(_, arm)| extremes(arm, &study.metric)),
        &study.metric.title(),
    );
    let x = Scale::points(&axis.values, axis.numbers.as_deref(), &axis.label, PLOT);
    let at = |i: usize| axis.numbers.as_ref().map_or(i as f64, |numbers| x.position(numbers[i]));
    let places: Vec<f64> = (0..axis.values.len()).map(at).collect();
    let marks = groups.iter().enumerate().flat_map(|(i, group)| {
        let color = color_of_group(&groups, i);
        let mut marks = line(study, group, color, &places, shift(&places, i, groups.len()));
        marks.retain(|mark| match mark.kind {
            Kind::Dot => groups.len() <= MOST_WITH_DOTS,
            Kind::Bar | Kind::Symbol => groups.len() <= COLORS,
            _ => true,
        });
        marks
    });
    let marks: Vec<Mark> = marks.collect();
    let label = format!("{} against {}", study.metric.name, axis.label);
    let svg = draw(&Chart { label, height: 280, x, y, grid: Grid::Horizontal, marks });
    Some(Figure {
        id: format!("by-axis-{index}"),
        title: format!("{} against {}", capital(&study.metric.name), axis.label),
        svg,
        how_to_read: how_to_read(&groups),
        legend: legend(&groups),
        table: table(study, axis, &groups),
    })
}

fn how_to_read(groups: &[Group<&Arm>]) -> String {
    let marks = if groups.len() > COLORS {
        "Lines join means over seeds; there are too many for error bars; see the data table."
    } else if groups.len() > MOST_WITH_DOTS {
        "Symbols are means over seeds, bars are ± one standard deviation."
    } else {
        "Symbols are means over seeds, bars are ± one standard deviation, small dots are single seeds."
    };
    let lines = if groups.len() > 1 { " Each line holds the other axes fixed." } else { "" };
    format!("{marks}{lines} The vertical axis does not start at zero.")
}

/// All values that must lie within the chart.
fn extremes(arm: &Arm, metric: &Metric) -> Vec<f64> {
    let mut found: Vec<f64> = arm.values.values().copied().collect();
    if let Some((mean, std)) = arm.sample.and_then(|s| Some((s.mean, s.std?))) {
        let (low, high) = metric.bar(mean, std);
        found.extend([low, high]);
    }
    found
}

/// The color of a line if there are several lines; `None` if each arm keeps its own color.
fn color_of_group(groups: &[Group<&Arm>], i: usize) -> Option<Option<usize>> {
    (groups.len() > 1).then(|| (i < COLORS && groups.len() <= COLORS).then_some(i))
}

/// Horizontal offset of line `i` of `n`. Lines with error bars are drawn side by side, so that bars
/// do not overlap; the offset is at most 3 % of the axis in either direction. Lines without error
/// bars are not shifted.
fn shift(places: &[f64], i: usize, n: usize) -> f64 {
    if n > COLORS {
        return 0.0;
    }
    let mut sorted = places.to_vec();
    sorted.sort_by(f64::total_cmp);
    let gap = sorted.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    let span = sorted.last().zip(sorted.first()).map_or(1.0, |(last, first)| last - first);
    let all = (0.5 * gap).min(0.06 * span);
    (i as f64 - (n as f64 - 1.0) / 2.0) * all / n as f64
}

fn line(
    study: &Study,
    group: &Group<&Arm>,
    color: Option<Option<usize>>,
    places: &[f64],
    shift: f64,
) -> Vec<Mark> {
    let measured: Vec<(f64, &Arm)> = group
        .points
        .iter()
        .filter(|(_, arm)| arm.sample.is_some())
        .map(|(at, arm)| (places[*at] + shift, *arm))
        .collect();
    let means = measured.iter().filter_map(|(x, arm)| Some((*x, arm.sample?.mean))).collect();
    let kind = if color.is_some() { Kind::Line } else { Kind::Guide };
    let mut marks = vec![Mark {
        points: means,
        kind,
        color: color.flatten(),
        title: group.label.clone(),
        ..Mark::default()
    }];
    // Dots are drawn slightly left of their error bar.
    let aside = 0.012
        * (places.iter().copied().fold(f64::MIN, f64::max)
            - places.iter().copied().fold(f64::MAX, f64::min));
    for (x, arm) in measured {
        let Some(sample) = arm.sample else { continue };
        let mut of_arm = Vec::new();
        if sample.n > 1 {
            of_arm.extend(
                arm.values.iter().map(|(seed, v)| dot(study, arm, *seed, *v, (x - aside, *v))),
            );
        }
        if let Some(std) = sample.std {
            let (low, high) = study.metric.bar(sample.mean, std);
            let ends = vec![(x, low), (x, high)];
            of_arm.push(super::of_arm(study, arm, Kind::Bar, ends));
        }
        of_arm.push(super::of_arm(study, arm, Kind::Symbol, vec![(x, sample.mean)]));
        marks.extend(
            of_arm.into_iter().map(|mark| Mark { color: color.unwrap_or(mark.color), ..mark }),
        );
    }
    marks
}

fn legend(groups: &[Group<&Arm>]) -> Vec<Legend> {
    if groups.len() < 2 {
        return Vec::new();
    }
    let entry = |(i, group): (usize, &Group<&Arm>)| Legend {
        text: group.label.clone(),
        color: color_of_group(groups, i).flatten(),
        arm: String::new(),
    };
    groups.iter().enumerate().map(entry).collect()
}

fn table(study: &Study, axis: &Axis, groups: &[Group<&Arm>]) -> Table {
    let with_group = groups.len() > 1;
    let mut columns = vec![axis.label.clone()];
    columns.extend(with_group.then(|| "other axes".to_owned()));
    columns.extend(["mean", "std", "n"].map(str::to_owned));
    let row = |group: &Group<&Arm>, (at, arm): &(usize, &Arm)| {
        let mut cells = vec![axis.values[*at].clone()];
        cells.extend(with_group.then(|| group.label.clone()));
        cells.extend(value_cells(study, arm));
        cells
    };
    Table {
        columns,
        rows: groups.iter().flat_map(|g| g.points.iter().map(move |p| row(g, p))).collect(),
    }
}
