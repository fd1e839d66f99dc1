//! Where results lie: buffers, and ranges of their channels. A slice is a range of its source's
//! channels, and what is concatenated is computed into its range at once, so that neither costs a
//! copy.

use crate::fusion::Fusion;
use res2lab_arch::{Graph, NodeId, Op, Shape};

/// A range of a buffer's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSlice {
    /// Which buffer.
    pub buffer: usize,
    /// Its first channel.
    pub start: usize,
    /// What lies there for one image.
    pub shape: Shape,
}

/// The buffer of the images, which the caller owns.
pub const IMAGES: usize = 0;

/// Buffers and places of all results.
#[derive(Clone, Debug)]
pub struct Allocation {
    /// Shape of each buffer for one image.
    pub buffers: Vec<Shape>,
    /// Of each node that has a result of its own.
    pub of: Vec<Option<BufferSlice>>,
}

impl Allocation {
    /// Gives each unit's result a place.
    pub fn new(graph: &Graph, units: &[Fusion]) -> Allocation {
        let image = graph.nodes[0].shape;
        let mut places = Allocation { buffers: vec![image], of: vec![None; graph.nodes.len()] };
        places.of[0] = Some(BufferSlice { buffer: IMAGES, start: 0, shape: image });
        let is_result = |id: NodeId| units.iter().any(|unit| unit.out() == id);
        for (id, node) in graph.iter().filter(|(_, node)| node.op == Op::Concat) {
            let place = places.new_buffer(node.shape);
            places.of[id.0] = Some(place);
            let mut start = 0;
            for input in &node.inputs {
                let shape = graph.node(*input).shape;
                let is_free = places.of[input.0].is_none() && graph.node(*input).op != Op::Concat;
                if is_free && is_result(*input) {
                    places.of[input.0] = Some(BufferSlice { buffer: place.buffer, start, shape });
                }
                start += shape.channels;
            }
        }
        for (id, node) in graph.iter() {
            match node.op {
                Op::Slice { start, .. } => {
                    places.of[id.0] =
                        places.of[node.inputs[0].0].map(|of| of.part(start, node.shape));
                }
                _ if places.of[id.0].is_none() && is_result(id) => {
                    let place = places.new_buffer(node.shape);
                    places.of[id.0] = Some(place);
                }
                _ => {}
            }
        }
        places
    }

    fn new_buffer(&mut self, shape: Shape) -> BufferSlice {
        self.buffers.push(shape);
        BufferSlice { buffer: self.buffers.len() - 1, start: 0, shape }
    }

    /// Where this node's result lies.
    ///
    /// # Panics
    /// If it is computed within a unit and lies nowhere, which no unit asks for.
    pub fn get(&self, id: NodeId) -> BufferSlice {
        self.of[id.0].expect("units read results only")
    }
}

impl BufferSlice {
    /// Channels from `start` on, as many as `shape` has.
    pub fn part(&self, start: usize, shape: Shape) -> BufferSlice {
        BufferSlice { buffer: self.buffer, start: self.start + start, shape }
    }

    /// The same channels of another buffer.
    pub fn in_buffer(&self, buffer: usize) -> BufferSlice {
        BufferSlice { buffer, ..*self }
    }
}
