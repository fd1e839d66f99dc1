//! Figures: class activation maps of each split for selected images.

use super::picture::{gray_png, png};
use super::{Figure, Measured, Table};
use crate::chart::{Drawing, WIDTH};
use crate::format::fixed;
use crate::svg::{Svg, UNIT, shorten};

/// Maximum numbers of arms and images; more would be too small to read.
const GALLERY_ARMS: usize = 3;

/// One figure per arm: the first test images, each beside the class activation maps of the splits
/// of the last block.
pub(super) fn gallery(shown: &[Measured]) -> Vec<Figure> {
    let has_splits = |m: &&Measured| m.1.gallery.iter().any(|picture| picture.splits.len() > 1);
    shown
        .iter()
        .filter(has_splits)
        .take(GALLERY_ARMS)
        .enumerate()
        .map(|(i, m)| of_gallery(i, *m))
        .collect()
}

fn of_gallery(i: usize, (arm, measured): Measured) -> Figure {
    const GAP: i32 = 4;
    const LABEL: i32 = 18;
    let pictures = &measured.gallery;
    let columns = 1 + pictures.iter().map(|p| p.splits.len()).max().unwrap_or(0) as i32;
    let side = ((WIDTH - GAP * (columns - 1)) / columns).min(90);
    let mut svg = Svg::new(WIDTH, pictures.len() as i32 * (side + LABEL + GAP));
    let mut rows = Vec::new();
    let said = |picture: &res2lab_store::effective::Picture| {
        let label = picture.label;
        let guess = picture.guess;
        if label == guess {
            format!("class {label}, correct")
        } else {
            format!("class {label}, predicted {guess}")
        }
    };
    for (row, picture) in pictures.iter().enumerate() {
        let top = row as i32 * (side + LABEL + GAP);
        svg.open("mark muted", arm.id, &measured.trial, &format!("test image {}", picture.index));
        let text = format!("test image {}: {}", picture.index, said(picture));
        svg.text(
            &shorten(&text, f64::from(WIDTH)),
            (0, (top + LABEL / 2) * UNIT),
            "start",
            "label",
        );
        svg.image(&gray_png(&picture.image), (0, top + LABEL), side);
        for (j, split) in picture.splits.iter().enumerate() {
            let left = (j as i32 + 1) * (side + GAP);
            // The image is drawn below the translucent map, so that positions can be identified.
            svg.image(&gray_png(&picture.image), (left, top + LABEL), side);
            svg.image(&png(&split.map, f64::from(u16::MAX), false), (left, top + LABEL), side);
        }
        svg.close();
        let greatest =
            picture.splits.iter().map(|s| fixed(s.max, 4)).collect::<Vec<_>>().join(", ");
        rows.push(vec![picture.index.to_string(), said(picture), greatest]);
    }
    Figure {
        id: format!("gallery-{i}"),
        title: format!("Class activation by split: {}", arm.label),
        drawing: Drawing::Svg(svg.finish("class activation maps of each split")),
        how_to_read: "The first test images, and beside each the splits of the last block in order: blue is where a split adds to \
                      what the network takes the image for (Grad-CAM), each map up to its own greatest value, which the table \
                      has. A map without blue has only evidence against the class."
            .into(),
        legend: Vec::new(),
        table: Table { columns: ["test image", "what it is", "greatest evidence by split"].map(str::to_owned).to_vec(), rows },
    }
}
