//! Networks with weights that tests choose.

#![allow(dead_code, reason = "each test file uses its own part")]

use res2lab_arch::{Graph, NodeId, Op, Pool, StateEntry};
use res2lab_nn::{Engine, Layout, Net, Placement};
use tch::{Device, Kind, Tensor};

/// The graph in double precision on the CPU, its state set entry by entry.
pub(crate) fn net(graph: Graph, values: impl Fn(&Graph, &StateEntry) -> Tensor) -> Net {
    let placement = Placement {
        device: Device::Cpu,
        kind: Kind::Double,
        layout: Layout::Contiguous,
        engine: Engine::Planned,
    };
    let mut net = Net::new(graph, placement).unwrap();
    for i in 0..net.params().entries().len() {
        let entry = net.params().entries()[i].clone();
        let value = values(net.graph(), &entry);
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        net.params_mut()
            .set(i, &(Tensor::zeros(shape.as_slice(), (Kind::Double, Device::Cpu)) + value));
    }
    net
}

pub(crate) fn scalar(x: f64) -> Tensor {
    Tensor::from(x).to_kind(Kind::Double)
}

/// Removes every ReLU and group norm, and replaces max pools by average pools, which leaves a linear
/// network in which only windows and resizes join pixels.
pub(crate) fn linear(mut graph: Graph) -> Graph {
    let source = |graph: &Graph, mut id: NodeId| {
        while matches!(graph.node(id).op, Op::Relu | Op::GroupNorm { .. }) {
            id = graph.node(id).inputs[0];
        }
        id
    };
    for i in 0..graph.nodes.len() {
        let inputs = graph.nodes[i].inputs.iter().map(|id| source(&graph, *id)).collect();
        graph.nodes[i].inputs = inputs;
        if let Op::MaxPool(pool) = graph.nodes[i].op {
            graph.nodes[i].op = Op::AvgPool(Pool { count_include_pad: true, ..pool });
        }
    }
    graph
}

/// Removes epsilon from batch norm, which then divides by the exact standard deviation.
pub(crate) fn without_epsilon(mut graph: Graph) -> Graph {
    for node in &mut graph.nodes {
        if let Op::BatchNorm { eps, .. } = &mut node.op {
            *eps = 0.0;
        }
    }
    graph
}
