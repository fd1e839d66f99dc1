//! Charts with one row per arm: the label above, the values below on a common chart axis.

use crate::chart::{Chart, Drawing, Grid, Kind, Mark, Scale};
use crate::study::{Arm, Study};

/// Maximum number of rows; the baseline and the best arms are kept.
pub const MOST: usize = 16;

/// One row; its marks have no height yet.
pub struct Row {
    /// Text above the marks.
    pub label: String,
    /// Marks whose points have the value as first coordinate; the second is replaced by the row's
    /// height.
    pub marks: Vec<Mark>,
}

/// Draws rows from top to bottom; `reference` is a value marked in all rows.
pub fn rows_chart(rows: Vec<Row>, x: Scale, reference: Option<f64>, label: String) -> Drawing {
    let n = rows.len();
    let y = Scale::rows(n);
    let left = x.low + 0.01 * (x.high - x.low);
    let mut marks = Vec::new();
    marks.extend(reference.map(|at| {
        let points = vec![(at, y.low), (at, y.high)];
        Mark { points, kind: Kind::Guide, ..Mark::default() }
    }));
    for (i, row) in rows.into_iter().enumerate() {
        let height = |mark: &Mark| i as f64 + if mark.kind == Kind::Dot { 0.34 } else { 0.12 };
        let arm = row.marks.first().map(|m| m.arm.clone()).unwrap_or_default();
        let text = Mark {
            points: vec![(left, i as f64 - 0.24)],
            kind: Kind::Text(row.label.clone()),
            arm,
            ..Mark::default()
        };
        marks.push(Mark { title: row.label, ..text });
        marks.extend(row.marks.into_iter().map(|mut mark| {
            let height = height(&mark);
            mark.points.iter_mut().for_each(|point| point.1 = height);
            mark
        }));
    }
    Chart { label, height: 60 + 34 * n as i32, x, y, grid: Grid::Vertical, marks }.into()
}

/// The remark for charts that do not show all rows; empty if all are shown.
pub fn cut(all: usize) -> String {
    if all > MOST {
        format!(
            " Of {all} arms the {MOST} best are shown, the baseline among them; the table has all."
        )
    } else {
        String::new()
    }
}

/// At most [`MOST`] of the arms for which `wanted` holds: the baseline and the best, in the study's
/// order.
pub fn chosen<'s, 'a>(study: &'s Study<'a>, wanted: impl Fn(&Arm) -> bool) -> Vec<&'s Arm<'a>> {
    let sign = if study.metric.higher_is_better { -1.0 } else { 1.0 };
    let key = |i: &usize| study.arms[*i].sample.map_or(f64::INFINITY, |s| sign * s.mean);
    let mut order: Vec<usize> = (0..study.arms.len()).filter(|&i| wanted(&study.arms[i])).collect();
    if order.len() > MOST {
        order.sort_by(|a, b| key(a).total_cmp(&key(b)));
        order.sort_by_key(|&i| Some(i) != study.baseline);
        order.truncate(MOST);
        order.sort_unstable();
    }
    order.into_iter().map(|i| &study.arms[i]).collect()
}
