//! Networks whose receptive fields are analyzed, as plain data: a sweep's arms or untrained
//! networks.

use crate::axis::Place;
use crate::encoding::Style;
use crate::study::Arm;
use res2lab_arch::{Graph, NodeId};
use res2lab_rf::paths::{Summary, share_within};
use res2lab_rf::{Weighting, last_stage, paths};

/// A network and the node whose units are analyzed.
#[derive(Clone)]
pub struct Network {
    /// Distinguishes the network from the others.
    pub label: String,
    /// The arm's id, which links marks with table rows; empty if there is no arm.
    pub id: String,
    /// A category color or a step of the ramp; `None` for networks that are not highlighted.
    pub color: Option<usize>,
    /// One of four shapes.
    pub shape: usize,
    pub graph: Graph,
    /// The node whose units are analyzed.
    pub node: NodeId,
    /// Side of the input images in pixels.
    pub image_px: usize,
    /// Places on the varied axes.
    pub places: Vec<Place>,
    /// Distinguishes the network from others at the same places.
    pub variant: String,
}

impl Network {
    /// The network of an arm, analyzed at the end of its last stage. `None` if its graph cannot be
    /// built, which is possible only for a plan edited by hand.
    pub fn of_arm(arm: &Arm) -> Option<Network> {
        let planned = &arm.trials[0].planned;
        let graph = planned.graph().ok()?;
        Some(Network {
            label: arm.label.clone(),
            id: arm.id.to_owned(),
            color: arm.color,
            shape: arm.shape,
            node: last_stage(&graph),
            graph,
            image_px: planned.image_px,
            places: arm.places.clone(),
            variant: arm.variant.clone(),
        })
    }

    /// The color and the shape of the network's marks.
    pub fn style(&self) -> Style {
        Style { color: self.color, shape: self.shape }
    }
}

/// Receptive-field sizes of the units of a network's node, over all paths.
pub struct Seen<'n> {
    pub network: &'n Network,
    /// Summary of the distribution of sizes.
    pub summary: Summary,
    /// Each receptive-field size in pixels with its share of the paths.
    pub shares: Vec<(u64, f64)>,
    /// Share of the paths whose receptive field is no wider than the image.
    pub within: f64,
    /// Standard deviation of the analytic effective receptive field, pixels.
    pub sigma_px: f64,
}

/// The receptive-field sizes of `networks`. A network whose paths all lead through global pooling
/// has no sizes and is left out.
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
