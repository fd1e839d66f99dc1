//! Figure: main effects in a grid. Shows what each axis value adds, averaged over the other axes.

use super::rows::{Row, rows_chart};
use super::{Figure, Table};
use crate::chart::{Kind, Mark, Scale};
use crate::design;
use crate::effects::{self, Level};
use crate::format::{fixed, signed};
use crate::study::Study;

/// Maximum number of rows.
const MOST: usize = 40;

/// Draws the figure; `None` without a complete grid of two axes or more.
pub fn figure(study: &Study) -> Option<Figure> {
    let values: usize = study.axes.iter().map(|axis| axis.values.len()).sum();
    if values > MOST {
        return None;
    }
    let effects = effects::of(study, &design::grid(study)?);
    let levels: Vec<(usize, &Level)> =
        effects.iter().flat_map(|e| e.levels.iter().map(|l| (e.axes[0], l))).collect();
    let ends = levels.iter().flat_map(|(_, level)| {
        let estimate = level.from_mean;
        estimate.interval().map_or(vec![estimate.value], |(low, high)| vec![low, high])
    });
    let unit = study.metric.difference_unit.trim();
    let title = if unit.is_empty() {
        "difference from the mean".into()
    } else {
        format!("difference from the mean ({unit})")
    };
    let x = Scale::linear(ends.chain([0.0]), &title);
    let rows = levels.iter().map(|level| row(study, level)).collect();
    Some(Figure {
        id: "main-effects".into(),
        title: "What each value adds".into(),
        drawing: rows_chart(rows, x, Some(0.0), "main effects of the axes".into()),
        how_to_read: "Symbols show how far the mean of all arms with that value lies from the mean of all arms, bars are \
                      95 % confidence intervals, their error pooled over the cells. Where axes interact (see the heat map \
                      and the table of effects), an average over the others hides that."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["axis and value", "marginal mean", "difference", "95 % CI", "n"].map(str::to_owned).to_vec(),
            rows: levels.iter().map(|level| cells(study, level)).collect(),
        },
    })
}

fn row(study: &Study, (axis, level): &(usize, &Level)) -> Row {
    let cells = cells(study, &(*axis, *level));
    let style = study.encoding.style_of_value(&study.axes, *axis, level.value);
    let mark = |kind, points| Mark {
        points,
        kind,
        color: style.color,
        shape: style.shape,
        title: format!("{}: {}, 95 % CI {}, n = {}", cells[0], cells[2], cells[3], cells[4]),
        ..Mark::default()
    };
    let estimate = level.from_mean;
    let mut marks = Vec::new();
    marks.extend(
        estimate.interval().map(|(low, high)| mark(Kind::Bar, vec![(low, 0.0), (high, 0.0)])),
    );
    marks.push(mark(Kind::Symbol, vec![(estimate.value, 0.0)]));
    Row { label: cells[0].clone(), marks }
}

fn cells(study: &Study, (axis, level): &(usize, &Level)) -> Vec<String> {
    let decimals = study.decimals + 1;
    let axis = &study.axes[*axis];
    let estimate = level.from_mean;
    let interval = |(low, high)| format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
    vec![
        format!("{}={}", axis.label, axis.values[level.value]),
        fixed(level.mean, decimals),
        signed(estimate.value, decimals),
        estimate.interval().map_or("–".into(), interval),
        estimate.seeds.to_string(),
    ]
}
