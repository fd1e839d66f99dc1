//! Figures, one file each: a pure function from a study to a figure, or to `None` if there is
//! nothing to show.
//!
//! Reading order:
//! - [`by_axis`]: accuracy against each swept axis
//! - [`by_size`]: accuracy by object size
//! - [`arms`]: one row per arm, for axes that do not fit a chart axis
//! - [`mod@reference`]: measured beside published values
//! - [`differences`]: each arm against its partner, with intervals
//! - [`seeds`]: the values of each seed joined over the arms
//! - [`main_effects`] and [`interaction`]: effects of axes in a grid
//! - [`cost`]: accuracy against parameters, multiply-adds, time and memory
//! - [`parallel`]: parallel coordinates of settings, costs and results
//! - [`curves`]: learning curves
//! - [`timeline`] and [`cost_estimates`]: the schedule of trials, and predicted against measured time
//! - [`extent`], [`receptive`] and [`paths`]: exact receptive fields, also of untrained networks
//! - [`effective`] and [`blocks`]: measured effective receptive fields, and block diagrams
//! - [`rows`] and [`clip`]: helpers that several figures share

pub mod arms;
pub mod blocks;
pub mod by_axis;
pub mod by_size;
pub mod clip;
pub mod cost;
pub mod cost_estimates;
pub mod curves;
pub mod differences;
pub mod effective;
pub mod extent;
pub mod interaction;
pub mod main_effects;
pub mod parallel;
pub mod paths;
pub mod receptive;
pub mod reference;
pub mod rows;
pub mod seeds;
pub mod timeline;

use crate::answer::value_with_spread;
use crate::chart::{Kind, Mark};
use crate::format::fixed;
use crate::network::{self, Network};
use crate::study::{Arm, Study};

/// A figure of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Anchor on the page.
    pub id: String,
    pub title: String,
    pub svg: String,
    /// Reading instructions in a sentence or two.
    pub how_to_read: String,
    /// The meaning of the colors; empty if no legend is needed.
    pub legend: Vec<Legend>,
    /// The plotted data as numbers.
    pub table: Table,
}

/// One entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Legend {
    pub text: String,
    pub color: Option<usize>,
    /// The arm's id, if the entry belongs to one arm.
    pub arm: String,
}

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Column titles.
    pub columns: Vec<String>,
    /// Each row has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// All figures of a study, in the page's order. Figures of a smoke test are marked in their titles,
/// so that the mark survives copying.
pub fn all(study: &Study) -> Vec<Figure> {
    let mut figures = of_results(study);
    for figure in figures.iter_mut().filter(|_| study.rows.plan.is_smoke) {
        figure.title += " (smoke test)";
        let mark = "<text class=\"smoke\" x=\"50%\" y=\"50%\" text-anchor=\"middle\">smoke test</text></svg>";
        figure.svg = figure.svg.replace("</svg>", mark);
    }
    figures
}

fn of_results(study: &Study) -> Vec<Figure> {
    let mut figures = by_axis::figures(study);
    figures.extend(arms::figure(study));
    figures.extend(reference::figure(study));
    figures.extend(differences::figure(study));
    figures.extend(seeds::figure(study));
    figures.extend(by_size::figure(study));
    figures.extend(main_effects::figure(study));
    figures.extend(interaction::figure(study));
    figures.extend(cost::figures(study));
    figures.extend(parallel::figure(study));
    figures.extend(curves::figures(study));
    figures.extend(cost_estimates::figure(study));
    figures.extend(timeline::figure(study));
    let drawn: Vec<Network> =
        study.arms.iter().filter(|arm| arm.color.is_some()).filter_map(Network::of_arm).collect();
    figures.extend(exact(study, &drawn));
    figures.extend(effective::figures(study));
    figures.extend(blocks::figures(&drawn, "arm"));
    figures
}

/// With more arms than this, there are no figures of receptive fields along the axes.
const MOST_ALONG_AXES: usize = 100;

