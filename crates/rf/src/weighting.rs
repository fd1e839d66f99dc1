//! What a path counts. The two weightings are different questions and are never mixed.

use std::fmt;

/// How the weight of a path comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Every route counts one: a statement of combinatorics, not of importance.
    Structural,
    /// A sum counts its summands alike, a concatenation its channels; within the sums of splits,
    /// routes count alike.
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

/// The factors of the inputs of `node`, a sum or a concatenation.
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

/// `channels` of each input; `routes` since the split of each, where all come from one.
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

/// Routes from the last split to each node; None outside of splits. Walks with the graph, node by
/// node.
#[derive(Default)]
pub(crate) struct Routes(Vec<Option<f64>>);

impl Routes {
    /// Routes of the inputs of a merge, where all have some.
    fn of(&self, inputs: &[res2lab_arch::NodeId]) -> Option<Vec<f64>> {
        inputs.iter().map(|id| self.0[id.0]).collect()
    }

    /// Notes the next node.
    pub(crate) fn push(&mut self, node: &res2lab_arch::Node) {
        let first = node.inputs.first().and_then(|id| self.0[id.0]);
        self.0.push(match node.op {
            res2lab_arch::Op::Slice { .. } => Some(1.0),
            res2lab_arch::Op::Concat => None,
            res2lab_arch::Op::Add => self.of(&node.inputs).map(|routes| routes.iter().sum()),
            _ => first,
        });
    }
}
