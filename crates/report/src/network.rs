//! Networks whose units are asked what they see: plain data, which a sweep's arms and networks that
//! were never trained give alike.

use crate::axis::Place;
use crate::study::Arm;
use res2lab_arch::{Graph, NodeId};
use res2lab_rf::paths::{Summary, share_within};
use res2lab_rf::{Weighting, last_stage, paths};

/// A network and the node that is asked.
#[derive(Clone)]
pub struct Network {
    /// What tells it from the others.
    pub label: String,
    /// The arm's id, for links with tables; empty where there is no arm.
    pub id: String,
    /// One of eight colors, or none.
    pub color: Option<usize>,
    /// What it computes.
    pub graph: Graph,
    /// Whose units are asked.
    pub node: NodeId,
    /// Side of its images in pixels.
    pub image_px: usize,
    /// Where it stands on the axes that were varied.
    pub places: Vec<Place>,
    /// What tells it from networks in the same places.
    pub variant: String,
}

impl Network {
    /// An arm's, asked at the end of its last stage. None where it cannot be built, which only a
    /// plan written by hand has.
    pub fn of_arm(arm: &Arm) -> Option<Network> {
        let planned = &arm.trials[0].planned;
        let graph = planned.graph().ok()?;
        Some(Network {
            label: arm.label.clone(),
            id: arm.id.to_owned(),
            color: arm.color,
            node: last_stage(&graph),
            graph,
            image_px: planned.image_px,
            places: arm.places.clone(),
            variant: arm.variant.clone(),
        })
    }
}

/// What the units of a network's node see, by every path.
pub struct Seen<'n> {
    /// Who sees it.
    pub network: &'n Network,
    /// The distribution in a few numbers.
    pub summary: Summary,
    /// Every size in pixels with its share of the paths.
    pub shares: Vec<(u64, f64)>,
    /// Share of paths that see no more than the image is wide.
    pub within: f64,
    /// Standard deviation of the analytic effective field, pixels.
    pub sigma_px: f64,
}

/// What networks see. One whose paths all lead through a pool over the whole image is left out: it
/// has no sizes.
pub fn seen(networks: &[Network], weighting: Weighting) -> Vec<Seen<'_>> {
    networks.iter().filter_map(|network| of_network(network, weighting)).collect()
}

fn of_network(network: &Network, weighting: Weighting) -> Option<Seen<'_>> {
    let graph = &network.graph;
    let node = network.node;
    let found = paths(graph, weighting, &[node]).pop()?;
    let sizes = found.sizes();
    let total: f64 = sizes.iter().map(|(_, weight)| weight).sum();
    Some(Seen {
        network,
        summary: found.summary()?,
        within: share_within(&sizes, network.image_px as u64),
        shares: sizes.into_iter().map(|(px, weight)| (px, weight / total)).collect(),
        sigma_px: res2lab_rf::spread::sigmas(graph, weighting)[node.0],
    })
}