/// Figures of exact receptive fields of the arms' last stages. `drawn` are the networks to
/// highlight. Path analysis takes time, so only a selection of many arms is analyzed.
fn exact(study: &Study, drawn: &[Network]) -> Vec<Figure> {
    const ASKED: &str = "the last stage";
    const WEIGHTING: &str = "paths are weighted equally";
    let of = |arms: Vec<&Arm>| arms.into_iter().filter_map(Network::of_arm).collect::<Vec<_>>();
    let in_rows = of(rows::chosen(study, |_| true));
    let along = if study.arms.len() > MOST_ALONG_AXES {
        Vec::new()
    } else {
        of(study.arms.iter().collect())
    };
    let seen = |networks| network::seen(networks, res2lab_rf::Weighting::Structural);
    let mut figures = extent::figures(&study.axes, &seen(&along), ASKED);
    if let Some(mut figure) = receptive::figure(&seen(&in_rows), ASKED, WEIGHTING) {
        if study.arms.len() > rows::MOST {
            figure.how_to_read +=
                &format!(" Of {} arms the {} best are looked at.", study.arms.len(), rows::MOST);
        }
        // If all arms have the same receptive fields, a distribution adds nothing.
        figures.push(figure);
        figures.extend(paths::figure(&seen(drawn), ASKED, WEIGHTING));
    }
    figures
}

/// Tooltip of an arm: `scale=4: 97.4 ± 0.3 % (n = 3)`.
fn arm_title(study: &Study, arm: &Arm) -> String {
    format!("{}: {} (n = {})", arm.label, value_with_spread(study, arm), arm.values.len())
}

/// The dot of a finished trial at `point`.
fn dot(study: &Study, arm: &Arm, seed: u64, value: f64, point: (f64, f64)) -> Mark {
    let trial =
        arm.trials.iter().find(|t| t.planned.spec.seed == seed).map(|t| t.planned.id.clone());
    Mark {
        points: vec![point],
        kind: Kind::Dot,
        color: arm.color,
        arm: arm.id.to_owned(),
        trial: trial.unwrap_or_default(),
        title: format!(
            "{}, seed {seed}: {}{}",
            arm.label,
            fixed(value, study.decimals),
            study.metric.unit
        ),
    }
}

/// A mark for a whole arm, with the arm's tooltip.
fn of_arm(study: &Study, arm: &Arm, kind: Kind, points: Vec<(f64, f64)>) -> Mark {
    titled(arm, kind, points, arm_title(study, arm))
}

/// A mark for an arm with its own tooltip.
fn titled(arm: &Arm, kind: Kind, points: Vec<(f64, f64)>, title: String) -> Mark {
    Mark { points, kind, color: arm.color, arm: arm.id.to_owned(), trial: String::new(), title }
}

/// Legend entries of the highlighted arms, and one entry for the others.
fn legend<'a>(arms: impl Iterator<Item = &'a Arm<'a>>) -> Vec<Legend> {
    let mut entries = Vec::new();
    let mut others = 0;
    for arm in arms {
        match arm.color {
            Some(_) => entries.push(Legend {
                text: arm.label.clone(),
                color: arm.color,
                arm: arm.id.to_owned(),
            }),
            None => others += 1,
        }
    }
    if others > 0 {
        entries.push(Legend {
            text: format!("{others} other arms"),
            color: None,
            arm: String::new(),
        });
    }
    entries
}

/// Cells of the columns that every table of arms has: mean, standard deviation, n.
fn value_cells(study: &Study, arm: &Arm) -> Vec<String> {
    let of = |x: Option<f64>| x.map_or("–".to_owned(), |x| fixed(x, study.decimals + 1));
    vec![
        of(arm.sample.map(|s| s.mean)),
        of(arm.sample.and_then(|s| s.std)),
        arm.values.len().to_string(),
    ]
}
