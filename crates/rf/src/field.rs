//! Receptive fields of a node's units as pixel intervals along one axis, computed from input to
//! output.

use crate::map;
use res2lab_arch::{Graph, Interpolation, Node, NodeId, Op};

/// The receptive field of a node's units along one axis. Unit `u` depends on the pixels `u * jump +
/// low ..= u * jump + high` (Araujo et al. 2019, forward recursion). Pixels beyond the image are
/// padding.
///
/// Units behind a map that was resized are not evenly spaced. There the field is that of the middle
/// unit, and `jump` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// First pixel of unit 0, over all paths.
    pub low: i64,
    /// Last pixel of unit 0, over all paths.
    pub high: i64,
    /// Size of the smallest receptive field of a single path, pixels.
    pub smallest: i64,
    /// Distance of adjacent units, pixels.
    pub jump: i64,
    /// Twice the smallest and the largest center of a single path's receptive field. They differ if
    /// the paths are not aligned.
    pub(crate) centers: (i64, i64),
    /// Whether some path leads through the statistics of a whole map: global pooling, a group norm.
    pub sees_all: bool,
}

impl Field {
    pub(crate) const IMAGE: Field =
        Field { low: 0, high: 0, smallest: 1, jump: 1, centers: (0, 0), sees_all: false };

    /// The receptive field of the shortest path, pixels.
    pub fn min_px(&self) -> i64 {
        self.smallest
    }

    /// The union of the receptive fields of all paths, pixels.
    pub fn max_px(&self) -> i64 {
        self.high - self.low + 1
    }

    /// The center of the receptive field of unit `u`, pixels.
    pub fn center(&self, u: usize) -> f64 {
        u as f64 * self.jump as f64 + (self.low + self.high) as f64 / 2.0
    }

    /// Largest distance between the centers of two paths, pixels; 0 if all paths are aligned.
    pub fn misalignment_px(&self) -> f64 {
        (self.centers.1 - self.centers.0) as f64 / 2.0
    }

    /// Applies a window. The window extends every path by the same pixels, so
    /// the union and the single paths are updated alike.
    fn window(self, window: Window) -> Field {
        let (before, after) = window.reach(self.jump);
        Field {
            low: self.low - before,
            high: self.high + after,
            smallest: self.smallest + before + after,
            jump: self.jump * window.stride as i64,
            centers: (self.centers.0 + after - before, self.centers.1 + after - before),
            sees_all: self.sees_all,
        }
    }

    pub(crate) fn merge(self, other: Field) -> Field {
        Field {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            smallest: self.smallest.min(other.smallest),
            jump: self.jump,
            centers: (self.centers.0.min(other.centers.0), self.centers.1.max(other.centers.1)),
            sees_all: self.sees_all || other.sees_all,
        }
    }
}

/// The windows of a convolution or a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// Inputs along one axis.
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Units from one input to the next.
    pub dilation: usize,
}

impl Window {
    /// Pixels that a window adds before and after, if its inputs are `jump` pixels apart.
    pub(crate) fn reach(self, jump: i64) -> (i64, i64) {
        let span = (self.kernel as i64 - 1) * self.dilation as i64;
        (self.padding as i64 * jump, (span - self.padding as i64) * jump)
    }
}

/// How an operation passes receptive fields on. The only match of this crate on operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flow {
    /// The image itself.
    Image,
    /// One split of the input.
    Split,
    /// The sum of all inputs.
    Sum,
    /// The concatenation of all inputs.
    Concat,
    /// The first input, times values that depend on the whole second input.
    Gate,
    /// The whole input.
    Whole,
    /// Windows of the input.
    Windows(Window),
    /// The input in another size.
    Resized(Interpolation),
    /// The same position of the input, and statistics of the whole input.
    Normalized,
    /// The same position of the input.
    Pointwise,
}

impl Flow {
    pub(crate) fn of(op: &Op) -> Flow {
        match op {
            Op::Input => Flow::Image,
            Op::Slice { .. } => Flow::Split,
            Op::Add => Flow::Sum,
            Op::Concat => Flow::Concat,
            Op::Gate => Flow::Gate,
            Op::GlobalPool => Flow::Whole,
            Op::Conv(c) => Flow::Windows(Window {
                kernel: c.kernel,
                stride: c.stride,
                padding: c.padding,
                dilation: c.dilation,
            }),
            Op::MaxPool(p) | Op::AvgPool(p) => Flow::Windows(Window {
                kernel: p.kernel,
                stride: p.stride,
                padding: p.padding,
                dilation: 1,
            }),
            Op::Resize(how) => Flow::Resized(*how),
            Op::GroupNorm { .. } => Flow::Normalized,
            Op::BatchNorm { .. }
            | Op::Relu
            | Op::Sigmoid
            | Op::Noise { .. }
            | Op::Linear { .. } => Flow::Pointwise,
        }
    }
}

/// The receptive field of every node, in the graph's order. Global pooling keeps the receptive
/// field of its input and sets [`Field::sees_all`]; a gate keeps that of its first input, and a
/// group norm that of its input.
pub fn fields(graph: &Graph) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::with_capacity(graph.nodes.len());
    let behind = map::behind_resizes(graph);
    for (id, node) in graph.iter() {
        let field = match behind[id.0] {
            true => map::middle(graph, id, &behind, &fields),
            false => of(node, |id| fields[id.0]),
        };
        fields.push(field);
    }
    fields
}

fn of(node: &Node, field: impl Fn(NodeId) -> Field) -> Field {
    let Some(&first) = node.inputs.first() else { return Field::IMAGE };
    let x = field(first);
    match Flow::of(&node.op) {
        Flow::Sum | Flow::Concat => {
            node.inputs[1..].iter().fold(x, |union, &id| union.merge(field(id)))
        }
        Flow::Gate | Flow::Whole | Flow::Normalized => Field { sees_all: true, ..x },
        Flow::Windows(window) => x.window(window),
        // Fields behind a resized map are computed in `map`.
        Flow::Image | Flow::Split | Flow::Pointwise | Flow::Resized(_) => x,
    }
}
