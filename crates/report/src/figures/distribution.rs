//! Figure: how the arms of a large population distribute over the metric, one line for each value
//! of the colored axis. Populations are compared by their whole distribution, not by their best.

use super::{Figure, Table};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::encoding::{Encoding, Style};
use crate::format::{capital, fixed};
use crate::study::{Arm, Study};

/// Fewer arms are compared one by one.
const LEAST: usize = 30;

/// The arms of one line: a name, their style and their errors in ascending order.
struct Line {
    name: String,
    style: Style,
    arms: String,
    values: Vec<f64>,
}

/// Draws the figure; `None` for [`LEAST`] arms or fewer.
pub fn figure(study: &Study) -> Option<Figure> {
    let arms: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    if arms.len() <= LEAST {
        return None;
    }
    let is_percent = study.metric.unit == " %" && study.metric.higher_is_better;
    let value = |arm: &Arm| {
        let mean = arm.sample.map_or(f64::NAN, |s| s.mean);
        if is_percent { 100.0 - mean } else { mean }
    };
    let what = if is_percent { "error (%)".to_owned() } else { study.metric.title() };
    let lines = lines(study, &arms, value);
    let x = Scale::linear(lines.iter().flat_map(|line| line.values.iter().copied()), &what);
    let y = Scale::from_zero([100.0], "arms at or below (%)");
    let marks = lines.iter().map(mark).collect();
    let quantile = |line: &Line, share: f64| {
        let at = (share * (line.values.len() - 1) as f64).round() as usize;
        fixed(line.values[at], study.decimals + 1)
    };
    let row = |line: &Line| {
        let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| quantile(line, share));
        let start = [line.name.clone(), line.values.len().to_string()];
        start.into_iter().chain(quantiles).collect()
    };
    let short = what.split(" (").next().unwrap_or_default();
    let name = format!("distribution of the {short} over the arms");
    Some(Figure {
        id: "distribution".into(),
        title: capital(&name),
        drawing: Chart { label: name, height: 230, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: "Each line is the share of the arms whose mean is at or below the value; a line further to the left and \
                      above is the better population."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["arms with", "n", "min", "25 %", "median", "75 %", "max"]
                .map(str::to_owned)
                .to_vec(),
            rows: lines.iter().map(row).collect(),
        },
    })
}

/// A line for each value of the colored axis; one for all arms without such an axis.
fn lines(study: &Study, arms: &[&Arm], value: impl Fn(&Arm) -> f64) -> Vec<Line> {
    let line = |name: String, style: Style, its: Vec<&&Arm>| {
        let mut values: Vec<f64> = its.iter().map(|arm| value(arm)).collect();
        values.sort_by(f64::total_cmp);
        let arms = its.iter().map(|arm| arm.id).collect::<Vec<_>>().join(" ");
        Line { name, style, arms, values }
    };
    let Encoding::Axes { color, .. } = study.encoding else {
        return vec![line("all".into(), Style::default(), arms.iter().collect())];
    };
    let axis = &study.axes[color];
    let of_value = |at: usize| {
        let has = |arm: &&&Arm| arm.places[0][color].as_deref() == Some(&axis.values[at][..]);
        let name = format!("{}={}", axis.label, axis.values[at]);
        let style = study.encoding.style_of_value(&study.axes, color, at);
        line(name, style, arms.iter().filter(has).collect())
    };
    (0..axis.values.len()).map(of_value).filter(|line| !line.values.is_empty()).collect()
}

/// The steps of an empirical distribution.
fn mark(line: &Line) -> Mark {
    let n = line.values.len() as f64;
    let steps = line.values.iter().enumerate().flat_map(|(i, &value)| {
        [(value, 100.0 * i as f64 / n), (value, 100.0 * (i + 1) as f64 / n)]
    });
    Mark {
        points: steps.collect(),
        kind: Kind::Line,
        color: line.style.color,
        shape: line.style.shape,
        arms: line.arms.clone(),
        title: format!("{}: {} arms", line.name, line.values.len()),
        ..Mark::default()
    }
}
