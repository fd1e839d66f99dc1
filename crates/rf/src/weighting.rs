//! Weightings of paths. The two weightings answer different questions and must not be mixed.

use crate::field::Flow;
use std::fmt;

/// The weight of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Every path has the weight one. Describes combinatorics, not importance.
    Structural,
    /// All inputs of a sum have equal weight, and the inputs of a concatenation are weighted by
    /// their channels. Within the sums of splits, all routes have equal weight.
    BranchEqual,
}

impl fmt::Display for Weighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weighting::Structural => "structural",
            Weighting::BranchEqual => "branch-equal",
        })
    }
}

/// The factors of the inputs of `node`, which is a sum or a concatenation.
pub(crate) fn of_merge(
    graph: &res2lab_arch::Graph,
    node: &res2lab_arch::Node,
    weighting: Weighting,
    routes: &Routes,
) -> Vec<f64> {
    let channels: Vec<usize> =
        node.inputs.iter().map(|id| graph.node(*id).shape.channels).collect();
    factors(
        weighting,
        node.op == res2lab_arch::Op::Add,
        &channels,
        routes.of(&node.inputs).as_deref(),
    )
}

/// The factors from the `channels` of each input and the number of `routes` to each input since the
/// split, if all inputs are within splits.
fn factors(
    weighting: Weighting,
    is_sum: bool,
    channels: &[usize],
    routes: Option<&[f64]>,
) -> Vec<f64> {
    let n = channels.len() as f64;
    let shares = |of: &[f64]| of.iter().map(|x| x / of.iter().sum::<f64>()).collect();
    match (weighting, is_sum, routes) {
        (Weighting::Structural, ..) => vec![1.0; channels.len()],
        (Weighting::BranchEqual, true, Some(routes)) => shares(routes),
        (Weighting::BranchEqual, true, None) => vec![1.0 / n; channels.len()],
        (Weighting::BranchEqual, false, _) => {
            shares(&channels.iter().map(|&c| c as f64).collect::<Vec<_>>())
        }
    }
}

/// The number of routes from the last split to each node; `None` outside of splits. Nodes are added
/// in the graph's order.
#[derive(Default)]
pub(crate) struct Routes(Vec<Option<f64>>);

impl Routes {
    /// The number of routes of a merge's inputs; `None` unless every input has routes.
    fn of(&self, inputs: &[res2lab_arch::NodeId]) -> Option<Vec<f64>> {
        inputs.iter().map(|id| self.0[id.0]).collect()
    }

    /// Adds the next node.
    pub(crate) fn push(&mut self, node: &res2lab_arch::Node) {
        let first = node.inputs.first().and_then(|id| self.0[id.0]);
        self.0.push(match Flow::of(&node.op) {
            Flow::Split => Some(1.0),
            Flow::Concat => None,
            Flow::Sum => self.of(&node.inputs).map(|routes| routes.iter().sum()),
            Flow::Image
            | Flow::Gate
            | Flow::Whole
            | Flow::Windows(_)
            | Flow::Resized(_)
            | Flow::Normalized
            | Flow::Pointwise => first,
        });
    }
}
