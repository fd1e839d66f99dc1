//! Each arm against the baseline: the mean paired difference with its interval, the single seeds' differences as dots.

use super::rows::{Row, chosen, cut, rows_chart};
use super::{Figure, Table, titled};
use crate::chart::{Kind, Scale};
use crate::format::{fixed, p_cell, signed};
use crate::stats::bootstrap;
use crate::study::{Arm, Study};
use crate::verdict::{difference, evidence};

/// The figure; None where nothing could be tested.
pub fn figure(study: &Study) -> Option<Figure> {
    let baseline = study.baseline()?;
    let arms = chosen(study, |arm| arm.p_holm().is_some());
    if arms.is_empty() {
        return None;
    }
    let interval = |arm: &&Arm| arm.against.and_then(|c| c.paired.interval);
    let ends = arms.iter().filter_map(interval).flat_map(|(low, high)| [low, high]);
    let dots = arms.iter().flat_map(|arm| differences(arm, baseline)).map(|(_, difference)| difference);
    let unit = study.metric.difference_unit.trim();
    let title = if unit.is_empty() {
        format!("difference in {}", study.metric.name)
    } else {
        format!("difference in {} ({unit})", study.metric.name)
    };
    let x = Scale::linear(ends.chain(dots).chain([0.0]), &title);
    let rows = arms.iter().map(|arm| row(study, arm, baseline)).collect();
    let tested = study.arms.iter().filter(|arm| arm.p_holm().is_some());
    Some(Figure {
        id: "differences".into(),
        title: format!("Difference from {}", baseline.label),
        svg: rows_chart(rows, x, Some(0.0), format!("difference of each arm from {}", baseline.label)),
        how_to_read: format!(
            "Symbols are mean differences over the seeds that both arms have, bars their 95 % confidence \
                      intervals, small dots the single seeds' differences. A bar that crosses the line at zero shows no \
                      difference; intervals are not widened for the number of arms, p-values are corrected for it.{}",
            cut(study.tested())
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", "difference", "95 % CI", "n", "p (Holm)", "95 % CI (bootstrap)"]
                .map(str::to_owned)
                .to_vec(),
            rows: tested.map(|arm| cells(study, arm, baseline)).collect(),
        },
    })
}

fn differences<'b>(arm: &'b Arm, baseline: &'b Arm) -> impl Iterator<Item = (u64, f64)> + 'b {
    arm.values.iter().filter_map(|(seed, v)| Some((*seed, v - baseline.values.get(seed)?)))
}

fn row(study: &Study, arm: &Arm, baseline: &Arm) -> Row {
    let decimals = study.difference_decimals;
    let unit = study.metric.difference_unit;
    let mark = |kind, points, title| titled(arm, kind, points, title);
    let mut marks = Vec::new();
    if let Some(paired) = arm.against.map(|c| c.paired) {
        let title = format!("{}: {}, {}", arm.label, difference(study, arm), evidence(study, arm));
        marks.extend(paired.interval.map(|(low, high)| mark(Kind::Bar, vec![(low, 0.0), (high, 0.0)], title.clone())));
        marks.extend(differences(arm, baseline).map(|(seed, difference)| {
            let text = format!("{}, seed {seed}: {}{unit}", arm.label, signed(difference, decimals));
            mark(Kind::Dot, vec![(difference, 0.0)], text)
        }));
        marks.push(mark(Kind::Symbol, vec![(paired.difference.mean, 0.0)], title));
    }
    Row { label: arm.label.clone(), marks }
}

fn cells(study: &Study, arm: &Arm, baseline: &Arm) -> Vec<String> {
    let decimals = study.difference_decimals;
    let interval = |(low, high)| format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
    let paired = arm.against.map(|c| c.paired);
    // From five seeds on, an interval that assumes no distribution stands beside Student's.
    let resampled = bootstrap(&differences(arm, baseline).map(|(_, difference)| difference).collect::<Vec<_>>());
    vec![
        arm.label.clone(),
        paired.map_or("–".into(), |p| signed(p.difference.mean, decimals)),
        paired.and_then(|p| p.interval).map_or("–".into(), interval),
        paired.map_or(0, |p| p.difference.n).to_string(),
        arm.p_holm().map_or("–".into(), p_cell),
        resampled.map_or("–".into(), interval),
    ]
}
