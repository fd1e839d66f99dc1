//! Figure: heat maps of means over two axes, one panel for each setting of further axes.

use super::{Figure, INTERVAL_COLUMNS, Table, interval_cells};
use crate::chart::{Chart, Drawing, Grid, Key, Kind, Mark, Panels, Scale, WIDTH};
use crate::format::{capital, fixed};
use crate::study::{Arm, Study};
use crate::svg::text_width;
use res2lab_store::Status;

/// Maximum number of panels.
const MOST_PANELS: usize = 8;
/// Maximum number of rows of a panel.
const MOST_ROWS: usize = 16;
/// The fill of the least mean, and how much stronger that of the greatest is. Text stays readable.
const LEVELS: (f64, f64) = (0.06, 0.5);
/// Width of a panel beside its cells: the tick labels of the vertical axis.
const BESIDE: f64 = 90.0;

/// An arm in a cell of a panel.
struct Cell<'s, 'a> {
    panel: String,
    x: usize,
    y: usize,
    arm: &'s Arm<'a>,
}

/// Draws the figure; `None` unless there are two axes or more whose values have room.
pub fn figure(study: &Study) -> Option<Figure> {
    let (across, up) = axes(study)?;
    let cells = cells(study, across, up);
    let mut panels: Vec<&str> = Vec::new();
    for cell in &cells {
        if !panels.contains(&&cell.panel[..]) {
            panels.push(&cell.panel);
        }
    }
    // One row or column is no map, and arms of several bases would share cells.
    let is_map =
        cells.len() > 2 && study.arms.iter().all(|arm| arm.variant == study.arms[0].variant);
    if !is_map || panels.len() > MOST_PANELS {
        return None;
    }
    let x = &study.axes[across];
    let y = &study.axes[up];
    let widest = x.values.iter().map(|v| text_width(v)).fold(text_width("97.00"), f64::max) + 6.0;
    let needed = x.values.len() as f64 * widest + BESIDE;
    let columns = if panels.len() > 1 && 2.0 * needed <= f64::from(WIDTH) { 2 } else { 1 };
    if needed > f64::from(WIDTH) || y.values.len() > MOST_ROWS {
        return None;
    }
    let range = range(&cells)?;
    let name = format!("{} by {} and {}", study.metric.name, x.label, y.label);
    let last = panels.last().copied().unwrap_or_default();
    let chart = |panel: &str| {
        let is_labeled = panel == last || columns > 1;
        let across = Scale::points(&x.values, None, &x.label, f64::from(WIDTH));
        let its = cells.iter().filter(|cell| cell.panel == panel);
        Chart {
            label: name.clone(),
            height: if is_labeled { 64 } else { 48 } + 26 * y.values.len().max(2) as i32,
            x: if is_labeled { across } else { across.without_title() },
            y: Scale::points(&y.values, None, &y.label, f64::from(WIDTH)),
            grid: Grid::None,
            marks: its.map(|cell| mark(study, cell, range)).collect(),
        }
    };
    let ends = [range.0, range.1].map(|v| fixed(v, study.decimals));
    let key = Key {
        title: study.metric.title(),
        ends: (ends[0].clone(), ends[1].clone()),
        levels: (LEVELS.0, LEVELS.0 + LEVELS.1),
    };
    let drawing = Drawing::Panels(Panels {
        label: name.clone(),
        columns,
        charts: panels.iter().map(|panel| ((*panel).to_owned(), chart(panel))).collect(),
        key: (range.1 > range.0).then_some(key),
    });
    Some(Figure {
        id: "interaction".into(),
        title: capital(&name),
        drawing,
        how_to_read: format!(
            "Each cell is an arm's mean over seeds, from {} (pale) to {}{} (strong). Rows of the same pattern mean that the \
             axes act independently. Dashed cells have no value: ∞ diverged, ✗ failed, – not finished.",
            ends[0], ends[1], study.metric.unit
        ),
        legend: Vec::new(),
        table: table(study),
    })
}

/// The two axes of a panel: those with the most values, in the sweep's order.
fn axes(study: &Study) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..study.axes.len()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(study.axes[axis].values.len()));
    let (a, b) = (*order.first()?, *order.get(1)?);
    Some((a.min(b), a.max(b)))
}

/// The arms with their cells; an arm may have several places.
fn cells<'s, 'a>(study: &'s Study<'a>, across: usize, up: usize) -> Vec<Cell<'s, 'a>> {
    let at =
        |place: &[Option<String>], axis: usize| study.axes[axis].index(place[axis].as_deref()?);
    let panel = |place: &[Option<String>]| {
        let others = (0..study.axes.len()).filter(|&axis| axis != across && axis != up);
        let value = |axis: usize| {
            let value = place[axis].as_deref().unwrap_or("–");
            format!("{}={value}", study.axes[axis].label)
        };
        others.map(value).collect::<Vec<_>>().join(" ")
    };
    let of_arm = |arm: &'s Arm<'a>| {
        arm.places.iter().filter_map(move |place| {
            Some(Cell { panel: panel(place), x: at(place, across)?, y: at(place, up)?, arm })
        })
    };
    study.arms.iter().flat_map(of_arm).collect()
}

/// The least and the greatest mean; `None` without any.
fn range(cells: &[Cell]) -> Option<(f64, f64)> {
    let means = || cells.iter().filter_map(|cell| Some(cell.arm.sample?.mean));
    let least = means().reduce(f64::min)?;
    Some((least, means().reduce(f64::max)?))
}

fn mark(study: &Study, cell: &Cell, (least, most): (f64, f64)) -> Mark {
    let x = cell.x as f64;
    let y = cell.y as f64;
    let points = vec![(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)];
    let kind = match cell.arm.sample {
        Some(sample) => {
            let share = (sample.mean - least) / (most - least);
            let level = if most > least { LEVELS.0 + LEVELS.1 * share } else { 0.3 };
            Kind::Cell(level, fixed(sample.mean, study.decimals))
        }
        None => Kind::Missing(missing(cell.arm).to_owned()),
    };
    // All cells have the same color; its opacity shows the value.
    Mark { color: Some(0), shape: 0, ..super::of_arm(study, cell.arm, kind, points) }
}

/// Why an arm has no value, in a sign.
fn missing(arm: &Arm) -> &'static str {
    match () {
        () if arm.count(&[Status::Diverged]) > 0 => "∞",
        () if arm.count(&[Status::Failed]) > 0 => "✗",
        () => "–",
    }
}

fn table(study: &Study) -> Table {
    let names = study.axes.iter().map(|axis| axis.label.clone());
    let of_arm = |arm: &Arm| {
        let row = |place: &Vec<Option<String>>| {
            let values = place.iter().map(|value| value.clone().unwrap_or("–".into()));
            values.chain(interval_cells(study, arm)).collect()
        };
        arm.places.iter().map(row).collect::<Vec<Vec<String>>>()
    };
    Table {
        columns: names.chain(INTERVAL_COLUMNS.map(str::to_owned)).collect(),
        rows: study.arms.iter().flat_map(of_arm).collect(),
    }
}
