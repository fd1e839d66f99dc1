//! Figure: the metric of every arm, one row each. Used for axes of names, named arms, or no axis.

use super::by_axis::fits;
use super::rows::{Row, chosen, cut, rows_chart};
use super::{Figure, INTERVAL_COLUMNS, Table, dot, interval_cells, of_arm};
use crate::chart::{Kind, Scale};
use crate::format::capital;
use crate::study::{Arm, Study};

/// Draws the figure; `None` if the figures by axis already show every arm.
pub fn figure(study: &Study) -> Option<Figure> {
    let covered = !study.axes.is_empty() && study.axes.iter().all(fits);
    let arms = chosen(study, |arm| arm.sample.is_some());
    if covered || arms.is_empty() {
        return None;
    }
    let x = Scale::linear(arms.iter().flat_map(|arm| ends(study, arm)), &study.metric.title());
    let rows = arms.iter().map(|arm| row(study, arm)).collect();
    let measured: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    let cut = cut(measured.len());
    Some(Figure {
        id: "arms".into(),
        title: format!("{} of each arm", capital(&study.metric.name)),
        drawing: rows_chart(rows, x, None, format!("{} of each arm", study.metric.name)),
        how_to_read: format!(
            "Symbols are means over seeds, bars their 95 % confidence intervals, small circles single seeds. \
             The axis does not start at zero.{cut}"
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["arm"].into_iter().chain(INTERVAL_COLUMNS).map(str::to_owned).collect(),
            rows: measured
                .iter()
                .map(|arm| [vec![arm.label.clone()], interval_cells(study, arm)].concat())
                .collect(),
        },
    })
}

fn ends(study: &Study, arm: &Arm) -> Vec<f64> {
    let mut found: Vec<f64> = arm.values.values().copied().collect();
    let interval = arm.sample.and_then(|s| s.interval()).map(|i| study.metric.possible(i));
    found.extend(interval.into_iter().flat_map(|(low, high)| [low, high]));
    found
}

fn row(study: &Study, arm: &Arm) -> Row {
    let mut marks = Vec::new();
    if let Some(sample) = arm.sample {
        if let Some(interval) = sample.interval() {
            let (low, high) = study.metric.possible(interval);
            marks.push(of_arm(study, arm, Kind::Bar, vec![(low, 0.0), (high, 0.0)]));
            marks.extend(arm.values.iter().map(|(seed, v)| dot(study, arm, *seed, *v, (*v, 0.0))));
        }
        marks.push(of_arm(study, arm, Kind::Symbol, vec![(sample.mean, 0.0)]));
    }
    Row { label: arm.label.clone(), marks }
}
