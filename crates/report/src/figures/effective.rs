//! Effective receptive fields, measured on trained networks: how wide they are, and what they look like.

use super::rows::{Row, cut, rows_chart};
use super::{Figure, Table, legend, titled};
use crate::chart::{Chart, Grid, Kind, Mark, Scale, WIDTH, draw};
use crate::format::{fixed, plural};
use crate::study::{Arm, Study};
use crate::svg::{Svg, UNIT, shorten};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use store::effective::{Effective, EffectiveArm, EffectiveNode, Thumbnail};

/// Arms that are shown, and stages of each.
const MOST: usize = 8;
const MOST_STAGES: usize = 4;
/// Logarithmic maps begin at this share of the greatest value.
const FLOOR: f64 = 1e-3;

/// An arm with its measurement.
type Measured<'s, 'a> = (&'s Arm<'a>, &'s EffectiveArm);

/// Widths, profiles and maps; nothing where nothing was measured.
pub fn figures(study: &Study) -> Vec<Figure> {
    let Some(effective) = &study.rows.effective else { return Vec::new() };
    let mut measured: Vec<Measured> = Vec::new();
    for arm in &study.arms {
        measured.extend(effective.arms.iter().find(|measured| measured.arm == arm.id).map(|found| (arm, found)));
    }
    if measured.is_empty() {
        return Vec::new();
    }
    let shown: Vec<Measured> = measured.iter().copied().filter(|(arm, _)| arm.color.is_some()).take(MOST).collect();
    let mut figures = vec![widths(study, effective, &measured), profiles(&shown)];
    figures.extend([true, false].map(|is_log| maps(&shown, is_log)));
    figures.extend(against_accuracy(study, &measured));
    figures.extend(shares(&measured));
    figures.extend(gallery(&shown));
    figures
}

/// The end of the last stage, in one state.
fn last<'m>(measured: &'m EffectiveArm, state: &str) -> Option<&'m EffectiveNode> {
    stages(measured, state).last().copied()
}

/// The ends of the stages; splits have a name with a number at its end.
fn stages<'m>(measured: &'m EffectiveArm, state: &str) -> Vec<&'m EffectiveNode> {
    let nodes = measured.states.iter().find(|s| s.state == state).map_or(&[][..], |s| &s.nodes);
    nodes.iter().filter(|node| !node.node.contains('.')).collect()
}

