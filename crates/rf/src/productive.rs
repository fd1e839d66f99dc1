//! Layers that add nothing for images of a given size (Richter et al. 2021): all that they read has
//! seen the whole image.

use crate::field::{fields, window};
use res2lab_arch::{Graph, NodeId};

/// What a layer with a window adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Productivity {
    /// Even its shortest path sees more than before, within the image.
    Productive,
    /// Its own shortest path sees beyond the image.
    Critical,
    /// What it reads had seen the whole image by every path.
    Unproductive,
}

/// The layers with a window larger than one unit, with what they add for images of `image_px`
/// pixels a side.
pub fn layers(graph: &Graph, image_px: usize) -> Vec<(NodeId, Productivity)> {
    let fields = fields(graph);
    let px = image_px as i64;
    let judged = graph.iter().filter_map(|(id, node)| {
        let (kernel, ..) = window(&node.op)?;
        let read = fields[node.inputs.first()?.0].min_px();
        (kernel > 1).then(|| match fields[id.0].min_px() {
            own if own <= px => (id, Productivity::Productive),
            _ if read < px => (id, Productivity::Critical),
            _ => (id, Productivity::Unproductive),
        })
    });
    judged.collect()
}
