//! Figures: the metric against each swept axis. Means have intervals, single seeds are dots, and
//! each setting of the other axes is a line.

use super::{Figure, Table, dot, interval_cells};
use crate::axis::Axis;
use crate::chart::{Chart, Drawing, Grid, Kind, Mark, Panels, Scale, WIDTH};
use crate::encoding;
use crate::format::capital;
use crate::lines::{Group, along};
use crate::metric::Metric;
use crate::study::{Arm, Study};
use crate::svg::text_width;

/// Width available for tick labels, SVG units.
pub(super) const PLOT: f64 = WIDTH as f64 - 80.0;

/// With more lines than this, single seeds are not drawn and intervals are thin: they would hide
/// the lines.
const MOST_WITH_SEEDS: usize = 3;
/// Maximum number of panels.
const MOST_PANELS: usize = 8;
/// Panels side by side.
const COLUMNS: usize = 2;
/// The share of a categorical axis over which lines of one category are spread.
const DODGE: f64 = 0.03;

/// Lines that share the values of the axes without an encoding.
struct Panel<'s, 'a> {
    title: String,
    lines: Vec<Group<&'s Arm<'a>>>,
}

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
    let table = table(study, axis, &groups);
    let panels = panels(study, index, groups);
    let most = panels.iter().map(|panel| panel.lines.len()).max()?;
    let measured = || {
        let points = panels.iter().flat_map(|p| &p.lines).flat_map(|g| &g.points);
        points.filter(|(_, arm)| arm.sample.is_some())
    };
    measured().next()?;
    let with_seeds = most <= MOST_WITH_SEEDS;
    let y = Scale::linear(
        measured().flat_map(|(_, arm)| extremes(arm, &study.metric, with_seeds)),
        &study.metric.title(),
    );
    let x = Scale::points(&axis.values, axis.numbers.as_deref(), &axis.label, PLOT);
    let is_only = panels.len() == 1;
    // Titles of axes stand at the left column and at the last row of panels.
    let rows = panels.len().div_ceil(COLUMNS);
    let chart = |(i, panel): (usize, &Panel)| Chart {
        label: format!("{} against {}", study.metric.name, axis.label),
        height: if is_only { 240 } else { 160 },
        x: if is_only || i / COLUMNS + 1 == rows { x.clone() } else { x.without_title() },
        y: if i % COLUMNS == 0 { y.clone() } else { y.without_title() },
        grid: Grid::Horizontal,
        marks: marks(study, axis, &x, &panel.lines, with_seeds),
    };
    let has_lines = panels.iter().any(|panel| panel.lines.len() > 1) || !is_only;
    let how_to_read = how_to_read(most, has_lines, axis.numbers.is_none());
    let mut charts: Vec<(String, Chart)> = panels
        .iter()
        .enumerate()
        .map(|(i, panel)| (panel.title.clone(), chart((i, panel))))
        .collect();
    let name = format!("{} against {}", study.metric.name, axis.label);
    let drawing = match charts.len() {
        1 => charts.remove(0).1.into(),
        _ => Drawing::Panels(Panels { label: name.clone(), columns: COLUMNS, charts, key: None }),
    };
    Some(Figure {
        id: format!("by-axis-{index}"),
        title: capital(&name),
        drawing,
        how_to_read,
        legend: Vec::new(),
        table,
    })
}

/// The lines by the values of the axes that have neither color nor shape; one panel if there would
/// be too many.
fn panels<'s, 'a>(
    study: &Study,
    index: usize,
    groups: Vec<Group<&'s Arm<'a>>>,
) -> Vec<Panel<'s, 'a>> {
    let is_hidden = |axis: &usize| *axis != index && !study.encoding.shows(*axis);
    let hidden: Vec<usize> = (0..study.axes.len()).filter(is_hidden).collect();
    let count: usize = hidden.iter().map(|&axis| study.axes[axis].values.len()).product();
    let is_split = groups.len() > MOST_WITH_SEEDS && (2..=MOST_PANELS).contains(&count);
    if !is_split {
        return vec![Panel { title: String::new(), lines: groups }];
    }
    let mut panels: Vec<Panel> = Vec::new();
    for group in groups {
        let place = group.points.first().and_then(|(_, arm)| arm.places.first());
        let value = |&axis: &usize| {
            let value = place.and_then(|place| place[axis].as_deref()).unwrap_or("–");
            format!("{}={value}", study.axes[axis].label)
        };
        let title = hidden.iter().map(value).collect::<Vec<_>>().join(" ");
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.lines.push(group),
            None => panels.push(Panel { title, lines: vec![group] }),
        }
    }
    panels
}

