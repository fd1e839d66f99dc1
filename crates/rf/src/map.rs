//! Receptive fields of single units, followed from the unit to the image. Units behind a map that
//! was resized are not evenly spaced, so each has a field of its own.

use crate::field::{Field, Flow, Window};
use res2lab_arch::{Graph, Interpolation, Node, NodeId};
use std::collections::BTreeSet;

/// For each node, whether a map before it, or its own, was resized.
pub(crate) fn behind_resizes(graph: &Graph) -> Vec<bool> {
    let mut behind: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let is_resized = matches!(Flow::of(&node.op), Flow::Resized(_));
        behind.push(is_resized || node.inputs.iter().any(|input| behind[input.0]));
    }
    behind
}

/// Whether the node's map, or one before it, was resized.
pub fn is_behind_resize(graph: &Graph, id: NodeId) -> bool {
    behind_resizes(graph)[id.0]
}

/// The first and the last of neighboring units.
type Span = (i64, i64);

/// The field of the middle unit of a node behind a resized map, from the fields of the nodes before
/// it. Each span of units that some path reads at a node before the resizes is one path's, or that
/// of paths alike.
pub(crate) fn middle(graph: &Graph, of: NodeId, behind: &[bool], fields: &[Field]) -> Field {
    let mut spans: Vec<BTreeSet<Span>> = vec![BTreeSet::new(); of.0 + 1];
    let unit = graph.node(of).shape.width as i64 / 2;
    spans[of.0].insert((unit, unit));
    let mut union: Option<Field> = None;
    let mut sees_all = false;
    for id in (0..=of.0).rev().map(NodeId) {
        let node = graph.node(id);
        let own = std::mem::take(&mut spans[id.0]);
        if !behind[id.0] {
            for field in own.into_iter().map(|span| spread(fields[id.0], span)) {
                union = Some(union.map_or(field, |union| union.merge(field)));
            }
            continue;
        }
        for span in own {
            sees_all |= matches!(Flow::of(&node.op), Flow::Gate | Flow::Whole | Flow::Normalized);
            for (input, span) in reads(graph, node, span) {
                // One pixel that is spread over a map stands for all of the image.
                let is_pooled = graph.node(input).shape.width == 1;
                sees_all |= is_pooled;
                if !is_pooled {
                    spans[input.0].insert(span);
                }
            }
        }
    }
    let field = union.unwrap_or(Field::IMAGE);
    Field { jump: 0, sees_all: sees_all || field.sees_all, ..field }
}

/// The field of neighboring units of a node whose units are evenly spaced.
fn spread(field: Field, (first, last): Span) -> Field {
    let shift = (first + last) * field.jump;
    Field {
        low: field.low + first * field.jump,
        high: field.high + last * field.jump,
        smallest: field.smallest + (last - first) * field.jump,
        centers: (field.centers.0 + shift, field.centers.1 + shift),
        ..field
    }
}

/// The spans of its inputs that a span of a node reads, path by path.
fn reads(graph: &Graph, node: &Node, (first, last): Span) -> Vec<(NodeId, Span)> {
    let one = |span: Span| vec![(node.inputs[0], span)];
    match Flow::of(&node.op) {
        Flow::Image => vec![],
        Flow::Sum | Flow::Concat => node.inputs.iter().map(|id| (*id, (first, last))).collect(),
        // The values of a gate are those of the whole map.
        Flow::Gate | Flow::Split | Flow::Normalized | Flow::Pointwise => one((first, last)),
        Flow::Whole => vec![],
        Flow::Windows(window) => {
            let stride = window.stride as i64;
            let (before, after) = window.reach(1);
            one((first * stride - before, last * stride + after))
        }
        Flow::Resized(how) => {
            let [from, to] = [graph.node(node.inputs[0]), node].map(|node| node.shape.width as i64);
            one((source(first, from, to, how).0, source(last, from, to, how).1))
        }
    }
}

/// The first and the last pixel of `from` that pixel `at` of `to` reads.
fn source(at: i64, from: i64, to: i64, how: Interpolation) -> Span {
    let inside = |pixel: i64| pixel.clamp(0, from - 1);
    // The place between pixels as a fraction, whose remainder is the weight of the second pixel.
    let (place, parts) = match how {
        Interpolation::Nearest => {
            let pixel = inside((at * from).div_euclid(to));
            return (pixel, pixel);
        }
        Interpolation::Bilinear { aligned: true } => (at * (from - 1), (to - 1).max(1)),
        Interpolation::Bilinear { aligned: false } => (((2 * at + 1) * from - to).max(0), 2 * to),
    };
    let first = place.div_euclid(parts);
    (inside(first), inside(first + i64::from(place.rem_euclid(parts) != 0)))
}

/// Whether each pixel along one axis of the image is seen by a unit of a node. Exact for square
/// kernels whose middle tap lies within the map.
pub fn pixels(graph: &Graph, of: NodeId, unit: usize) -> Vec<bool> {
    let mut seen: Vec<Vec<bool>> =
        graph.nodes[..=of.0].iter().map(|node| vec![false; node.shape.width]).collect();
    seen[of.0][unit] = true;
    for id in (1..=of.0).rev().map(NodeId) {
        let node = graph.node(id);
        let units: Vec<usize> = (0..node.shape.width).filter(|&unit| seen[id.0][unit]).collect();
        for unit in units {
            for input in &node.inputs {
                inputs_of(graph, node, *input, unit, &mut seen[input.0]);
            }
        }
    }
    seen.swap_remove(0)
}

/// Marks the units of one input that a unit of a node reads.
fn inputs_of(graph: &Graph, node: &Node, input: NodeId, unit: usize, seen: &mut [bool]) {
    match Flow::of(&node.op) {
        Flow::Image => {}
        Flow::Whole | Flow::Normalized => seen.fill(true),
        Flow::Gate if input != node.inputs[0] => seen.fill(true),
        Flow::Sum | Flow::Concat | Flow::Gate | Flow::Split | Flow::Pointwise => seen[unit] = true,
        Flow::Windows(Window { kernel, stride, padding, dilation }) => {
            let taps = (0..kernel).map(|tap| unit * stride + tap * dilation);
            let inside = taps.filter_map(|at| at.checked_sub(padding));
            let width = seen.len();
            inside.filter(|&at| at < width).for_each(|at| seen[at] = true);
        }
        Flow::Resized(how) => {
            let [from, to] = [graph.node(input), node].map(|node| node.shape.width as i64);
            let (first, last) = source(unit as i64, from, to, how);
            (first..=last).for_each(|at| seen[at as usize] = true);
        }
    }
}
