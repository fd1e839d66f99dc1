//! Figures, one file each: a pure function from a study to a figure, or to none where there is
//! nothing to show.
//!
//! Reading order:
//! - [`by_axis`]: accuracy against each swept axis
//! - [`by_size`]: accuracy by the size of the object
//! - [`arms`]: every arm in a row of its own, where an axis does not fit a scale
//! - [`reference`]: what was published, beside
//! - [`differences`]: each arm against the baseline, with intervals
//! - [`seeds`]: every seed's values joined over the arms
//! - [`main_effects`] and [`interaction`]: what axes do in a grid
//! - [`cost`]: accuracy against parameters, multiply-adds, time and memory
//! - [`parallel`]: every arm as a line from its settings to what it reached
//! - [`curves`]: learning curves
//! - [`timeline`] and [`prices`]: when each slot trained what, and whether it took as long as
//!   predicted
//! - [`extent`], [`receptive`] and [`paths`]: what the units of networks see, exactly; also of
//!   networks that were never trained
//! - [`effective`] and [`blocks`]: what they see as measured, and what their blocks look like
//! - [`rows`] and [`clip`]: what several of them share

pub mod arms;
pub mod blocks;
pub mod by_axis;
pub mod by_size;
pub mod clip;
pub mod cost;
pub mod curves;
pub mod differences;
pub mod effective;
pub mod extent;
pub mod interaction;
pub mod main_effects;
pub mod parallel;
pub mod paths;
pub mod prices;
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

/// A figure as the page shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its anchor on the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The picture.
    pub svg: String,
    /// How to read it, in a sentence or two.
    pub how_to_read: String,
    /// What the colors mean; empty if nothing has to be told.
    pub legend: Vec<Legend>,
    /// The same as numbers.
    pub table: Table,
}

/// One entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Legend {
    /// What it stands for.
    pub text: String,
    /// Its color.
    pub color: Option<usize>,
    /// The arm's id, if it stands for one.
    pub arm: String,
}

/// Text in rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Over the columns.
    pub columns: Vec<String>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// All figures of a study, in the page's order. Those of a smoke test say so wherever they are
/// copied to.
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
    figures.extend(prices::figure(study));
    figures.extend(timeline::figure(study));
    let drawn: Vec<Network> =
        study.arms.iter().filter(|arm| arm.color.is_some()).filter_map(Network::of_arm).collect();
    figures.extend(exact(study, &drawn));
    figures.extend(effective::figures(study));
    figures.extend(blocks::figures(&drawn, "arm"));
    figures
}

/// More arms than these have axes that no line shows any more.
const MOST_ALONG_AXES: usize = 100;

/// What the arms' last stages see. Graphs take a moment to follow, so of many arms only those are
/// that are shown.
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
        // Where all arms see the same, their distribution is one too, which says nothing.
        figures.push(figure);
        figures.extend(paths::figure(&seen(drawn), ASKED, WEIGHTING));
    }
    figures
}

/// `scale=4: 97.4 ± 0.3 % (n = 3)`.
fn arm_title(study: &Study, arm: &Arm) -> String {
    format!("{}: {} (n = {})", arm.label, value_with_spread(study, arm), arm.values.len())
}

/// A finished trial's dot at `point`.
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

/// A mark that stands for a whole arm.
fn of_arm(study: &Study, arm: &Arm, kind: Kind, points: Vec<(f64, f64)>) -> Mark {
    titled(arm, kind, points, arm_title(study, arm))
}

/// A mark of an arm that says something of its own.
fn titled(arm: &Arm, kind: Kind, points: Vec<(f64, f64)>, title: String) -> Mark {
    Mark { points, kind, color: arm.color, arm: arm.id.to_owned(), trial: String::new(), title }
}

/// Legend entries of the arms that stand out, and one for the rest.
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

/// The columns that every table of arms has: mean, standard deviation, n.
fn value_cells(study: &Study, arm: &Arm) -> Vec<String> {
    let of = |x: Option<f64>| x.map_or("–".to_owned(), |x| fixed(x, study.decimals + 1));
    vec![
        of(arm.sample.map(|s| s.mean)),
        of(arm.sample.and_then(|s| s.std)),
        arm.values.len().to_string(),
    ]
}
