//! Figure: width of the effective receptive field during training, from weights kept on the way.

use super::{Figure, Measured, Table, titled};
use crate::chart::{Chart, Grid, Kind, Scale};
use crate::format::fixed;
use res2lab_store::layout::MOST_KEPT_BYTES;

/// Draws the figure; `None` if no shown arm has kept weights.
pub(super) fn growth(shown: &[Measured]) -> Option<Figure> {
    let found: Vec<&Measured> = shown.iter().filter(|m| m.1.growth.len() > 1).collect();
    let last = found.iter().flat_map(|m| &m.1.growth).map(|g| g.epoch).fold(f64::NAN, f64::max);
    if last.is_nan() {
        return None;
    }
    // On this logarithmic axis, epochs 0, 1, 2, 4, 8, ... are about evenly spaced.
    let at = |epoch: f64| (1.0 + epoch).log2();
    let mut x = Scale::linear([0.0, at(last)], "epoch (logarithmic)");
    let doubled = std::iter::successors(Some(1.0), |epoch| Some(2.0 * epoch))
        .take_while(|epoch| *epoch <= last);
    let mut epochs: Vec<f64> = std::iter::once(0.0).chain(doubled).collect();
    if epochs.last() != Some(&last) {
        epochs.push(last);
    }
    x.ticks = epochs.into_iter().map(|epoch| (at(epoch), fixed(epoch, 0))).collect();
    let sigmas = found.iter().flat_map(|m| &m.1.growth).map(|g| g.sigma_px);
    let y = Scale::linear(sigmas, "standard deviation (px)");
    let mut marks = Vec::new();
    for (arm, measured) in &found {
        let points: Vec<(f64, f64)> =
            measured.growth.iter().map(|g| (at(g.epoch), g.sigma_px)).collect();
        marks.push(titled(arm, Kind::Line, points.clone(), arm.label.clone()));
        marks.extend(measured.growth.iter().zip(points).map(|(g, point)| {
            let said =
                format!("{}, epoch {}: {} px", arm.label, fixed(g.epoch, 0), fixed(g.sigma_px, 2));
            titled(arm, Kind::Symbol, vec![point], said)
        }));
    }
    let row = |(arm, measured): &&Measured| {
        let one = |g: &res2lab_store::effective::EffectiveEpoch| {
            vec![arm.label.clone(), fixed(g.epoch, 0), fixed(g.sigma_px, 2)]
        };
        measured.growth.iter().map(one).collect::<Vec<_>>()
    };
    let label = "width of the effective field over training".to_owned();
    Some(Figure {
        id: "effective-growth".into(),
        title: "Growth of the effective field over training".into(),
        drawing: Chart { label, height: 220, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: format!(
            "The width of the last stage's field, one trial of each arm: epoch 0 is the network as initialized, the last symbol its \
             best weights, at the epoch after which they were best. {}",
            kept()
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", "epoch", "sigma px"].map(str::to_owned).to_vec(),
            rows: found.iter().flat_map(row).collect(),
        },
    })
}

/// The remark on which weights are kept during training.
pub(super) fn kept() -> String {
    let mib = MOST_KEPT_BYTES >> 20;
    format!(
        "Weights are kept after epochs 1, 2, 4, 8, ... of networks whose weights take at most {mib} MiB."
    )
}
