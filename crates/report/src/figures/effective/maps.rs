//! Figure: maps of measured effective receptive fields, one per stage of each arm.

use super::picture::png;
use super::{Figure, Measured, Table, stages};
use crate::chart::{Drawing, Key, WIDTH};
use crate::svg::{Svg, UNIT, color_class, shorten};
use res2lab_store::effective::{EffectiveNode, Thumbnail};

/// Maximum number of stages per arm.
const MOST_STAGES: usize = 4;

/// One row of maps per arm: its stages as trained, with the exact receptive field as a square.
pub(super) fn maps(shown: &[Measured], is_log: bool) -> Figure {
    const GAP: i32 = 8;
    const LABEL: i32 = 20;
    let columns = shown
        .iter()
        .map(|m| stages(m.1, "trained").len().min(MOST_STAGES))
        .max()
        .unwrap_or(1)
        .max(1) as i32;
    let side = ((WIDTH - GAP * (columns - 1)) / columns).min(140);
    let full = fullest(shown);
    let high = shown.len() as i32 * (side + 2 * LABEL + GAP);
    let mut svg = Svg::new(WIDTH, high + Key::HEIGHT);
    let mut rows = Vec::new();
    for (i, (arm, measured)) in shown.iter().enumerate() {
        let top = i as i32 * (side + 2 * LABEL + GAP);
        svg.open(&format!("mark {}", color_class(arm.color)), arm.id, &measured.trial, &arm.label);
        svg.text(
            &shorten(&arm.label, f64::from(WIDTH)),
            (0, (top + LABEL / 2) * UNIT),
            "start",
            "label",
        );
        let ends = stages(measured, "trained");
        let from = ends.len().saturating_sub(MOST_STAGES);
        for (j, node) in ends[from..].iter().enumerate() {
            let left = j as i32 * (side + GAP);
            let pixels = measured.image_px.max(1) as f64;
            svg.image(
                &png(&node.map, full[j] / share_of_one(&node.map), is_log),
                (left, top + LABEL),
                side,
            );
            square(&mut svg, node, pixels, (left, top + LABEL), side);
            let name =
                shorten(&format!("{}, {} px", node.node, measured.image_px), f64::from(side));
            let below = top + LABEL + side + LABEL / 2;
            svg.text(&name, ((left + side / 2) * UNIT, below * UNIT), "middle", "label");
        }
        svg.close();
        rows.push(vec![
            arm.label.clone(),
            ends[from..].iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join(", "),
        ]);
    }
    let (id, scale) =
        if is_log { ("log", "logarithmic, three decades") } else { ("linear", "linear") };
    let key = Key {
        title: "share of the column's greatest".into(),
        ends: (if is_log { "0.001" } else { "0" }.into(), "1".into()),
        levels: (0.0, 1.0),
    };
    key.draw(&mut svg, high);
    Figure {
        id: format!("effective-maps-{id}"),
        title: format!(
            "Effective fields as trained ({})",
            if is_log { "logarithmic" } else { "linear" }
        ),
        drawing: Drawing::Svg(svg.finish("maps of effective receptive fields")),
        how_to_read: format!(
            "A picture for each stage, left to right: each pixel's share of the gradient of the middle unit, {scale}. Each column has one \
             scale for all arms, so that a paler map is a wider one. The square is the exact field as far as it lies within the image."
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", "stages, left to right"].map(str::to_owned).to_vec(),
            rows,
        },
    }
}

/// For each column, the greatest share of a map's sum in one pixel, over all arms.
fn fullest(shown: &[Measured]) -> Vec<f64> {
    let mut full = vec![f64::MIN_POSITIVE; MOST_STAGES];
    for (_, measured) in shown {
        let ends = stages(measured, "trained");
        for (most, node) in full.iter_mut().zip(&ends[ends.len().saturating_sub(MOST_STAGES)..]) {
            let greatest = node.map.values.iter().copied().max().unwrap_or(0);
            *most = most.max(f64::from(greatest) * share_of_one(&node.map));
        }
    }
    full
}

/// The share of the map's sum per pixel that a stored value of one represents. The share does not
/// depend on the size of the map's cells.
fn share_of_one(map: &Thumbnail) -> f64 {
    let sum: f64 = map.values.iter().map(|v| f64::from(*v)).sum();
    1.0 / (sum.max(1.0) * (map.cell_px * map.cell_px).max(1) as f64)
}

/// Draws the exact receptive field around its center, clipped at the image's edges.
fn square(svg: &mut Svg, node: &EffectiveNode, image_px: f64, (left, top): (i32, i32), side: i32) {
    let reach = node.rf_max_px as f64 / 2.0;
    let at = |px: f64, from: i32| {
        ((f64::from(from) + px.clamp(0.0, image_px) / image_px * f64::from(side)) * f64::from(UNIT))
            as i32
    };
    let [x, y] = node.center_px.map(|c| c + 0.5);
    let x0 = at(x - reach, left);
    let x1 = at(x + reach, left);
    let y0 = at(y - reach, top);
    let y1 = at(y + reach, top);
    svg.path([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], true, "guide front");
}
