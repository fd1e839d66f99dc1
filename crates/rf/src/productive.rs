//! Productive and unproductive layers for images of a given size (Richter et al. 2021). A layer is
//! unproductive if the smallest receptive field of its input covers the whole image.

use crate::field::{Flow, fields};
use res2lab_arch::{Graph, NodeId};

/// The productivity of a layer for a given image size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Productivity {
    /// The layer's smallest receptive field is within the image.
    Productive,
    /// The layer's smallest receptive field exceeds the image, but that of its input does not.
    Critical,
    /// The smallest receptive field of the layer's input covers the image already.
    Unproductive,
}

/// The productivity of every layer with a kernel larger than one, for images of `image_px` pixels
/// per side.
pub fn layers(graph: &Graph, image_px: usize) -> Vec<(NodeId, Productivity)> {
    let fields = fields(graph);
    let px = image_px as i64;
    let judged = graph.iter().filter_map(|(id, node)| {
        let Flow::Windows(window) = Flow::of(&node.op) else { return None };
        let read = fields[node.inputs.first()?.0].min_px();
        (window.kernel > 1).then(|| match fields[id.0].min_px() {
            own if own <= px => (id, Productivity::Productive),
            _ if read < px => (id, Productivity::Critical),
            _ => (id, Productivity::Unproductive),
        })
    });
    judged.collect()
}
