//! The HTML page of receptive fields: of one network, of several networks along axes, or of a
//! sweep's arms. The networks need not be trained.
use crate::axis::Axis;
use crate::figures::{Figure, Table, blocks, extent, paths, receptive};
use crate::format::{fixed, plural};
use crate::network::{Network, Seen, seen};
use crate::page::{FigureContext, SCRIPT, STYLE, TextTable, fill};
use minijinja::context;
use res2lab_error::Error;
use res2lab_rf::Weighting;
use serde::Serialize;

const TEMPLATE: &str = include_str!("page/fields.html");

/// The content of the receptive-field page.
pub struct Fields {
    /// The queried networks in words.
    pub title: String,
    /// The command that reproduces the page.
    pub command: String,
    /// The layer whose units are analyzed: `the last stage`, or a node's name.
    pub asked: String,
    /// How paths are weighted.
    pub weighting: Weighting,
    pub axes: Vec<Axis>,
    pub networks: Vec<Network>,
    /// One row per network, as printed in the terminal.
    pub table: Table,
    /// One row per stage of each network.
    pub stages: Table,
    /// One row per block with splits.
    pub splits: Table,
    /// Remarks on the numbers.
    pub notes: Vec<String>,
}

/// A sortable HTML table: each column has a title and whether it holds numbers.
#[derive(Serialize)]
struct Sortable {
    id: &'static str,
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

/// Renders the receptive-field page as one self-contained HTML document.
pub fn render(fields: &Fields) -> Result<String, Error> {
    let seen = seen(&fields.networks, fields.weighting);
    let page = context! {
        title => fields.title,
        command => fields.command,
        facts => facts(fields),
        headline => headline(&seen),
        sentences => seen.iter().filter(|s| s.network.color.is_some()).map(sentence).collect::<Vec<_>>(),
        others => fields.networks.iter().filter(|n| n.color.is_none()).count(),
        notes => fields.notes,
        table => sortable("networks", &fields.table),
        stages => TextTable::from(fields.stages.clone()),
        splits => TextTable::from(fields.splits.clone()),
        figures => figures(fields, &seen).into_iter().map(FigureContext::from).collect::<Vec<_>>(),
        style => STYLE,
        script => SCRIPT,
        data => crate::page::of_figures("rf"),
    };
    fill(TEMPLATE, page)
}

fn facts(fields: &Fields) -> Vec<String> {
    let mut sizes: Vec<usize> = fields.networks.iter().map(|n| n.image_px).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    vec![plural(fields.networks.len(), "network"), format!("images of {} px", sizes.join(", "))]
}

/// The narrowest and the widest mean field; `None` for a single network.
fn headline(seen: &[Seen]) -> Option<String> {
    let mean = |s: &&Seen| s.summary.mean_px;
    let least = seen.iter().min_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    let most = seen.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    if seen.len() < 2 {
        return None;
    }
    let of = |s: &Seen| format!("{} px ({})", fixed(s.summary.mean_px, 0), s.network.label);
    let beyond = seen.iter().filter(|s| s.within < 0.5).count();
    Some(format!(
        "The mean receptive field goes from {} to {}. In {beyond} of {} networks most paths reach beyond the image.",
        of(least),
        of(most),
        seen.len()
    ))
}

/// A share in percent; what is above zero is not shown as zero.
fn percent(share: f64) -> String {
    match fixed(100.0 * share, 1) {
        shown if shown == "0.0" && share > 0.0 => "fewer than 0.1".to_owned(),
        shown => shown,
    }
}

fn sentence(s: &Seen) -> String {
    let summary = &s.summary;
    let network = s.network;
    format!(
        "{}: receptive fields of {} to {} px, {} ± {} px on average; {}\u{a0}% of paths stay within the image's {} px.",
        network.label,
        summary.min_px,
        summary.max_px,
        fixed(summary.mean_px, 1),
        fixed(summary.sd_px, 1),
        percent(s.within),
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

/// A figure that compares the stages of one network; used if there is no second network to compare.
fn of_stages(network: &Network, weighting: Weighting, named: &str) -> Option<Figure> {
    let stage = |(i, stage): (usize, &res2lab_arch::graph::Stage)| Network {
        label: stage.name.clone(),
        node: stage.node,
        color: Some(i % crate::study::COLORS),
        shape: i % crate::encoding::SHAPES,
        ..network.clone()
    };
    let stages: Vec<Network> = network.graph.stages.iter().enumerate().map(stage).collect();
    receptive::figure(&seen(&stages, weighting), "each stage", named)
}

/// Converts a table. A column is text if any cell has a letter; every other column sorts as
/// numbers.
fn sortable(id: &'static str, table: &Table) -> Sortable {
    let is_number = |i: usize| {
        i > 0 && table.rows.iter().all(|row| !row[i].contains(|c: char| c.is_ascii_alphabetic()))
    };
    let columns =
        table.columns.iter().enumerate().map(|(i, name)| (name.clone(), is_number(i))).collect();
    Sortable { id, columns, rows: table.rows.clone() }
}
