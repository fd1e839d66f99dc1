//! Figure: exact receptive-field sizes of the paths to a layer, one row per network, beside the
//! image's size.

use super::rows::{MOST, Row, rows_chart};
use super::{Figure, Table};
use crate::chart::{Kind, Mark, Scale};
use crate::format::fixed;
use crate::network::Seen;

/// Draws the figure; `None` if all networks have the same sizes. `asked` names the analyzed layer:
/// `the last stage`.
pub fn figure(seen: &[Seen], asked: &str, weighting: &str) -> Option<Figure> {
    if seen.len() < 2 || seen.windows(2).all(|pair| pair[0].summary == pair[1].summary) {
        return None;
    }
    let shown = &seen[..seen.len().min(MOST)];
    let image = shown.iter().map(|r| r.network.image_px).max()? as f64;
    let ends = shown.iter().flat_map(|r| [r.summary.min_px as f64, r.summary.max_px as f64, image]);
    let x = Scale::linear(ends.chain([0.0]), "receptive field of a path (px)");
    Some(Figure {
        id: "receptive".into(),
        title: format!("Receptive field of a unit of {asked}"),
        drawing: rows_chart(
            shown.iter().map(row).collect(),
            x,
            Some(image),
            "receptive fields of paths".into(),
        ),
        how_to_read: format!(
            "Exact, from the graph: of all paths from the image to a unit of {asked}, symbols are the mean field, bars \
             hold 90 % of the paths, dashed lines all of them; {weighting}. The line is the image's width: what lies \
             beyond it lies in the padding. Effective fields, which training shapes, are smaller."
        ),
        legend: Vec::new(),
        table: Table {
            columns: [
                "network",
                "min px",
                "max px",
                "mean px",
                "sd px",
                "5 to 95 %",
                "within the image",
                "analytic sigma px",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: seen.iter().map(cells).collect(),
        },
    })
}

fn row(r: &Seen) -> Row {
    let s = &r.summary;
    let network = r.network;
    let mean = fixed(s.mean_px, 1);
    let sd = fixed(s.sd_px, 1);
    let title = format!(
        "{}: fields of {} to {} px, {mean} ± {sd} px on average",
        network.label, s.min_px, s.max_px
    );
    let mark = |kind, ends: &[f64]| Mark {
        points: ends.iter().map(|px| (*px, 0.0)).collect(),
        kind,
        color: network.color,
        shape: network.shape,
        arm: network.id.clone(),
        trial: String::new(),
        arms: String::new(),
        title: title.clone(),
    };
    let marks = vec![
        mark(Kind::Dashed, &[s.min_px as f64, s.max_px as f64]),
        mark(Kind::Bar, &[s.p05_px as f64, s.p95_px as f64]),
        mark(Kind::Symbol, &[s.mean_px]),
    ];
    Row { label: network.label.clone(), marks }
}

fn cells(r: &Seen) -> Vec<String> {
    let s = &r.summary;
    vec![
        r.network.label.clone(),
        s.min_px.to_string(),
        s.max_px.to_string(),
        fixed(s.mean_px, 1),
        fixed(s.sd_px, 1),
        format!("{} to {}", s.p05_px, s.p95_px),
        format!("{} %", fixed(100.0 * r.within, 1)),
        fixed(r.sigma_px, 1),
    ]
}
