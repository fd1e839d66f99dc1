//! Figure: the metric against the width of the effective receptive field, one point per measured
//! trial.

use super::{Figure, Table};
use crate::chart::{Chart, Grid, Mark, Scale};
use crate::figures::dot;
use crate::format::{capital, fixed};
use crate::stats::pearson;
use crate::study::{Arm, Study};
use res2lab_store::effective::Effective;

/// A trial: its arm, seed, ERF width and metric.
type Point<'s, 'a> = (&'s Arm<'a>, u64, f64, f64);

/// Draws the figure; `None` for fewer than three trials.
pub(super) fn against_accuracy(study: &Study, effective: &Effective) -> Option<Figure> {
    let found = points(study, effective);
    if found.len() < 3 {
        return None;
    }
    let x = Scale::linear(
        found.iter().map(|f| f.2),
        "standard deviation of the field, as trained (px)",
    );
    let y = Scale::linear(found.iter().map(|f| f.3), &study.metric.title());
    let marks: Vec<Mark> = found
        .iter()
        .map(|(arm, seed, sigma, value)| dot(study, arm, *seed, *value, (*sigma, *value)))
        .collect();
    let row = |(arm, seed, sigma, value): &Point| {
        vec![
            arm.label.clone(),
            seed.to_string(),
            fixed(*sigma, 2),
            fixed(*value, study.decimals + 1),
        ]
    };
    let name = format!("{} against the width of the effective field", study.metric.name);
    let columns = ["arm", "seed", "sigma px", &study.metric.name].map(str::to_owned).to_vec();
    let mut arms: Vec<&Arm> = Vec::new();
    for (arm, ..) in &found {
        if arms.last().is_none_or(|last| last.id != arm.id) {
            arms.push(arm);
        }
    }
    Some(Figure {
        id: "effective-accuracy".into(),
        title: capital(&name),
        drawing: Chart { label: name, height: 220, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: format!(
            "Each dot is a trial: the width of the last stage's field, and what it reached. {} Arms with wider fields may also be \
             larger; a correlation is no cause.",
            correlation(&found)
        ),
        legend: Vec::new(),
        table: Table { columns, rows: found.iter().map(row).collect() },
    })
}

/// The measured trials in the order of arms. Files of older measurements know one trial per arm.
fn points<'s, 'a>(study: &'s Study<'a>, effective: &Effective) -> Vec<Point<'s, 'a>> {
    let of_arm = |arm: &'s Arm<'a>| {
        let mut widths: Vec<(u64, f64)> = effective
            .trials
            .iter()
            .filter(|t| t.arm == arm.id)
            .map(|t| (t.seed, t.sigma_px))
            .collect();
        if widths.is_empty() {
            let one = effective.arms.iter().find(|measured| measured.arm == arm.id);
            widths.extend(
                one.and_then(|one| Some((one.seed, super::last(one, "trained")?.sigma_px()))),
            );
        }
        let point = |(seed, sigma): (u64, f64)| Some((arm, seed, sigma, *arm.values.get(&seed)?));
        widths.into_iter().filter_map(point).collect::<Vec<_>>()
    };
    study.arms.iter().flat_map(of_arm).collect()
}

fn correlation(found: &[Point]) -> String {
    let pairs: Vec<(f64, f64)> = found.iter().map(|f| (f.2, f.3)).collect();
    let n = pairs.len();
    match pearson(&pairs) {
        Some((r, Some((low, high)))) => format!(
            "Pearson's r is {} over {n} trials, 95 % interval {} to {}; trials of one arm are alike, so that it is narrower than \
             so many different networks would give.",
            fixed(r, 2),
            fixed(low, 2),
            fixed(high, 2)
        ),
        Some((r, None)) => {
            format!("Pearson's r is {} over {n} trials, too few for an interval.", fixed(r, 2))
        }
        None => "No correlation can be told: all are alike.".to_owned(),
    }
}
