//! Random factors in training: drop path and dropout, as nodes of a graph of their own.

use crate::graph::{Dropout, Graph, Node, NodeId, Op, Per};

/// The rates of the random factors; 0 is off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NoiseRates {
    /// Probability that the residual branch of the last block is dropped for an image. It rises
    /// linearly from 0 at the first block (stochastic depth, Huang et al. 2016, as timm's).
    pub drop_path: f64,
    /// Probability that a feature before the last layer of a classifier is dropped. The heads that
    /// make maps have rates of their own.
    pub dropout: f64,
}

/// The graph with the nodes of drop path and dropout, for training; `None` if it has none. Its
/// state is that of `graph`, in the same order.
pub fn with_noise(graph: &Graph, rates: NoiseRates) -> Option<Graph> {
    let before = dropouts(graph, rates);
    if before.is_empty() {
        return None;
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len() + before.len());
    let mut moved = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let mut inputs: Vec<NodeId> = node.inputs.iter().map(|input| moved[input.0]).collect();
        if let Some(&Dropout { rate, per, .. }) = before.iter().find(|place| place.before == id) {
            let word = if per == Per::Image { "drop_path" } else { "dropout" };
            let shape = nodes[inputs[0].0].shape;
            let op = Op::Noise { rate, per };
            let name = format!("{}.{word}", node.name);
            nodes.push(Node { name, op, inputs: vec![inputs[0]], shape });
            inputs[0] = NodeId(nodes.len() - 1);
        }
        moved.push(NodeId(nodes.len()));
        nodes.push(Node { inputs, ..node.clone() });
    }
    let mut with = Graph { nodes, ..graph.clone() };
    with.state.iter_mut().for_each(|entry| entry.node = moved[entry.node.0]);
    with.stages.iter_mut().for_each(|stage| stage.node = moved[stage.node.0]);
    with.modules.values_mut().for_each(|node| *node = moved[node.0]);
    with.dropouts.clear();
    Some(with)
}

/// The nodes before whose first input a factor stands.
fn dropouts(graph: &Graph, rates: NoiseRates) -> Vec<Dropout> {
    let is_sum = |node: &Node| node.op == Op::Add && node.name.ends_with(".add");
    let sums: Vec<NodeId> =
        graph.iter().filter(|(_, node)| is_sum(node)).map(|(id, _)| id).collect();
    let last = sums.len().saturating_sub(1).max(1) as f64;
    let rate = |i: usize| rates.drop_path * i as f64 / last;
    let path = |(i, &before)| Dropout { before, rate: rate(i), per: Per::Image };
    let paths = sums.iter().enumerate().map(path);
    // The last layer of a classifier is linear, or a convolution of the pooled features.
    let last = Dropout { before: graph.output(), rate: rates.dropout, per: Per::Channel };
    let last = Some(last).filter(|_| !graph.is_dense());
    let all = paths.chain(last).chain(graph.dropouts.iter().copied());
    all.filter(|dropout| dropout.rate > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, zoo};

    #[test]
    fn rates_rise_with_depth_and_the_state_stays() {
        let entry = zoo::find("res2net50_26w_4s").unwrap();
        let graph = crate::build(&entry.words.resolve().unwrap().0, Input::square(64, 10)).unwrap();
        assert_eq!(with_noise(&graph, NoiseRates::default()), None);
        let rates = NoiseRates { drop_path: 0.15, dropout: 0.5 };
        let with = with_noise(&graph, rates).unwrap();
        let found: Vec<(&str, f64)> = with
            .nodes
            .iter()
            .filter_map(|node| match node.op {
                Op::Noise { rate, .. } => Some((node.name.as_str(), rate)),
                _ => None,
            })
            .collect();
        // Sixteen blocks, the first without, and the head.
        assert_eq!(found.len(), 16);
        assert_eq!(found[0], ("layer1.1.add.drop_path", 0.15 / 15.0));
        assert_eq!(found[14], ("layer4.2.add.drop_path", 0.15));
        assert_eq!(found[15], ("fc.dropout", 0.5));
        for (with, plain) in with.state.iter().zip(&graph.state) {
            assert_eq!((&with.name, &with.shape), (&plain.name, &plain.shape));
        }
        let branch = with.find("layer4.2.add.drop_path").unwrap();
        let sum = with.find("layer4.2.add").unwrap();
        assert_eq!(with.node(sum).inputs[0], branch);
        assert_eq!(with.node(with.node(branch).inputs[0]).name, "layer4.2.bn3");
    }
}
