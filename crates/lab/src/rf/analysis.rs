//! What the units of a network see, as numbers and as words.

use crate::rf::networks::{Asked, RfOptions};
use res2lab_arch::NodeId;
use res2lab_error::Error;
use res2lab_rf::paths::share_within;
use res2lab_rf::productive::{Productivity, layers};
use res2lab_rf::{Paths, Weighting};
use serde::Serialize;

/// One network and what its units see.
#[derive(Serialize)]
pub struct Analysis {
    pub name: String,
    pub image_px: usize,
    /// Of the node that was asked for, the last stage's end as a rule.
    #[serde(flatten)]
    pub seen: Seen,
    pub stages: Vec<Seen>,
    pub splits: Vec<SplitRow>,
    /// Layers with a window that add nothing for images of this size.
    pub unproductive: Vec<String>,
    /// What the middle pixel of the output sees, if the output is a map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<MapSeen>,
    /// Sizes in pixels with the share of paths that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Vec<(u64, f64)>>,
}

/// What the units of one node see, along one axis.
#[derive(Serialize)]
pub struct Seen {
    pub node: String,
    /// Distance of adjacent units, pixels.
    pub jump_px: i64,
    /// First pixel that unit 0 sees; negative numbers lie in the padding.
    pub low_px: i64,
    pub rf_min_px: i64,
    pub rf_max_px: i64,
    pub rf_mean_px: Option<f64>,
    pub rf_sd_px: Option<f64>,
    pub rf_p05_px: Option<u64>,
    pub rf_p50_px: Option<u64>,
    pub rf_p95_px: Option<u64>,
    pub distinct: usize,
    pub log10_paths: f64,
    /// Share of the paths whose receptive field is no wider than the image.
    pub share_within_image: f64,
    /// Share of paths through a pool over the whole image.
    pub share_global: f64,
    pub misalignment_px: f64,
    /// Standard deviation of the analytic effective field.
    pub erf_sigma_px: f64,
}

/// What the middle pixel of a map sees, along one axis.
#[derive(Serialize)]
pub struct MapSeen {
    pub rf_min_px: i64,
    pub rf_max_px: i64,
    /// Whether it depends on statistics of the whole image.
    pub sees_all: bool,
}

#[derive(Serialize)]
pub struct SplitRow {
    pub block: String,
    pub split: usize,
    pub rf_min_px: i64,
    pub rf_max_px: i64,
}

/// The node that is asked.
pub fn node_asked(options: &RfOptions, of: &Asked) -> Result<NodeId, Error> {
    match &options.at {
        None => Ok(res2lab_rf::last_stage(&of.graph)),
        Some(node) => {
            let found = of.graph.find(node).ok_or_else(|| {
                let help = "name a node or a module as weights do, e.g. layer2, layer1.0.convs.2, layer3.1.concat";
                Error::input(format!("{} has no node {node}", of.name), help)
            })?;
            if res2lab_rf::map::is_behind_resize(&of.graph, found) {
                let cause = format!("{node} lies behind a map that was resized");
                let help = "paths are counted before maps are resized; ask a stage, e.g. layer4";
                return Err(Error::input(cause, help));
            }
            Ok(found)
        }
    }
}

/// What a path counts, as asked.
pub fn weighting(options: &RfOptions) -> Weighting {
    if options.branch_equal { Weighting::BranchEqual } else { Weighting::Structural }
}

/// Analyzes the node that is asked and the ends of the stages.
///
/// # Errors
/// The network has no such node.
pub fn analyze(options: &RfOptions, of: &Asked) -> Result<Analysis, Error> {
    let at = node_asked(options, of)?;
    let graph = &of.graph;
    let weighting = weighting(options);
    let nodes: Vec<NodeId> =
        std::iter::once(at).chain(graph.stages.iter().map(|stage| stage.node)).collect();
    let paths = res2lab_rf::paths(graph, weighting, &nodes);
    let sigmas = res2lab_rf::spread::sigmas(graph, weighting);
    let fields = res2lab_rf::fields(graph);
    let image_px = graph.nodes[0].shape.width;
    let names = std::iter::once(options.at.as_deref().unwrap_or("the last stage").to_owned())
        .chain(graph.stages.iter().map(|stage| stage.name.clone()));
    let mut seen: Vec<Seen> = names
        .zip(nodes.iter().zip(&paths))
        .map(|(name, (id, paths))| of_node(name, &fields[id.0], paths, sigmas[id.0], image_px))
        .collect();
    let splits = res2lab_rf::splits::splits(graph).into_iter().map(|s| SplitRow {
        block: s.block.trim_end_matches(".concat").to_owned(),
        split: s.index,
        rf_min_px: s.min_px,
        rf_max_px: s.max_px,
    });
    let idle =
        layers(graph, image_px).into_iter().filter(|(_, what)| *what == Productivity::Unproductive);
    let total: f64 = paths[0].sizes().iter().map(|(_, weight)| weight).sum();
    let shares = || paths[0].sizes().into_iter().map(|(px, weight)| (px, weight / total)).collect();
    let map = graph.is_dense().then(|| {
        let field = fields[graph.output().0];
        let [rf_min_px, rf_max_px] = [field.min_px(), field.max_px()];
        MapSeen { rf_min_px, rf_max_px, sees_all: field.sees_all }
    });
    Ok(Analysis {
        map,
        name: of.name.clone(),
        image_px,
        distribution: options.distribution.then(shares),
        seen: seen.remove(0),
        stages: seen,
        splits: splits.collect(),
        unproductive: idle.map(|(id, _)| graph.node(id).name.clone()).collect(),
    })
}