fn widths(study: &Study, effective: &Effective, measured: &[Measured]) -> Figure {
    let both = |m: &Measured| Some((last(m.1, "init")?.sigma_px(), last(m.1, "trained")?.sigma_px()));
    let shown: Vec<&Measured> = measured.iter().filter(|m| m.0.color.is_some() && both(m).is_some()).collect();
    let x = Scale::linear(
        shown.iter().filter_map(|m| both(m)).flat_map(|(a, b)| [a, b]).chain([0.0]),
        "standard deviation of the field (px)",
    );
    let row = |m: &&Measured| {
        let (init, trained) = both(m).unwrap_or_default();
        let mark = |kind, at: &[f64], what: &str| Mark {
            points: at.iter().map(|px| (*px, 0.0)).collect(),
            kind,
            color: m.0.color,
            arm: m.0.id.to_owned(),
            trial: m.1.trial.clone(),
            title: format!("{}, {what}: {} px", m.0.label, fixed(at.last().copied().unwrap_or(0.0), 1)),
        };
        let marks = vec![
            mark(Kind::Line, &[init, trained], "trained"),
            mark(Kind::Dot, &[init], "as initialised"),
            mark(Kind::Symbol, &[trained], "trained"),
        ];
        Row { label: m.0.label.clone(), marks }
    };
    let saturated = measured.iter().any(|m| last(m.1, "trained").is_some_and(|node| node.is_saturated));
    let images = plural(effective.images, "test image");
    let note = if saturated { " Exact fields larger than the image cut measured ones off." } else { "" };
    Figure {
        id: "effective-width".into(),
        title: "Effective receptive field of the last stage".into(),
        svg: rows_chart(shown.iter().map(row).collect(), x, None, "width of effective receptive fields by arm".into()),
        how_to_read: format!(
            "How far from its middle a unit looks: gradients of the last stage's middle unit over {images}, absolute values; \
             dots are the network as initialised, symbols as trained, one trial of each arm.{note}{}",
            cut(study.arms.len())
        ),
        legend: Vec::new(),
        table: Table {
            columns: [
                "arm",
                "stage",
                "exact max px",
                "sigma init px",
                "sigma trained px",
                "2 sigma size px",
                "50 % area",
                "saturated",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: measured.iter().flat_map(cells).collect(),
        },
    }
}

fn cells(m: &Measured) -> Vec<Vec<String>> {
    let (init, trained) = (stages(m.1, "init"), stages(m.1, "trained"));
    let row = |(before, after): (&&EffectiveNode, &&EffectiveNode)| {
        vec![
            m.0.label.clone(),
            after.node.clone(),
            after.rf_max_px.to_string(),
            fixed(before.sigma_px(), 1),
            fixed(after.sigma_px(), 1),
            fixed(after.size_px, 1),
            format!("{} %", fixed(100.0 * after.area_ratios[2], 1)),
            if after.is_saturated { "yes".into() } else { String::new() },
        ]
    };
    init.iter().zip(&trained).map(row).collect()
}

/// Mean weight by distance from the middle, with the Gaussian of the same width.
fn profiles(shown: &[Measured]) -> Figure {
    let found: Vec<(&Arm, &EffectiveNode)> = shown.iter().filter_map(|m| Some((m.0, last(m.1, "trained")?))).collect();
    let reach = found.iter().map(|(_, node)| node.profile.len()).max().unwrap_or(1);
    let x = Scale::from_zero([reach as f64 - 1.0], "distance from the middle (px)");
    let y = Scale::linear([0.0, 1.0], "weight");
    let mut marks = Vec::new();
    for (arm, node) in &found {
        let gaussian = |d: usize| (-((d * d) as f64) / (2.0 * node.sigma_px().powi(2).max(1e-9))).exp();
        let mark = |kind, value: &dyn Fn(usize) -> f64, title: String| {
            titled(arm, kind, (0..node.profile.len()).map(|d| (d as f64, value(d))).collect(), title)
        };
        marks.push(mark(Kind::Dashed, &gaussian, format!("{}: Gaussian of the same width", arm.label)));
        marks.push(mark(Kind::Line, &|d| node.profile[d], arm.label.clone()));
    }
    let at = |node: &EffectiveNode, d: usize| node.profile.get(d).map_or("–".into(), |v| fixed(*v, 3));
    let steps: Vec<usize> = (0..=4).map(|i| i * (reach - 1) / 4).collect();
    Figure {
        id: "effective-profile".into(),
        title: "Effective field by distance".into(),
        svg: draw(&Chart { label: "profile of effective receptive fields".into(), height: 260, x, y, grid: Grid::Horizontal, marks }),
        how_to_read: "Lines are the mean weight of pixels at a distance from the middle, the greatest being 1, as trained; dashed \
                      lines are Gaussians of the same standard deviation, which many averages in a row would give."
            .into(),
        legend: legend(found.iter().map(|(arm, _)| *arm)),
        table: Table {
            columns: std::iter::once("arm".to_owned()).chain(steps.iter().map(|d| format!("{d} px"))).collect(),
            rows: found
                .iter()
                .map(|(arm, node)| std::iter::once(arm.label.clone()).chain(steps.iter().map(|d| at(node, *d))).collect())
                .collect(),
        },
    }
}

/// A row of maps for each arm: its stages as trained, the exact field as a square.
fn maps(shown: &[Measured], is_log: bool) -> Figure {
    const GAP: i32 = 8;
    const LABEL: i32 = 20;
    let columns = shown.iter().map(|m| stages(m.1, "trained").len().min(MOST_STAGES)).max().unwrap_or(1).max(1) as i32;
    let side = ((WIDTH - GAP * (columns - 1)) / columns).min(140);
    let mut svg = Svg::new(WIDTH, shown.len() as i32 * (side + LABEL + GAP));
    let mut rows = Vec::new();
    for (i, (arm, measured)) in shown.iter().enumerate() {
        let top = i as i32 * (side + LABEL + GAP);
        let color = arm.color.map_or("muted".to_owned(), |c| format!("s{c}"));
        svg.open(&format!("mark {color}"), arm.id, &measured.trial, &arm.label);
        svg.text(&shorten(&arm.label, f64::from(WIDTH)), (0, (top + LABEL / 2) * UNIT), "start", "label");
        let ends = stages(measured, "trained");
        let from = ends.len().saturating_sub(MOST_STAGES);
        for (j, node) in ends[from..].iter().enumerate() {
            let left = j as i32 * (side + GAP);
            let pixels = measured.image_px.max(1) as f64;
            svg.image(&png(&node.map, is_log), (left, top + LABEL), side);
            square(&mut svg, node, pixels, (left, top + LABEL), side);
        }
        svg.close();
        rows.push(vec![arm.label.clone(), ends[from..].iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join(", ")]);
    }
    let (id, scale) = if is_log { ("log", "logarithmic, three decades") } else { ("linear", "linear") };
    Figure {
        id: format!("effective-maps-{id}"),
        title: format!("Effective fields as trained ({})", if is_log { "logarithmic" } else { "linear" }),
        svg: svg.finish("maps of effective receptive fields"),
        how_to_read: format!(
            "A picture for each stage, left to right: how much each pixel of the image moves the middle unit, {scale}, each map up \
             to its own greatest value. The square is the exact field as far as it lies within the image."
        ),
        legend: legend(shown.iter().map(|(arm, _)| *arm)),
        table: Table { columns: ["arm", "stages, left to right"].map(str::to_owned).to_vec(), rows },
    }
}

/// The exact field around its middle, cut at the image's edges.
fn square(svg: &mut Svg, node: &EffectiveNode, image_px: f64, (left, top): (i32, i32), side: i32) {
    let reach = node.rf_max_px as f64 / 2.0;
    let at = |px: f64, from: i32| {
        ((f64::from(from) + px.clamp(0.0, image_px) / image_px * f64::from(side)) * f64::from(UNIT)) as i32
    };
    let [x, y] = node.centre_px.map(|c| c + 0.5);
    let (x0, x1, y0, y1) = (at(x - reach, left), at(x + reach, left), at(y - reach, top), at(y + reach, top));
    svg.path([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], true, "guide front");
}

/// A map as the data of a picture: one colour, as opaque as the value is large, so that it goes with a dark page too.
fn png(map: &Thumbnail, is_log: bool) -> String {
    let level = |v: &u16| {
        let share = f64::from(*v) / f64::from(u16::MAX);
        let shown = if is_log { 1.0 - share.max(FLOOR).log10() / FLOOR.log10() } else { share };
        [0, 114, 178, (255.0 * shown).round() as u8]
    };
    let pixels: Vec<u8> = map.values.iter().flat_map(level).collect();
    encode(map, &pixels)
}

fn encode(map: &Thumbnail, rgba: &[u8]) -> String {
    let mut bytes = Vec::new();
    let height = map.values.len().checked_div(map.width).unwrap_or(0);
    let mut encoder = png::Encoder::new(&mut bytes, map.width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory fails for pictures without pixels only, which then are not there.
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(rgba));
    if written.is_ok() { BASE64_STANDARD.encode(&bytes) } else { String::new() }
}

/// Whether wider fields go with better networks.
fn against_accuracy(study: &Study, measured: &[Measured]) -> Option<Figure> {
    let point = |m: &Measured| Some((last(m.1, "trained")?.sigma_px(), m.0.sample?.mean));
    let found: Vec<(&Arm, f64, f64)> = measured.iter().filter_map(|m| point(m).map(|(x, y)| (m.0, x, y))).collect();
    if found.len() < 3 {
        return None;
    }
    let x = Scale::linear(found.iter().map(|f| f.1), "standard deviation of the field, as trained (px)");
    let y = Scale::linear(found.iter().map(|f| f.2), &study.metric.title());
    let marks = found.iter().map(|(arm, x, y)| super::of_arm(study, arm, Kind::Symbol, vec![(*x, *y)])).collect();
    let row = |(arm, x, y): &(&Arm, f64, f64)| vec![arm.label.clone(), fixed(*x, 2), fixed(*y, study.decimals + 1)];
    let name = format!("{} against the width of the effective field", study.metric.name);
    Some(Figure {
        id: "effective-accuracy".into(),
        title: crate::format::capital(&name),
        svg: draw(&Chart { label: name, height: 260, x, y, grid: Grid::Horizontal, marks }),
        how_to_read: "Each symbol is an arm: the width of one trial's field, the mean over its seeds. Arms that see more may also \
                      be larger; this is no proof of a cause."
            .into(),
        legend: legend(found.iter().map(|(arm, ..)| *arm)),
        table: Table { columns: vec!["arm".into(), "sigma px".into(), study.metric.name.clone()], rows: found.iter().map(row).collect() },
    })
}

/// Arms and images of the gallery: more are too small to see anything.
const GALLERY_ARMS: usize = 3;

/// The first test images, and beside each what every split of the last block sees in it: a figure for each arm.
fn gallery(shown: &[Measured]) -> Vec<Figure> {
    let has_splits = |m: &&Measured| m.1.gallery.iter().any(|picture| picture.splits.len() > 1);
    shown.iter().filter(has_splits).take(GALLERY_ARMS).enumerate().map(|(i, m)| of_gallery(i, *m)).collect()
}

fn of_gallery(i: usize, (arm, measured): Measured) -> Figure {
    const GAP: i32 = 4;
    const LABEL: i32 = 18;
    let pictures = &measured.gallery;
    let columns = 1 + pictures.iter().map(|p| p.splits.len()).max().unwrap_or(0) as i32;
    let side = ((WIDTH - GAP * (columns - 1)) / columns).min(90);
    let mut svg = Svg::new(WIDTH, pictures.len() as i32 * (side + LABEL + GAP));
    let mut rows = Vec::new();
    let said = |picture: &store::effective::Picture| {
        let (label, guess) = (picture.label, picture.guess);
        if label == guess { format!("class {label}, recognised") } else { format!("class {label}, taken for {guess}") }
    };
    for (row, picture) in pictures.iter().enumerate() {
        let top = row as i32 * (side + LABEL + GAP);
        svg.open("mark muted", arm.id, &measured.trial, &format!("test image {}", picture.index));
        let text = format!("test image {}: {}", picture.index, said(picture));
        svg.text(&shorten(&text, f64::from(WIDTH)), (0, (top + LABEL / 2) * UNIT), "start", "label");
        svg.image(&grey_png(&picture.image), (0, top + LABEL), side);
        for (j, split) in picture.splits.iter().enumerate() {
            let left = (j as i32 + 1) * (side + GAP);
            // The image shines through, so that places can be told.
            svg.image(&grey_png(&picture.image), (left, top + LABEL), side);
            svg.image(&png(&split.map, false), (left, top + LABEL), side);
        }
        svg.close();
        let greatest = picture.splits.iter().map(|s| fixed(s.max, 4)).collect::<Vec<_>>().join(", ");
        rows.push(vec![picture.index.to_string(), said(picture), greatest]);
    }
    Figure {
        id: format!("gallery-{i}"),
        title: format!("Which scale fired: {}", arm.label),
        svg: svg.finish("class activation maps of each split"),
        how_to_read: "The first test images, and beside each the splits of the last block in order: blue is where a split speaks for \
                      what the network takes the image for (Grad-CAM), each map up to its own greatest value, which the table \
                      has. A map without blue says that all its evidence speaks against it."
            .into(),
        legend: Vec::new(),
        table: Table { columns: ["test image", "what it is", "greatest evidence by split"].map(str::to_owned).to_vec(), rows },
    }
}

/// An image as the data of a picture, lightened so that a map stands out on it.
fn grey_png(image: &Thumbnail) -> String {
    let pixel = |v: &u16| [(*v >> 8) as u8; 3].into_iter().chain([110]);
    encode(image, &image.values.iter().flat_map(pixel).collect::<Vec<u8>>())
}

/// How much of the gradient flows through each split of the last block that has splits.
fn shares(measured: &[Measured]) -> Option<Figure> {
    let of_last = |m: &Measured| {
        let last = m.1.shares.last().map(|share| share.block.clone())?;
        Some((last.clone(), m.1.shares.iter().filter(|s| s.block == last).map(|s| s.share).collect::<Vec<f64>>()))
    };
    let found: Vec<(&Arm, String, Vec<f64>)> =
        measured.iter().filter_map(|m| of_last(m).map(|(block, shares)| (m.0, block, shares))).collect();
    let shown: Vec<&(&Arm, String, Vec<f64>)> =
        found.iter().filter(|(arm, ..)| arm.color.is_some()).take(MOST).collect();
    let most = shown.iter().map(|(.., shares)| shares.len()).max().filter(|n| *n > 1)?;
    let names: Vec<String> = (0..most).map(|i| i.to_string()).collect();
    let x = Scale::points(&names, None, "split", f64::from(WIDTH));
    let y =
        Scale::linear(shown.iter().flat_map(|(.., shares)| shares.iter().map(|s| 100.0 * s)).chain([0.0]), "share (%)");
    let mut marks = Vec::new();
    for (arm, block, shares) in &shown {
        let at = |i: usize| (i as f64, 100.0 * shares[i]);
        marks.push(titled(arm, Kind::Line, (0..shares.len()).map(at).collect(), arm.label.clone()));
        marks.extend((0..shares.len()).map(|i| {
            let title = format!("{}, {block}, split {i}: {} %", arm.label, fixed(100.0 * shares[i], 1));
            titled(arm, Kind::Symbol, vec![at(i)], title)
        }));
    }
    let row = |(arm, block, shares): &(&Arm, String, Vec<f64>)| {
        let mut cells = vec![arm.label.clone(), block.clone()];
        cells.extend((0..most).map(|i| shares.get(i).map_or("–".into(), |s| format!("{} %", fixed(100.0 * s, 1)))));
        cells
    };
    let columns = ["arm".to_owned(), "block".to_owned()].into_iter().chain(names.iter().map(|n| format!("split {n}")));
    Some(Figure {
        id: "split-shares".into(),
        title: "Which split the network leans on".into(),
        svg: draw(&Chart { label: "share of the gradient through each split".into(), height: 260, x, y, grid: Grid::Horizontal, marks }),
        how_to_read: "Of the gradient of the likeliest class's logit at the concatenation of the last block, the share of each split \
                      (squared norms add up to 100 %). The last split has passed no 3x3 of its own block, or a pool in a stage's \
                      first; the ones before have passed one more each, unless the block is a stage's first."
            .into(),
        legend: legend(shown.iter().map(|(arm, ..)| *arm)),
        table: Table { columns: columns.collect(), rows: found.iter().map(row).collect() },
    })
}