fn how_to_read(most: usize, has_lines: bool, is_dodged: bool) -> String {
    let marks = if most > MOST_WITH_SEEDS {
        "Symbols are means over seeds, thin bars their 95 % confidence intervals."
    } else {
        "Symbols are means over seeds, bars their 95 % confidence intervals, small circles single seeds."
    };
    let lines = if has_lines { " Each line holds the other axes fixed." } else { "" };
    let dodge = if is_dodged && most > 1 {
        " Lines are set apart sideways, by 3 % of the axis in all."
    } else {
        ""
    };
    format!("{marks}{lines}{dodge} The vertical axis does not start at zero.")
}

/// All values that must lie within the chart.
fn extremes(arm: &Arm, metric: &Metric, with_seeds: bool) -> Vec<f64> {
    let mut found: Vec<f64> = arm.sample.iter().map(|s| s.mean).collect();
    found.extend(arm.values.values().filter(|_| with_seeds));
    let interval = arm.sample.and_then(|s| s.interval()).map(|i| metric.possible(i));
    found.extend(interval.into_iter().flat_map(|(low, high)| [low, high]));
    found
}

/// Sideways offset of line `i` of `n`. Values of a numeric axis stand where they were measured;
/// lines over categories are spread over a small share of the axis.
fn shift(axis: &Axis, i: usize, n: usize) -> f64 {
    if axis.numbers.is_some() || n < 2 {
        return 0.0;
    }
    let span = axis.values.len() as f64;
    (i as f64 / (n as f64 - 1.0) - 0.5) * DODGE * span
}

fn marks(
    study: &Study,
    axis: &Axis,
    x: &Scale,
    lines: &[Group<&Arm>],
    with_seeds: bool,
) -> Vec<Mark> {
    let at = |i: usize| axis.numbers.as_ref().map_or(i as f64, |numbers| x.position(numbers[i]));
    let mut below = Vec::new();
    let mut above = Vec::new();
    for (i, group) in lines.iter().enumerate() {
        let shift = shift(axis, i, lines.len());
        let measured: Vec<(f64, &Arm)> = group
            .points
            .iter()
            .filter(|(_, arm)| arm.sample.is_some())
            .map(|(i, arm)| (at(*i) + shift, *arm))
            .collect();
        below.extend(line(group, &measured));
        for (x, arm) in measured {
            let Some(sample) = arm.sample else { continue };
            if with_seeds && sample.n > 1 {
                let of_seed = |(seed, v): (&u64, &f64)| dot(study, arm, *seed, *v, (x, *v));
                below.extend(arm.values.iter().map(of_seed));
            }
            let kind = if with_seeds { Kind::Bar } else { Kind::Thin };
            below.extend(sample.interval().map(|interval| {
                let (low, high) = study.metric.possible(interval);
                super::of_arm(study, arm, kind, vec![(x, low), (x, high)])
            }));
            above.push(super::of_arm(study, arm, Kind::Symbol, vec![(x, sample.mean)]));
        }
    }
    below.extend(above);
    below
}

/// The line through the means; `None` for a single point.
fn line(group: &Group<&Arm>, measured: &[(f64, &Arm)]) -> Option<Mark> {
    let style = encoding::common(measured.iter().map(|(_, arm)| arm.style()));
    let points: Vec<(f64, f64)> =
        measured.iter().filter_map(|(x, arm)| Some((*x, arm.sample?.mean))).collect();
    let mut arms = measured.iter().map(|(_, arm)| arm.id);
    (points.len() > 1).then(|| Mark {
        points,
        kind: Kind::Line,
        color: style.color,
        shape: style.shape,
        arms: arms.by_ref().collect::<Vec<_>>().join(" "),
        title: group.label.clone(),
        ..Mark::default()
    })
}

fn table(study: &Study, axis: &Axis, groups: &[Group<&Arm>]) -> Table {
    let others = || (0..study.axes.len()).filter(|&i| study.axes[i].label != axis.label);
    let has_variants = study.arms.iter().any(|arm| !arm.variant.is_empty());
    let mut columns = vec![axis.label.clone()];
    columns.extend(others().map(|i| study.axes[i].label.clone()));
    columns.extend(has_variants.then(|| "recipe".to_owned()));
    columns.extend(super::INTERVAL_COLUMNS.map(str::to_owned));
    let row = |group: &Group<&Arm>, (at, arm): &(usize, &Arm)| {
        let mut cells = vec![axis.values[*at].clone()];
        cells.extend(others().map(|i| group.shared[i].clone().unwrap_or("–".into())));
        cells.extend(has_variants.then(|| arm.variant.clone()));
        cells.extend(interval_cells(study, arm));
        cells
    };
    Table {
        columns,
        rows: groups.iter().flat_map(|g| g.points.iter().map(move |p| row(g, p))).collect(),
    }
}
