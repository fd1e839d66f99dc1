//! The page of receptive fields: of a network, of several along axes, or of a sweep's arms. Nothing
//! has to be trained for it.

use crate::ReportError;
use crate::axis::Axis;
use crate::figures::{Figure, Table, blocks, extent, paths, receptive};
use crate::format::{fixed, plural};
use crate::network::{Network, Seen, seen};
use crate::page::{FigureContext, SCRIPT, STYLE, TextTable, fill};
use minijinja::context;
use res2lab_rf::Weighting;
use serde::Serialize;

const TEMPLATE: &str = include_str!("page/fields.html");

/// What the page is made of.
pub struct Fields {
    /// What was asked about, in words.
    pub title: String,
    /// The command that asks again.
    pub command: String,
    /// Whose units: `the last stage`, or a node's name.
    pub asked: String,
    /// What a path counts.
    pub weighting: Weighting,
    /// What was varied.
    pub axes: Vec<Axis>,
    /// What was asked.
    pub networks: Vec<Network>,
    /// A line for each network, as printed.
    pub table: Table,
    /// A line for each stage of each.
    pub stages: Table,
    /// A line for each block with splits.
    pub splits: Table,
    /// What has to be known beside the numbers.
    pub notes: Vec<String>,
}

/// A table to sort: its columns, and which of them are numbers.
#[derive(Serialize)]
struct Sortable {
    id: &'static str,
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

/// The whole page, as self-contained as a sweep's.
pub fn render(fields: &Fields) -> Result<String, ReportError> {
    let seen = seen(&fields.networks, fields.weighting);
    let page = context! {
        title => fields.title,
        command => fields.command,
        facts => facts(fields),
        sentences => seen.iter().filter(|s| s.network.color.is_some()).map(sentence).collect::<Vec<_>>(),
        others => fields.networks.iter().filter(|n| n.color.is_none()).count(),
        notes => fields.notes,
        table => sortable("networks", &fields.table),
        stages => TextTable::from(fields.stages.clone()),
        splits => TextTable::from(fields.splits.clone()),
        figures => figures(fields, &seen).into_iter().map(FigureContext::from).collect::<Vec<_>>(),
        style => STYLE,
        script => SCRIPT,
    };
    Ok(fill(TEMPLATE, page)?)
}

fn facts(fields: &Fields) -> Vec<String> {
    let mut sizes: Vec<usize> = fields.networks.iter().map(|n| n.image_px).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    vec![plural(fields.networks.len(), "network"), format!("images of {} px", sizes.join(", "))]
}

fn sentence(s: &Seen) -> String {
    let summary = &s.summary;
    let network = s.network;
    format!(
        "{}: receptive fields of {} to {} px, {} ± {} px on average; {} % of paths stay within the image's {} px.",
        network.label,
        summary.min_px,
        summary.max_px,
        fixed(summary.mean_px, 1),
        fixed(summary.sd_px, 1),
        fixed(100.0 * s.within, 1),
        network.image_px
    )
}

fn figures(fields: &Fields, seen: &[Seen]) -> Vec<Figure> {
    let weighting = match fields.weighting {
        Weighting::Structural => "paths are weighted equally",
        Weighting::BranchEqual => "branches are weighted equally",
    };
    let mut figures = extent::figures(&fields.axes, seen, &fields.asked);
    if let [one] = &fields.networks[..] {
        figures.extend(of_stages(one, fields.weighting, weighting));
    } else {
        figures.extend(receptive::figure(seen, &fields.asked, weighting));
    }
    figures.extend(paths::figure(seen, &fields.asked, weighting));
    figures.extend(blocks::figures(&fields.networks, "network"));
    figures
}

/// A single network has nothing beside it, so its stages stand beside each other.
fn of_stages(network: &Network, weighting: Weighting, named: &str) -> Option<Figure> {
    let stage = |(i, stage): (usize, &res2lab_arch::graph::Stage)| Network {
        label: stage.name.clone(),
        node: stage.node,
        color: Some(i % crate::study::COLORS),
        ..network.clone()
    };
    let stages: Vec<Network> = network.graph.stages.iter().enumerate().map(stage).collect();
    receptive::figure(&seen(&stages, weighting), "each stage", named)
}

/// Text is what holds a letter; everything else sorts as a number.
fn sortable(id: &'static str, table: &Table) -> Sortable {
    let is_number = |i: usize| {
        i > 0 && table.rows.iter().all(|row| !row[i].contains(|c: char| c.is_ascii_alphabetic()))
    };
    let columns =
        table.columns.iter().enumerate().map(|(i, name)| (name.clone(), is_number(i))).collect();
    Sortable { id, columns, rows: table.rows.clone() }
}
