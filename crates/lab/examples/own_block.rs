//! A network of blocks that res2lab does not have, from the nodes up: its cost, its receptive field
//! and a few training steps follow from the graph.
//!
//!     cargo run --release -p res2lab-lab --example own_block

use res2lab_arch::builder::Builder;
use res2lab_arch::{Conv, Graph, Input, NodeId, cost};
use res2lab_error::Error;
use res2lab_nn::{Engine, Net, Objective, Placement, Targets, init, step};
use tch::{Device, Kind, Tensor};

/// The basic block of ResNet (He et al. 2016, figure 5, left): two 3x3 convolutions.
fn basic_block(g: &mut Builder, at: &str, x: NodeId, channels: usize) -> NodeId {
    let h = g.conv_bn_relu(at, "1", x, Conv::new(3, channels));
    let h = g.conv_bn(at, "2", h, Conv::new(3, channels));
    let sum = g.add(&format!("{at}.add"), &[h, x]);
    g.relu(&format!("{at}.relu"), sum)
}

/// A stem, `blocks` blocks in one stage, pooling and a classifier.
fn network(blocks: usize, input: Input) -> Result<Graph, Error> {
    let (mut g, image) = Builder::new(input);
    let mut x = g.conv("conv1", image, Conv::new(3, 16));
    x = g.batch_norm("bn1", x);
    x = g.relu("relu", x);
    for block in 0..blocks {
        x = basic_block(&mut g, &format!("layer1.{block}"), x, 16);
    }
    g.stage("layer1", x);
    let pooled = g.global_pool("global_pool", x);
    g.linear("fc", pooled, input.classes);
    g.finish()
}

fn main() -> Result<(), Error> {
    let (rf_px, losses) = run()?;
    println!("receptive field: {rf_px} px; loss: {:.3} to {:.3}", losses[0], losses[1]);
    Ok(())
}

/// The receptive field in pixels, and the loss before and after training on one batch.
fn run() -> Result<(i64, [f64; 2]), Error> {
    let graph = network(3, Input::square(16, 4))?;
    let costs = cost(&graph);
    println!("{} parameters, {} multiply-adds", costs.parameters, costs.macs);
    let stage = res2lab_rf::last_stage(&graph);
    let rf_px = res2lab_rf::fields(&graph)[stage.0].max_px();
    let placement = Placement::new(Engine::Planned, &graph, Device::Cpu, Kind::Float);
    let mut net = Net::new(graph, placement)?;
    init::init(net.params_mut(), 0);
    // Each class is one level of brightness.
    let labels = Tensor::arange(32, (Kind::Int64, Device::Cpu)).remainder(4);
    let levels = labels.to_kind(Kind::Float).view([32, 1, 1, 1]) / 3.0;
    let images = net.prepare(&(levels * Tensor::ones([32, 3, 16, 16], (Kind::Float, Device::Cpu))));
    let targets = Targets::plain(labels);
    let mut training = step::of_engine(&net, Objective::cross_entropy(0.0))?;
    let sgd = res2lab_nn::Sgd { weight_decay: 1e-4, decay_weights_only: false, nesterov: false };
    let mut losses = Vec::new();
    for i in 0..10 {
        let scale = res2lab_nn::GradScale::ONE;
        let found = training.forward_backward(&mut net, &images, &targets, scale);
        losses.push(found.loss.double_value(&[]));
        let rates = res2lab_nn::Rates { lr: 0.05, momentum: 0.9 };
        sgd.step(net.params_mut(), rates, i == 0, None)?;
    }
    Ok((rf_px, [losses[0], losses[9]]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        let (rf_px, losses) = super::run().expect("a trained network");
        // Seven 3x3 convolutions of stride 1.
        assert_eq!(rf_px, 15);
        assert!(losses[1] < 0.5 * losses[0], "{losses:?}");
    }
}
