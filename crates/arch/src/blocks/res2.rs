//! The Res2 block (paper section 3.1, figure 2b), in the three forms that published networks
//! contain.

use super::BlockConfig;
use crate::builder::Builder;
use crate::graph::{Conv, NodeId, Pool};
use crate::spec::FirstBlock;

/// 1x1 convolution, then the splits, then 1x1 convolution.
pub(super) fn branch(g: &mut Builder, at: &str, x: NodeId, c: &BlockConfig) -> NodeId {
    let h = g.conv_bn_relu(at, "1", x, Conv::new(1, c.split * c.scale));
    let h = match c.first {
        Some(FirstBlock::Grouped) if c.scale > 1 => grouped(g, at, h, c),
        Some(_) => independent(g, at, h, c),
        None => hierarchical(g, at, h, c),
    };
    g.conv_bn(at, "3", h, Conv::new(1, c.out))
}

/// Equation 1 of the paper: y_i = K_i(x_i + y_{i-1}). The equation leaves the first split
/// unchanged, the paper's code the *last* one. The two forms are mirror images; this function
/// follows the code, which determines the layout of the weights.
fn hierarchical(g: &mut Builder, at: &str, h: NodeId, c: &BlockConfig) -> NodeId {
    if c.scale == 1 {
        return unit(g, at, 0, h, c);
    }
    let x = g.split(&format!("{at}.split"), h, c.scale);
    let mut y = vec![unit(g, at, 0, x[0], c)];
    for i in 1..c.scale - 1 {
        let sum = g.add(&format!("{at}.sum.{i}"), &[y[i - 1], x[i]]);
        y.push(unit(g, at, i, sum, c));
    }
    y.push(x[c.scale - 1]);
    g.concat(&format!("{at}.concat"), &y)
}

/// The first block of a stage as published for ImageNet: no sums, and the last split is
/// average-pooled.
fn independent(g: &mut Builder, at: &str, h: NodeId, c: &BlockConfig) -> NodeId {
    if c.scale == 1 {
        return unit(g, at, 0, h, c);
    }
    let x = g.split(&format!("{at}.split"), h, c.scale);
    let mut y: Vec<NodeId> = (0..c.scale - 1).map(|i| unit(g, at, i, x[i], c)).collect();
    let pool = Pool {
        kernel: 3,
        stride: c.stride,
        padding: 1,
        ceil_mode: false,
        count_include_pad: true,
        after: 0,
    };
    y.push(g.avg_pool(&format!("{at}.pool"), x[c.scale - 1], pool));
    g.concat(&format!("{at}.concat"), &y)
}

/// The first block of a stage as the authors trained it on CIFAR: one 3x3 convolution over all
/// splits.
fn grouped(g: &mut Builder, at: &str, h: NodeId, c: &BlockConfig) -> NodeId {
    let conv = Conv::new(3, c.split * c.scale).stride(c.stride).groups(c.cardinality * c.scale);
    let conv = conv.dilated(c.dilation);
    g.conv_bn_relu(at, "2", h, conv)
}

/// K_i of equation 1: 3x3 convolution, batch norm, ReLU.
fn unit(g: &mut Builder, at: &str, i: usize, x: NodeId, c: &BlockConfig) -> NodeId {
    let conv = Conv::new(3, c.split).stride(c.stride).groups(c.cardinality).dilated(c.dilation);
    let h = g.conv(&format!("{at}.convs.{i}"), x, conv);
    let h = g.batch_norm(&format!("{at}.bns.{i}"), h);
    g.relu(&format!("{at}.relus.{i}"), h)
}
