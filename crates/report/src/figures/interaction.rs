//! Figure: a heat map of means over two axes.

use super::{Figure, Table, value_cells};
use crate::chart::{Chart, Grid, Kind, Mark, Scale, WIDTH, draw};
use crate::format::{capital, fixed};
use crate::study::{Arm, Study};
use crate::svg::text_width;

/// Draws the figure; `None` unless there are exactly two axes whose values have room.
pub fn figure(study: &Study) -> Option<Figure> {
    let [first, second] = &study.axes[..] else { return None };
    let cells = cells(study);
    let has_room = |n: usize, each: f64| n as f64 * each <= f64::from(WIDTH) - 90.0;
    let widest =
        first.values.iter().map(|v| text_width(v)).fold(text_width("97.00") + 6.0, f64::max);
    // One row or column is no map, and arms of several bases would share cells.
    let is_map =
        cells.len() > 2 && study.arms.iter().all(|arm| arm.variant == study.arms[0].variant);
    if !is_map || !has_room(first.values.len(), widest) || second.values.len() > 16 {
        return None;
    }
    let means = || cells.iter().filter_map(|(_, _, arm)| Some(arm.sample?.mean));
    let least = means().fold(f64::INFINITY, f64::min);
    let most = means().fold(f64::NEG_INFINITY, f64::max);
    let level =
        |mean: f64| if most > least { 0.06 + 0.5 * (mean - least) / (most - least) } else { 0.3 };
    let mark = |(x, y, arm): &(usize, usize, &Arm)| {
        let x = *x as f64;
        let y = *y as f64;
        let mean = arm.sample?.mean;
        let points = vec![(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)];
        let kind = Kind::Cell(level(mean), fixed(mean, study.decimals));
        // All cells have the same color; its opacity shows the value.
        Some(Mark { color: Some(0), ..super::of_arm(study, arm, kind, points) })
    };
    let marks = cells.iter().filter_map(mark).collect();
    let x = Scale::points(&first.values, None, &first.label, f64::from(WIDTH));
    let y = Scale::points(&second.values, None, &second.label, f64::from(WIDTH));
    let name = format!("{} by {} and {}", study.metric.name, first.label, second.label);
    let height = 60 + 30 * second.values.len().max(3) as i32;
    Some(Figure {
        id: "interaction".into(),
        title: capital(&name),
        svg: draw(&Chart { label: name, height, x, y, grid: Grid::None, marks }),
        how_to_read: "Each cell is an arm's mean over seeds; a stronger color is a higher \
                      value. Rows of the same pattern mean that the axes act independently."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: [&first.label, &second.label, "mean", "std", "n"].map(str::to_owned).to_vec(),
            rows: cells
                .iter()
                .map(|(x, y, arm)| {
                    let place = vec![first.values[*x].clone(), second.values[*y].clone()];
                    [place, value_cells(study, arm)].concat()
                })
                .collect(),
        },
    })
}

/// The arms that have a value, with their cells.
fn cells<'s, 'a>(study: &'s Study<'a>) -> Vec<(usize, usize, &'s Arm<'a>)> {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some());
    let at =
        |place: &[Option<String>], axis: usize| study.axes[axis].index(place[axis].as_deref()?);
    measured
        .flat_map(|arm| {
            arm.places.iter().filter_map(move |place| Some((at(place, 0)?, at(place, 1)?, arm)))
        })
        .collect()
}
