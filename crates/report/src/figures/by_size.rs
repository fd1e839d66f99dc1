//! Figure: accuracy by object size, one line per arm.

use super::{Figure, Table, titled};
use crate::chart::{Chart, Grid, Kind, Scale, WIDTH};
use crate::format::{fixed, p_cell, signed};
use crate::sizes::{self, Cell, Group};
use crate::study::{Arm, Study};

/// Draws the figure; `None` if object sizes are unknown.
pub fn figure(study: &Study) -> Option<Figure> {
    let cells = sizes::of(study);
    let mut groups: Vec<Group> = cells.iter().map(|cell| cell.group.clone()).collect();
    groups.sort();
    groups.dedup();
    if groups.len() < 2 {
        return None;
    }
    let at = |cell: &Cell| groups.iter().position(|group| *group == cell.group).unwrap_or(0) as f64;
    let interval = |cell: &Cell| cell.sample.interval().map(|i| study.metric.possible(i));
    let shown: Vec<&Cell> = cells.iter().filter(|cell| cell.arm.is_lead).collect();
    let ends = shown
        .iter()
        .flat_map(|cell| interval(cell).map_or([cell.sample.mean; 2], |(low, high)| [low, high]));
    let y = Scale::linear(ends, "top-1 accuracy (%)");
    let names: Vec<String> = groups.iter().map(Group::label).collect();
    let x = Scale::points(&names, None, "object's share of the image's side", f64::from(WIDTH));
    let mut arms: Vec<&Arm> = shown.iter().map(|cell| cell.arm).collect();
    arms.dedup_by_key(|arm| arm.id);
    let mut marks = Vec::new();
    for (i, arm) in arms.iter().enumerate() {
        // Lines are set apart, by 3 % of the axis in all, so that intervals can be told apart.
        let beside = (i as f64 - (arms.len() as f64 - 1.0) / 2.0) * 0.03 * groups.len() as f64
            / arms.len() as f64;
        let of_arm: Vec<&&Cell> = shown.iter().filter(|cell| cell.arm.id == arm.id).collect();
        marks.push(titled(
            arm,
            Kind::Line,
            of_arm.iter().map(|c| (at(c) + beside, c.sample.mean)).collect(),
            arm.label.clone(),
        ));
        for cell in of_arm {
            let x = at(cell) + beside;
            let mean = cell.sample.mean;
            let title = format!(
                "{}, objects of {}: {} %",
                arm.label,
                cell.group.label(),
                fixed(mean, study.decimals)
            );
            if let Some((low, high)) = interval(cell) {
                marks.push(titled(arm, Kind::Bar, vec![(x, low), (x, high)], title.clone()));
            }
            marks.push(titled(arm, Kind::Symbol, vec![(x, mean)], title));
        }
    }
    Some(Figure {
        id: "by-size".into(),
        title: "Accuracy by the size of the object".into(),
        drawing: Chart { label: "accuracy by object size".into(), height: 230, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: "Test images in groups by how large their object is; symbols are means over seeds, bars their 95 % \
                      confidence intervals. Differences from the baseline and their p-values, corrected over all arms and sizes, are in the \
                      table."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", "object size", "mean", "std", "n", "vs baseline", "p (Holm)"].map(str::to_owned).to_vec(),
            rows: cells.iter().map(|cell| row(study, cell)).collect(),
        },
    })
}

fn row(study: &Study, cell: &Cell) -> Vec<String> {
    let decimals = study.decimals + 1;
    vec![
        cell.arm.label.clone(),
        cell.group.label(),
        fixed(cell.sample.mean, decimals),
        cell.sample.std.map_or("–".into(), |s| fixed(s, decimals)),
        cell.sample.n.to_string(),
        cell.against.map_or("–".into(), |p| signed(p.difference.mean, decimals)),
        cell.p_holm.map_or("–".into(), p_cell),
    ]
}
