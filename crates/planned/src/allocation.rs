//! Allocation of results to buffers, and to ranges of their channels. A slice is a range of its
//! source's channels, and the inputs of a concatenation are computed into their ranges of its
//! buffer, so that neither costs a copy.

use crate::fusion::Fusion;
use res2lab_arch::{Graph, NodeId, Op, Shape};

/// A range of a buffer's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSlice {
    /// The index of the buffer.
    pub buffer: usize,
    /// The first channel.
    pub start: usize,
    /// The shape of the slice for one image.
    pub shape: Shape,
}

/// The buffer of the images, which the caller owns.
pub const IMAGES: usize = 0;

/// The buffers of a program, and the slice of each result.
#[derive(Clone, Debug)]
pub struct Allocation {
    /// The shape of each buffer for one image.
    pub buffers: Vec<Shape>,
    /// The slice of each node; None if the node is computed within a fusion.
    pub of: Vec<Option<BufferSlice>>,
}

impl Allocation {
    /// Allocates a slice to the result of each fusion.
    pub fn new(graph: &Graph, fusions: &[Fusion]) -> Allocation {
        let image = graph.nodes[0].shape;
        let mut allocation = Allocation { buffers: vec![image], of: vec![None; graph.nodes.len()] };
        allocation.of[0] = Some(BufferSlice { buffer: IMAGES, start: 0, shape: image });
        let is_result = |id: NodeId| fusions.iter().any(|fusion| fusion.out() == id);
        for (id, node) in graph.iter().filter(|(_, node)| node.op == Op::Concat) {
            let slice = allocation.new_buffer(node.shape);
            allocation.of[id.0] = Some(slice);
            let mut start = 0;
            for input in &node.inputs {
                let shape = graph.node(*input).shape;
                let is_free =
                    allocation.of[input.0].is_none() && graph.node(*input).op != Op::Concat;
                if is_free && is_result(*input) {
                    allocation.of[input.0] =
                        Some(BufferSlice { buffer: slice.buffer, start, shape });
                }
                start += shape.channels;
            }
        }
        for (id, node) in graph.iter() {
            if let Op::Slice { start, .. } = node.op {
                allocation.of[id.0] =
                    allocation.of[node.inputs[0].0].map(|of| of.channels(start, node.shape));
            } else if allocation.of[id.0].is_none() && is_result(id) {
                let slice = allocation.new_buffer(node.shape);
                allocation.of[id.0] = Some(slice);
            }
        }
        allocation
    }

    fn new_buffer(&mut self, shape: Shape) -> BufferSlice {
        self.buffers.push(shape);
        BufferSlice { buffer: self.buffers.len() - 1, start: 0, shape }
    }

    /// The slice of a node's result.
    ///
    /// # Panics
    /// If the node is computed within a fusion and has no slice. No fusion reads such a node.
    pub fn get(&self, id: NodeId) -> BufferSlice {
        self.of[id.0].expect("fusions read only results that have a slice")
    }
}

impl BufferSlice {
    /// A range of the slice's channels, from `start` on, with the channels of `shape`.
    pub fn channels(&self, start: usize, shape: Shape) -> BufferSlice {
        BufferSlice { buffer: self.buffer, start: self.start + start, shape }
    }

    /// Whether the channels of `next` follow those of this slice.
    pub(crate) fn ends_before(&self, next: &BufferSlice) -> bool {
        self.buffer == next.buffer && self.start + self.shape.channels == next.start
    }

    /// Whether a channel of a buffer lies within the slice.
    pub(crate) fn has(&self, buffer: usize, channel: usize) -> bool {
        let channels = self.start..self.start + self.shape.channels;
        self.buffer == buffer && channels.contains(&channel)
    }

    /// The buffer, and the channels unless they are those of the `whole` buffer.
    pub(crate) fn text(&self, whole: Shape) -> String {
        if self.shape == whole {
            return format!("b{}", self.buffer);
        }
        format!("b{}[{}..{}]", self.buffer, self.start, self.start + self.shape.channels)
    }

    /// The same range of channels in another buffer.
    pub fn in_buffer(&self, buffer: usize) -> BufferSlice {
        BufferSlice { buffer, ..*self }
    }
}
