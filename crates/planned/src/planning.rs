//! What planning an operation needs: the graph's nodes with the slices of their results, and the
//! gradients so far.

use crate::access::GradientTarget;
use crate::allocation::{Allocation, BufferSlice, IMAGES};
use crate::ops::zero::Zero;
use crate::tables::EntryId;
use res2lab_arch::{Graph, NodeId, Op, Shape};

/// The nodes of a graph, with the slices of their results.
pub(crate) struct Nodes<'a> {
    pub graph: &'a Graph,
    pub allocation: Allocation,
    /// For each node, its first entry of the state.
    first_entry: Vec<Option<EntryId>>,
}

impl Nodes<'_> {
    pub(crate) fn new(graph: &Graph, allocation: Allocation) -> Nodes<'_> {
        Nodes { graph, allocation, first_entry: graph.first_entries() }
    }

    pub(crate) fn op(&self, id: NodeId) -> Op {
        self.graph.node(id).op
    }

    /// The slice of a node's result.
    pub(crate) fn at(&self, id: NodeId) -> BufferSlice {
        self.allocation.get(id)
    }

    /// The slice of a node's input.
    pub(crate) fn input(&self, id: NodeId, index: usize) -> BufferSlice {
        self.at(self.graph.node(id).inputs[index])
    }

    /// The slices of all inputs of a node.
    pub(crate) fn inputs(&self, id: NodeId) -> Vec<BufferSlice> {
        self.graph.node(id).inputs.iter().map(|input| self.at(*input)).collect()
    }

    /// The first entry of the state of a node.
    pub(crate) fn state(&self, id: NodeId) -> EntryId {
        self.first_entry[id.0].expect("the graph gives these nodes state")
    }
}

/// Whether a slice belongs to the input images, which have no gradient.
pub(crate) fn is_image(slice: &BufferSlice) -> bool {
    slice.buffer == IMAGES
}

/// The gradient buffers, one for each buffer of values, and the channels written so far. Each
/// gradient has one buffer slice: the first contribution overwrites it, later ones accumulate. The
/// order is static, so buffers are not zeroed first.
pub(crate) struct Gradients {
    /// The index of the first gradient buffer.
    first: usize,
    written: Vec<Vec<bool>>,
    /// Instructions that must run before the next one.
    zeros: Vec<Zero>,
}

impl Gradients {
    /// The gradients of buffers of these shapes.
    pub(crate) fn new(buffers: &[Shape]) -> Gradients {
        let written = buffers.iter().map(|shape| vec![false; shape.channels]).collect();
        Gradients { first: buffers.len(), written, zeros: Vec::new() }
    }

    /// The instructions that must run before the next one.
    pub(crate) fn take_zeros(&mut self) -> Vec<Zero> {
        std::mem::take(&mut self.zeros)
    }

    fn slice_of(&self, value: BufferSlice) -> BufferSlice {
        value.in_buffer(self.first + value.buffer)
    }

    /// The target of a contribution to the gradient of a value. If some of its channels have been
    /// written, the others are zeroed first, and the contribution accumulates.
    pub(crate) fn contribute(&mut self, value: BufferSlice) -> GradientTarget {
        let range = value.start..value.start + value.shape.channels;
        let written = &mut self.written[value.buffer][range];
        let add = written.iter().any(|w| *w);
        if add {
            self.complete(value);
        } else {
            written.fill(true);
        }
        GradientTarget { to: self.slice_of(value), add }
    }

    /// The gradient of a value after all contributions; channels without any are zeroed.
    pub(crate) fn complete(&mut self, value: BufferSlice) -> BufferSlice {
        for channel in value.start..value.start + value.shape.channels {
            if std::mem::replace(&mut self.written[value.buffer][channel], true) {
                continue;
            }
            let shape = Shape { channels: 1, ..value.shape };
            let of = self.slice_of(BufferSlice { start: channel, shape, ..value });
            match self.zeros.last_mut().filter(|zero| zero.slice.ends_before(&of)) {
                Some(zero) => zero.slice.shape.channels += 1,
                None => self.zeros.push(Zero { slice: of }),
            }
        }
        self.slice_of(value)
    }
}
