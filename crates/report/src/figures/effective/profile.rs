//! Figure: profiles of measured effective receptive fields by distance from the center.

use super::{Figure, Measured, Table, last, titled};
use crate::chart::{Chart, Grid, Kind, Scale};
use crate::format::fixed;
use crate::study::Arm;
use res2lab_store::effective::EffectiveNode;

/// Mean weight by distance from the center, with the Gaussian of the same width.
pub(super) fn profiles(shown: &[Measured]) -> Figure {
    let found: Vec<(&Arm, &EffectiveNode)> =
        shown.iter().filter_map(|m| Some((m.0, last(m.1, "trained")?))).collect();
    let reach = found.iter().map(|(_, node)| node.profile.len()).max().unwrap_or(1);
    let x = Scale::from_zero([reach as f64 - 1.0], "distance from the middle (px)");
    let y = Scale::linear([0.0, 1.0], "weight");
    let mut marks = Vec::new();
    for (arm, node) in &found {
        let gaussian =
            |d: usize| (-((d * d) as f64) / (2.0 * node.sigma_px().powi(2).max(1e-9))).exp();
        let mark = |kind, value: &dyn Fn(usize) -> f64, title: String| {
            titled(
                arm,
                kind,
                (0..node.profile.len()).map(|d| (d as f64, value(d))).collect(),
                title,
            )
        };
        marks.push(mark(
            Kind::Dashed,
            &gaussian,
            format!("{}: Gaussian of the same width", arm.label),
        ));
        marks.push(mark(Kind::Line, &|d| node.profile[d], arm.label.clone()));
    }
    let at =
        |node: &EffectiveNode, d: usize| node.profile.get(d).map_or("–".into(), |v| fixed(*v, 3));
    let steps: Vec<usize> = (0..=4).map(|i| i * (reach - 1) / 4).collect();
    Figure {
        id: "effective-profile".into(),
        title: "Effective field by distance".into(),
        drawing: Chart { label: "profile of effective receptive fields".into(), height: 220, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: "Lines are the mean weight of pixels at a distance from the middle, the greatest being 1, as trained; dashed \
                      lines are Gaussians of the same standard deviation, which many averages in a row would give."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: std::iter::once("arm".to_owned()).chain(steps.iter().map(|d| format!("{d} px"))).collect(),
            rows: found
                .iter()
                .map(|(arm, node)| std::iter::once(arm.label.clone()).chain(steps.iter().map(|d| at(node, *d))).collect())
                .collect(),
        },
    }
}