fn of_node(
    node: String,
    field: &res2lab_rf::Field,
    paths: &Paths,
    sigma: f64,
    image_px: usize,
) -> Seen {
    let summary = paths.summary();
    let sizes = paths.sizes();
    Seen {
        node,
        jump_px: field.jump,
        low_px: field.low,
        rf_min_px: field.min_px(),
        rf_max_px: field.max_px(),
        rf_mean_px: summary.as_ref().map(|s| s.mean_px),
        rf_sd_px: summary.as_ref().map(|s| s.sd_px),
        rf_p05_px: summary.as_ref().map(|s| s.p05_px),
        rf_p50_px: summary.as_ref().map(|s| s.p50_px),
        rf_p95_px: summary.as_ref().map(|s| s.p95_px),
        distinct: summary.as_ref().map_or(0, |s| s.distinct),
        log10_paths: paths.log10_count(),
        share_within_image: if sizes.is_empty() {
            0.0
        } else {
            share_within(&sizes, image_px as u64)
        },
        share_global: paths.whole_share(),
        misalignment_px: field.misalignment_px(),
        erf_sigma_px: sigma,
    }
}

pub const HEADERS: [&str; 8] =
    ["min px", "max px", "mean ± sd", "5–95 %", "sizes", "paths", "within image", "ERF sigma"];

/// In the order of [`HEADERS`].
pub fn cells(seen: &Seen) -> Vec<String> {
    let mean = seen
        .rf_mean_px
        .zip(seen.rf_sd_px)
        .map_or("–".into(), |(mean, sd)| format!("{mean:.1} ± {sd:.1}"));
    let range = seen
        .rf_p05_px
        .zip(seen.rf_p95_px)
        .map_or("–".into(), |(low, high)| format!("{low}–{high}"));
    let paths = match seen.log10_paths {
        log if log < 6.0 => format!("{:.0}", 10f64.powf(log)),
        log => format!("{:.2}e{}", 10f64.powf(log.fract()), log.trunc()),
    };
    vec![
        seen.rf_min_px.to_string(),
        seen.rf_max_px.to_string(),
        mean,
        range,
        seen.distinct.to_string(),
        paths,
        format!("{:.1} %", 100.0 * seen.share_within_image),
        format!("{:.1}", seen.erf_sigma_px),
    ]
}

/// Remarks on the numbers.
pub fn sentences(all: &[Analysis], options: &RfOptions) -> Vec<String> {
    let weighting = if options.branch_equal {
        "branches are weighted equally"
    } else {
        "paths are weighted equally"
    };
    let mut said = vec![format!(
        "A path is a choice of one route through every block; {weighting}. Sizes are pixels along a side."
    )];
    for Analysis { name, seen, unproductive, map, .. } in all {
        if let Some(MapSeen { rf_min_px, rf_max_px, sees_all }) = map {
            let all = if *sees_all { ", and statistics of the whole image" } else { "" };
            said.push(format!(
                "note: {name}: the middle pixel of the map sees {rf_min_px} to {rf_max_px} px{all}"
            ));
        }
        if seen.misalignment_px > 0.0 {
            said.push(format!(
                "note: {name}: centers of paths are up to {} px apart",
                seen.misalignment_px
            ));
        }
        if seen.share_global > 0.0 {
            let share = 100.0 * seen.share_global;
            said.push(format!(
                "note: {name}: {share:.1} % of paths lead through a pool over the whole image, and are in no mean"
            ));
        }
        if !unproductive.is_empty() {
            let n = unproductive.len();
            said.push(format!(
                "note: {name}: {n} layers read only what has seen the whole image by every path"
            ));
        }
    }
    said
}
