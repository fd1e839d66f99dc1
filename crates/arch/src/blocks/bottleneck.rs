//! The plain bottleneck of ResNet (He et al. 2016) and, with cardinality, of ResNeXt (Xie et al.
//! 2017).

use super::BlockConfig;
use crate::builder::Builder;
use crate::graph::{Conv, NodeId};

/// 1x1 convolution to the inner width, 3x3 with stride and groups, 1x1 to the output channels.
pub(super) fn branch(g: &mut Builder, at: &str, x: NodeId, c: &BlockConfig) -> NodeId {
    let h = g.conv_bn_relu(at, "1", x, Conv::new(1, c.split));
    let conv = Conv::new(3, c.split).stride(c.stride).groups(c.cardinality).dilated(c.dilation);
    let h = g.conv_bn_relu(at, "2", h, conv);
    g.conv_bn(at, "3", h, Conv::new(1, c.out))
}
