//! Figures, one file each: a pure function from a study to a figure, or to `None` if there is
//! nothing to show.
//!
//! Reading order:
//! - [`answer`]: the findings with their intervals, the first figure of the page
//! - [`by_axis`]: accuracy against each swept axis
//! - [`by_size`]: accuracy by object size
//! - [`arms`]: one row per arm, for axes that do not fit a chart axis
//! - [`mod@reference`]: measured beside published values
//! - [`differences`]: each arm against its partner, with intervals
//! - [`seeds`]: the values of each seed joined over the arms
//! - [`main_effects`] and [`interaction`]: effects of axes in a grid
//! - [`distribution`]: populations of more than thirty arms
//! - [`cost`]: accuracy against parameters, multiply-adds, time and memory
//! - [`parallel`]: parallel coordinates of settings, costs and results
//! - [`curves`]: learning curves
//! - [`timeline`] and [`cost_estimates`]: the schedule of trials, and predicted against measured time
//! - [`extent`], [`receptive`] and [`paths`]: exact receptive fields, also of untrained networks
//! - [`effective`] and [`blocks`]: measured effective receptive fields, and block diagrams
//! - [`rows`] and [`clip`]: helpers that several figures share

pub mod answer;
pub mod arms;
pub mod blocks;
pub mod by_axis;
pub mod by_size;
pub mod clip;
pub mod cost;
pub mod cost_estimates;
pub mod curves;
pub mod differences;
pub mod distribution;
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
use crate::chart::{Drawing, Kind, Mark};
use crate::encoding::Style;
use crate::format::fixed;
use crate::network::{self, Network};
use crate::study::{Arm, Study};
use std::collections::HashMap;

/// A figure of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Anchor on the page.
    pub id: String,
    pub title: String,
    pub drawing: Drawing,
    /// Reading instructions in a sentence or two.
    pub how_to_read: String,
    /// The meaning of the colors; empty if no legend is needed.
    pub legend: Vec<Legend>,
    /// The plotted data as numbers.
    pub table: Table,
}

/// The part of the page to which a figure belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Answer,
    Result,
    Cost,
    Training,
    Sees,
    Architecture,
}

/// One entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Legend {
    pub text: String,
    pub style: Style,
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

impl Table {
    /// Adds a column for each axis to a table of arms, so that it can be sorted and selected by
    /// each. Other tables stay as they are.
    pub fn add_axes(&mut self, study: &Study) {
        if self.columns.first().is_none_or(|first| first != "arm") {
            return;
        }
        let is_missing = |axis: &&crate::axis::Axis| {
            axis.column() == axis.label && !self.columns.contains(&axis.label)
        };
        let axes: Vec<&crate::axis::Axis> = study.axes.iter().filter(is_missing).collect();
        let arms: HashMap<&str, &Arm> =
            study.arms.iter().map(|arm| (&arm.label[..], arm)).collect();
        for row in &mut self.rows {
            let arm = row.first().and_then(|label| arms.get(&label[..]));
            let value = |axis: &&crate::axis::Axis| {
                let value = arm.and_then(|arm| study.value(arm, &axis.label));
                value.unwrap_or("–").to_owned()
            };
            row.splice(1..1, axes.iter().map(value));
        }
        self.columns.splice(1..1, axes.iter().map(|axis| axis.label.clone()));
    }
}

impl Figure {
    /// The figure as SVG at the width of pages.
    pub fn svg(&self) -> String {
        self.drawing.svg()
    }

    /// The part of the page to which the figure belongs.
    pub fn group(&self) -> Group {
        let is = |names: &[&str]| names.iter().any(|name| self.id.starts_with(name));
        match () {
            () if is(&["answer"]) => Group::Answer,
            () if is(&["cost-", "parallel", "prices", "timeline"]) => Group::Cost,
            () if is(&["curve-"]) => Group::Training,
            () if is(&["extent", "receptive", "paths", "effective", "split-shares", "gallery"]) => {
                Group::Sees
            }
            () if is(&["block-"]) => Group::Architecture,
            () => Group::Result,
        }
    }

    /// The name of the figures of which the page shows one at a time; `None` for others.
    pub fn stack(&self) -> Option<&'static str> {
        let names = ["cost-", "block-", "effective-maps-", "gallery-"];
        names.into_iter().find(|name| self.id.starts_with(name))
    }
}

/// All figures of a study, in the page's order. Figures of a smoke test are marked in their titles,
/// so that the mark survives copying.
pub fn all(study: &Study) -> Vec<Figure> {
    let mut figures = of_results(study);
    for figure in figures.iter_mut().filter(|_| study.rows.plan.is_smoke) {
        figure.title += " (smoke test)";
        figure.drawing.stamp("smoke test");
    }
    figures
}

fn of_results(study: &Study) -> Vec<Figure> {
    let mut figures: Vec<Figure> = answer::figure(study).into_iter().collect();
    figures.extend(by_axis::figures(study));
    figures.extend(arms::figure(study));
    figures.extend(reference::figure(study));
    figures.extend(differences::figure(study));
    figures.extend(seeds::figure(study));
    figures.extend(by_size::figure(study));
    figures.extend(main_effects::figure(study));
    figures.extend(interaction::figure(study));
    figures.extend(distribution::figure(study));
    figures.extend(cost::figures(study));
    figures.extend(parallel::figure(study));
    figures.extend(curves::figures(study));
    figures.extend(cost_estimates::figure(study));
    figures.extend(timeline::figure(study));
    let drawn: Vec<Network> =
        study.arms.iter().filter(|arm| arm.is_lead).filter_map(Network::of_arm).collect();
    figures.extend(exact(study, &drawn));
    figures.extend(effective::figures(study));
    figures.extend(blocks::figures(&drawn, "arm"));
    figures.sort_by_key(Figure::group);
    figures.iter_mut().for_each(|figure| figure.table.add_axes(study));
    // One legend above all figures says what colors and shapes stand for.
    figures.iter_mut().for_each(|figure| figure.legend.retain(|entry| entry.arm.is_empty()));
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
        shape: arm.shape,
        arm: arm.id.to_owned(),
        trial: trial.unwrap_or_default(),
        arms: String::new(),
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
    Mark {
        points,
        kind,
        color: arm.color,
        shape: arm.shape,
        arm: arm.id.to_owned(),
        title,
        ..Mark::default()
    }
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

/// The columns of [`interval_cells`].
const INTERVAL_COLUMNS: [&str; 4] = ["mean", "95 % CI", "std", "n"];

/// Cells of the columns of figures that compare means.
fn interval_cells(study: &Study, arm: &Arm) -> Vec<String> {
    let mut cells = value_cells(study, arm);
    let decimals = study.decimals + 1;
    let interval = arm.sample.and_then(|s| s.interval()).map(|i| study.metric.possible(i));
    let text = interval.map_or("–".into(), |(low, high)| {
        format!("{} to {}", fixed(low, decimals), fixed(high, decimals))
    });
    cells.insert(1, text);
    cells
}
