//! Chains of blocks: ResNet, ResNeXt, SENet, Res2Net, Res2NeXt and v1b.

use crate::blocks::{self, BlockConfig};
use crate::builder::Builder;
use crate::graph::{Conv, Graph, NodeId, Pool};
use crate::spec::{Downsample, ModelSpec, Stem};
use crate::{Input, Invalid};

/// Output channels of a bottleneck are this many times its planes.
const EXPANSION: usize = 4;

/// Stem, stages `layer1` .., mean over the map, `fc`.
pub fn build(spec: &ModelSpec, input: Input) -> Result<Graph, Invalid> {
    let (mut g, image) = Builder::new(input);
    let mut x = stem(&mut g, image, spec);
    for (index, &count) in spec.blocks.iter().enumerate() {
        let name = format!("layer{}", index + 1);
        for block in 0..count {
            let stride = if index > 0 && block == 0 { 2 } else { 1 };
            x = add_block(
                &mut g,
                &format!("{name}.{block}"),
                x,
                spec,
                spec.planes << index,
                stride,
                block == 0,
            );
        }
        g.stage(&name, x);
    }
    let pooled = g.global_pool("global_pool", x);
    g.linear("fc", pooled, input.classes);
    g.finish()
}

fn stem(g: &mut Builder, image: NodeId, spec: &ModelSpec) -> NodeId {
    let max_pool =
        Pool { kernel: 3, stride: 2, padding: 1, ceil_mode: false, count_include_pad: true };
    match spec.stem {
        Stem::Cifar => {
            let h = g.conv("conv1", image, Conv::new(3, spec.planes).stride(spec.stem_stride));
            let h = g.batch_norm("bn1", h);
            g.relu("relu", h)
        }
        Stem::Imagenet => {
            let h = g.conv("conv1", image, Conv::new(7, 64).stride(2));
            let h = g.batch_norm("bn1", h);
            let h = g.relu("relu", h);
            g.max_pool("maxpool", h, max_pool)
        }
        Stem::Deep => {
            // In checkpoints the three convolutions are entries 0, 3 and 6 of a sequence called
            // conv1.
            let h = g.conv("conv1.0", image, Conv::new(3, 32).stride(2));
            let h = g.batch_norm("conv1.1", h);
            let h = g.relu("conv1.2", h);
            let h = g.conv("conv1.3", h, Conv::new(3, 32));
            let h = g.batch_norm("conv1.4", h);
            let h = g.relu("conv1.5", h);
            let h = g.conv("conv1.6", h, Conv::new(3, 64));
            let h = g.batch_norm("bn1", h);
            let h = g.relu("relu", h);
            g.max_pool("maxpool", h, max_pool)
        }
    }
}

fn add_block(
    g: &mut Builder,
    at: &str,
    x: NodeId,
    spec: &ModelSpec,
    planes: usize,
    stride: usize,
    is_first: bool,
) -> NodeId {
    let config = BlockConfig {
        kind: spec.block,
        split: planes * spec.width / 64 * spec.cardinality,
        scale: spec.scale,
        cardinality: spec.cardinality,
        out: planes * EXPANSION,
        stride,
        first: is_first.then_some(spec.first_block),
        se: spec.se,
    };
    let branch = blocks::residual_branch(g, at, x, &config);
    let changes_shape = stride != 1 || g.channels(x) != config.out;
    let shortcut =
        if changes_shape { downsample(g, at, x, spec.downsample, config.out, stride) } else { x };
    blocks::add_shortcut(g, at, branch, shortcut)
}

/// The projected shortcut. In checkpoints an average pool takes index 0, also where a stride of 1
/// leaves it out.
fn downsample(
    g: &mut Builder,
    at: &str,
    x: NodeId,
    how: Downsample,
    out: usize,
    stride: usize,
) -> NodeId {
    let name = |i: usize| format!("{at}.downsample.{i}");
    match how {
        Downsample::Conv => {
            let h = g.conv(&name(0), x, Conv::new(1, out).stride(stride));
            g.batch_norm(&name(1), h)
        }
        Downsample::Avg => {
            let pool = Pool {
                kernel: stride,
                stride,
                padding: 0,
                ceil_mode: true,
                count_include_pad: false,
            };
            let h = if stride > 1 { g.avg_pool(&name(0), x, pool) } else { x };
            let h = g.conv(&name(1), h, Conv::new(1, out));
            g.batch_norm(&name(2), h)
        }
    }
}
