//! The cost of a network, counted on its graph.

use crate::graph::{Graph, Node, Op};

/// The cost of a network for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Number of parameters.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers, as in the paper's tables.
    pub macs: u64,
    /// Number of outputs of convolutions and linear layers, as pycls and timm count activations.
    pub activations: u64,
    /// Number of values that a backward pass keeps: outputs of convolutions, norms, pools, sums,
    /// resizes and concatenations.
    pub kept_for_backward: u64,
}

/// Counts the cost of `graph` for images of its input size.
pub fn cost(graph: &Graph) -> Cost {
    let parameters =
        graph.state.iter().filter(|e| e.role.is_trained()).map(|e| e.elements() as u64).sum();
    let mut total = Cost { parameters, ..Cost::default() };
    for node in &graph.nodes {
        let macs = macs(graph, node);
        let elements = node.shape.elements() as u64;
        total.macs += macs;
        if macs > 0 {
            total.activations += elements;
        }
        // A split is a view, and a ReLU overwrites its input.
        if !matches!(node.op, Op::Slice { .. } | Op::Relu) {
            total.kept_for_backward += elements;
        }
    }
    total
}

/// Multiply-adds of one node.
pub fn macs(graph: &Graph, node: &Node) -> u64 {
    let from = || graph.node(node.inputs[0]).shape;
    let each = match node.op {
        Op::Conv(c) => from().channels / c.groups * c.kernel * c.kernel,
        Op::Linear { .. } => from().elements(),
        Op::Input
        | Op::BatchNorm { .. }
        | Op::GroupNorm { .. }
        | Op::Relu
        | Op::Sigmoid
        | Op::Add
        | Op::Gate
        | Op::Noise { .. }
        | Op::Slice { .. }
        | Op::Concat
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::GlobalPool
        | Op::Resize(_) => 0,
    };
    (node.shape.elements() * each) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build, zoo};

    /// Parameters and multiply-adds at 224 px, from paper.md section 2 (verified there against
    /// timm's published figures).
    const PUBLISHED: [(&str, u64, f64); 13] = [
        ("res2net50_48w_2s", 25_287_304, 4.160),
        ("res2net50_26w_4s", 25_699_120, 4.255),
        ("res2net50_14w_8s", 25_059_816, 4.179),
        ("res2net50_26w_6s", 37_051_448, 6.296),
        ("res2net50_26w_8s", 48_403_776, 8.336),
        ("res2net101_26w_4s", 45_206_688, 8.067),
        ("res2next50", 24_671_464, 4.173),
        ("dla60_res2net", 20_848_072, 4.123),
        ("dla60_res2next", 17_032_984, 3.459),
        ("res2net50d", 25_718_352, 4.495),
        ("res2net101d", 45_225_920, 8.307),
        ("res2net152d", 61_294_480, 12.118),
        ("res2net50_18w_4s", 18_095_104, 2.898),
    ];

    /// The networks of the paper's table 4 with 100 classes at 32 px, from paper.md section 3.5.
    const TABLE_4: [(&str, u64, f64); 7] = [
        ("resnext29_8c64w", 34_518_948, 5.387),
        ("res2next29_6c24w4s_pool", 23_705_732, 3.852),
        ("res2next29_6c24w4s", 24_360_932, 3.948),
        ("res2next29_8c25w4s", 33_905_236, 5.505),
        ("res2next29_6c24w6s", 36_801_380, 5.975),
        ("res2next29_6c24w4s_se", 24_882_740, 3.948),
        ("res2next29_6c24w6s_se", 37_323_188, 5.975),
    ];

    #[test]
    fn published_parameters_and_multiply_adds() {
        for (name, parameters, giga) in PUBLISHED.into_iter().chain(TABLE_4) {
            let entry = zoo::find(name).unwrap();
            let (spec, _) = entry.words.resolve().unwrap();
            let cost = cost(&build(&spec, entry.input).unwrap());
            assert_eq!(cost.parameters, parameters, "{name}");
            // The figures are published to a thousandth. Table 4 does not count the multiply-adds
            // of SE.
            assert!((cost.macs as f64 / 1e9 - giga).abs() < 0.0015, "{name}: {}", cost.macs);
        }
    }
}
