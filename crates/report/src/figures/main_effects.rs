//! Main effects of a grid: what each value of each axis adds, the other axes averaged out.

use super::rows::{Row, rows_chart};
use super::{Figure, Table};
use crate::chart::{Kind, Mark, Scale};
use crate::effects::{self, Effect};
use crate::format::{fixed, signed};
use crate::stats::Sample;
use crate::study::{COLORS, Study};

/// More rows are not read.
const MOST: usize = 40;

/// The figure; None where there is no complete grid of several axes.
pub fn figure(study: &Study) -> Option<Figure> {
    let effects = effects::of(study);
    let values: usize = study.axes.iter().map(|axis| axis.values.len()).sum();
    if !effects.is_grid || study.axes.len() < 2 || values > MOST {
        return None;
    }
    let levels =
        |effect: &Effect| effect.levels.iter().map(|(value, s)| (effect.axes[0], *value, *s)).collect::<Vec<_>>();
    let levels: Vec<(usize, usize, Sample)> = effects.effects.iter().flat_map(levels).collect();
    let ends = levels.iter().flat_map(|(_, _, s)| s.interval().map_or(vec![s.mean], |(low, high)| vec![low, high]));
    let unit = study.metric.difference_unit.trim();
    let title =
        if unit.is_empty() { "difference from the mean".into() } else { format!("difference from the mean ({unit})") };
    let x = Scale::linear(ends.chain([0.0]), &title);
    let rows = levels.iter().map(|level| row(study, level)).collect();
    Some(Figure {
        id: "main-effects".into(),
        title: "What each value adds".into(),
        svg: rows_chart(rows, x, Some(0.0), "main effects of the axes".into()),
        how_to_read: "Symbols show how far the mean of all arms with that value lies from the mean of all arms, bars are \
                      95 % confidence intervals over seeds. Colours tell axes apart. Where axes interact (see the heat map \
                      and the table of effects), an average over the others hides that."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["axis and value", "difference", "95 % CI", "n"].map(str::to_owned).to_vec(),
            rows: levels.iter().map(|level| cells(study, level)).collect(),
        },
    })
}

fn row(study: &Study, level: &(usize, usize, Sample)) -> Row {
    let (axis, _, sample) = level;
    let cells = cells(study, level);
    let mark = |kind, points| Mark {
        points,
        kind,
        color: (*axis < COLORS).then_some(*axis),
        title: format!("{}: {}, 95 % CI {}, n = {}", cells[0], cells[1], cells[2], cells[3]),
        ..Mark::default()
    };
    let mut marks = Vec::new();
    marks.extend(sample.interval().map(|(low, high)| mark(Kind::Bar, vec![(low, 0.0), (high, 0.0)])));
    marks.push(mark(Kind::Symbol, vec![(sample.mean, 0.0)]));
    Row { label: cells[0].clone(), marks }
}

fn cells(study: &Study, (axis, value, sample): &(usize, usize, Sample)) -> Vec<String> {
    let decimals = study.decimals + 1;
    let axis = &study.axes[*axis];
    let interval = |(low, high)| format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
    vec![
        format!("{}={}", axis.label, axis.values[*value]),
        signed(sample.mean, decimals),
        sample.interval().map_or("–".into(), interval),
        sample.n.to_string(),
    ]
}
