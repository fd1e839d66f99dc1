//! Figure: measured gradient shares of the splits.

use super::{Figure, MOST, Measured, Table, titled};
use crate::chart::{Chart, Grid, Kind, Scale, WIDTH};
use crate::format::fixed;
use crate::study::Arm;

/// The share of the gradient through each split of the last block that has splits.
pub(super) fn shares(measured: &[Measured]) -> Option<Figure> {
    let of_last = |m: &Measured| {
        let last = m.1.shares.last().map(|share| share.block.clone())?;
        Some((
            last.clone(),
            m.1.shares.iter().filter(|s| s.block == last).map(|s| s.share).collect::<Vec<f64>>(),
        ))
    };
    let found: Vec<(&Arm, String, Vec<f64>)> = measured
        .iter()
        .filter_map(|m| of_last(m).map(|(block, shares)| (m.0, block, shares)))
        .collect();
    let shown: Vec<&(&Arm, String, Vec<f64>)> =
        found.iter().filter(|(arm, ..)| arm.is_lead).take(MOST).collect();
    let most = shown.iter().map(|(.., shares)| shares.len()).max().filter(|n| *n > 1)?;
    let names: Vec<String> = (0..most).map(|i| i.to_string()).collect();
    let x = Scale::points(&names, None, "split", f64::from(WIDTH));
    let y = Scale::linear(
        shown.iter().flat_map(|(.., shares)| shares.iter().map(|s| 100.0 * s)).chain([0.0]),
        "share (%)",
    );
    let mut marks = Vec::new();
    for (arm, block, shares) in &shown {
        let at = |i: usize| (i as f64, 100.0 * shares[i]);
        marks.push(titled(arm, Kind::Line, (0..shares.len()).map(at).collect(), arm.label.clone()));
        marks.extend((0..shares.len()).map(|i| {
            let title =
                format!("{}, {block}, split {i}: {} %", arm.label, fixed(100.0 * shares[i], 1));
            titled(arm, Kind::Symbol, vec![at(i)], title)
        }));
    }
    let row =
        |(arm, block, shares): &(&Arm, String, Vec<f64>)| {
            let mut cells = vec![arm.label.clone(), block.clone()];
            cells.extend((0..most).map(|i| {
                shares.get(i).map_or("–".into(), |s| format!("{} %", fixed(100.0 * s, 1)))
            }));
            cells
        };
    let columns = ["arm".to_owned(), "block".to_owned()]
        .into_iter()
        .chain(names.iter().map(|n| format!("split {n}")));
    Some(Figure {
        id: "split-shares".into(),
        title: "Share of the gradient through each split".into(),
        drawing: Chart { label: "share of the gradient through each split".into(), height: 220, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: "Of the gradient of the likeliest class's logit at the concatenation of the last block, the share of each split \
                      (squared norms add up to 100 %). The last split has passed no 3x3 of its own block, or a pool in a stage's \
                      first; the ones before have passed one more each, unless the block is a stage's first."
            .into(),
        legend: Vec::new(),
        table: Table { columns: columns.collect(), rows: found.iter().map(row).collect() },
    })
}
