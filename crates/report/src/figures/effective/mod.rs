//! Figures of effective receptive fields measured on trained networks: widths and maps.
//!
//! Reading order:
//! - here: widths at the last stage, as initialized and as trained
//! - [`profile`] and [`maps`]: weight by distance, and maps
//! - [`growth`]: widths during training
//! - [`accuracy`]: the metric against the width
//! - [`shares`] and [`gallery`]: gradient share per split, and class activation maps per split
//! - [`picture`]: PNG encoding of maps

mod accuracy;
mod gallery;
mod growth;
mod maps;
mod picture;
mod profile;
mod shares;

use super::rows::{Row, cut, rows_chart};
use super::{Figure, Table, titled};
use crate::chart::{Kind, Mark, Scale};
use crate::format::{fixed, plural};
use crate::study::{Arm, Study};
use res2lab_store::effective::{Effective, EffectiveArm, EffectiveNode};

/// Maximum number of arms.
const MOST: usize = 8;

/// An arm with its measurement.
type Measured<'s, 'a> = (&'s Arm<'a>, &'s EffectiveArm);

/// All figures of effective receptive fields; empty without a measurement.
pub fn figures(study: &Study) -> Vec<Figure> {
    let Some(effective) = &study.rows.effective else { return Vec::new() };
    let mut measured: Vec<Measured> = Vec::new();
    for arm in &study.arms {
        measured.extend(
            effective.arms.iter().find(|measured| measured.arm == arm.id).map(|found| (arm, found)),
        );
    }
    if measured.is_empty() {
        return Vec::new();
    }
    let shown: Vec<Measured> =
        measured.iter().copied().filter(|(arm, _)| arm.is_lead).take(MOST).collect();
    let mut figures = vec![widths(study, effective, &measured), profile::profiles(&shown)];
    figures.extend(growth::growth(&shown));
    figures.extend([true, false].map(|is_log| maps::maps(&shown, is_log)));
    figures.extend(accuracy::against_accuracy(study, effective));
    figures.extend(shares::shares(&measured));
    figures.extend(gallery::gallery(&shown));
    figures
}

/// The end of the last stage in the given state.
fn last<'m>(measured: &'m EffectiveArm, state: &str) -> Option<&'m EffectiveNode> {
    stages(measured, state).last().copied()
}

/// The ends of the stages in the given state. Names of splits contain a dot and are skipped.
fn stages<'m>(measured: &'m EffectiveArm, state: &str) -> Vec<&'m EffectiveNode> {
    let nodes = measured.states.iter().find(|s| s.state == state).map_or(&[][..], |s| &s.nodes);
    nodes.iter().filter(|node| !node.node.contains('.')).collect()
}

/// The measurement options: `64 test images, absolute values`.
fn how(effective: &Effective) -> String {
    let images = match effective.noise {
        true => format!("{} of normal noise", plural(effective.images, "image")),
        false => plural(effective.images, "test image"),
    };
    let of_signs = match effective.sign.as_str() {
        "positive" => "negative ones dropped",
        "signed" => "averaged with their signs",
        _ => "absolute values",
    };
    let mut said = vec![images, of_signs.to_owned()];
    said.extend(effective.relu.then(|| "channels through a ReLU first".to_owned()));
    said.extend(effective.float64.then(|| "in double precision".to_owned()));
    said.join(", ")
}

fn widths(study: &Study, effective: &Effective, measured: &[Measured]) -> Figure {
    let both =
        |m: &Measured| Some((last(m.1, "init")?.sigma_px(), last(m.1, "trained")?.sigma_px()));
    let shown: Vec<&Measured> =
        measured.iter().filter(|m| m.0.is_lead && both(m).is_some()).collect();
    let x = Scale::linear(
        shown.iter().filter_map(|m| both(m)).flat_map(|(a, b)| [a, b]),
        "standard deviation of the field (px)",
    );
    let row = |m: &&Measured| {
        let (init, trained) = both(m).unwrap_or_default();
        let mark = |kind, at: &[f64], what: &str| Mark {
            points: at.iter().map(|px| (*px, 0.0)).collect(),
            kind,
            color: m.0.color,
            shape: m.0.shape,
            arm: m.0.id.to_owned(),
            trial: m.1.trial.clone(),
            arms: String::new(),
            title: format!(
                "{}, {what}: {} px",
                m.0.label,
                fixed(at.last().copied().unwrap_or(0.0), 1)
            ),
        };
        let marks = vec![
            mark(Kind::Line, &[init, trained], "trained"),
            mark(Kind::Dot, &[init], "as initialized"),
            mark(Kind::Symbol, &[trained], "trained"),
        ];
        Row { label: m.0.label.clone(), marks }
    };
    let saturated =
        measured.iter().any(|m| last(m.1, "trained").is_some_and(|node| node.is_saturated));
    let note =
        if saturated { " Exact fields larger than the image cut measured ones off." } else { "" };
    let has_grown = measured.iter().any(|m| !m.1.growth.is_empty());
    let grown = if has_grown {
        String::new()
    } else {
        format!(" How fields grew over training was not measured. {}", growth::kept())
    };
    Figure {
        id: "effective-width".into(),
        title: "Effective receptive field of the last stage".into(),
        drawing: rows_chart(
            shown.iter().map(row).collect(),
            x,
            None,
            "width of effective receptive fields by arm".into(),
        ),
        how_to_read: format!(
            "The width of the gradient: gradients of the last stage's middle unit over {}; dots are the network as \
             initialized, symbols as trained, one trial of each arm.{note}{grown}{}",
            how(effective),
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
    let init = stages(m.1, "init");
    let trained = stages(m.1, "trained");
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
