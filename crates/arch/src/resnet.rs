//! Networks that are chains of blocks: ResNet, ResNeXt, SENet, Res2Net, Res2NeXt and v1b.

use crate::Input;
use crate::blocks::{self, BlockConfig};
use crate::builder::Builder;
use crate::graph::{Conv, Graph, NodeId, Pool};
use crate::heads::Features;
use crate::spec::{Downsample, ModelSpec, Stem};
use res2lab_error::Error;

/// Ratio of a bottleneck's output channels to its planes.
const EXPANSION: usize = 4;

/// Builds the stem, the stages `layer1` .., global pooling, and `fc`.
pub fn build(spec: &ModelSpec, input: Input) -> Result<Graph, Error> {
    let (mut g, image) = Builder::new(input);
    let features = features(&mut g, image, spec);
    let pooled = g.global_pool("global_pool", features.last());
    g.linear("fc", pooled, input.classes);
    g.finish()
}

/// Adds the stem and the stages.
pub(crate) fn features(g: &mut Builder, image: NodeId, spec: &ModelSpec) -> Features {
    let (first, mut x) = stem(g, image, spec);
    let mut stages = Vec::new();
    let mut dilation = 1;
    for (index, (stride, dilated)) in strides(spec).into_iter().enumerate() {
        let name = format!("layer{}", index + 1);
        for block in 0..spec.blocks[index] {
            let is_first = block == 0;
            let of = Place {
                planes: spec.planes << index,
                stride: if is_first { stride } else { 1 },
                // The taps of a stage's first block are as far apart as those of the stage before.
                dilation,
                of_stage: dilated,
                is_first,
            };
            x = add_block(g, &format!("{name}.{block}"), x, spec, of);
            dilation = dilated;
        }
        g.stage(&name, x);
        stages.push(x);
    }
    Features { image, first, stages }
}

/// The stride and the dilation of each stage. Where `output_stride` is reached, further strides
/// become dilations, as in timm.
fn strides(spec: &ModelSpec) -> Vec<(usize, usize)> {
    let most = spec.output_stride.unwrap_or(usize::MAX);
    let mut reached = 4;
    let mut dilation = 1;
    let stage = |index: usize| {
        let stride = if index == 0 { 1 } else { 2 };
        if reached >= most {
            dilation *= stride;
            return (1, dilation);
        }
        reached *= stride;
        (stride, dilation)
    };
    (0..spec.blocks.len()).map(stage).collect()
}

/// Adds the stem. Returns its map before the pool, and its result.
fn stem(g: &mut Builder, image: NodeId, spec: &ModelSpec) -> (NodeId, NodeId) {
    let max_pool = Pool {
        kernel: 3,
        stride: 2,
        padding: 1,
        ceil_mode: false,
        count_include_pad: true,
        after: 0,
    };
    match spec.stem {
        Stem::Cifar => {
            let h = g.conv("conv1", image, Conv::new(3, spec.planes).stride(spec.stem_stride));
            let h = g.batch_norm("bn1", h);
            let h = g.relu("relu", h);
            (h, h)
        }
        Stem::Imagenet => {
            let h = g.conv("conv1", image, Conv::new(7, 64).stride(2));
            let h = g.batch_norm("bn1", h);
            let h = g.relu("relu", h);
            (h, g.max_pool("maxpool", h, max_pool))
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
            (h, g.max_pool("maxpool", h, max_pool))
        }
    }
}

/// Where a block stands.
#[derive(Clone, Copy)]
struct Place {
    planes: usize,
    stride: usize,
    /// The dilation of its 3x3 convolutions.
    dilation: usize,
    /// The dilation of the stage's other blocks.
    of_stage: usize,
    is_first: bool,
}

fn add_block(g: &mut Builder, at: &str, x: NodeId, spec: &ModelSpec, of: Place) -> NodeId {
    let Place { planes, stride, dilation, is_first, .. } = of;
    let config = BlockConfig {
        kind: spec.block,
        split: planes * spec.width / 64 * spec.cardinality,
        scale: spec.scale,
        cardinality: spec.cardinality,
        out: planes * EXPANSION,
        stride,
        dilation,
        first: is_first.then_some(spec.first_block),
        se: spec.se,
    };
    let branch = blocks::residual_branch(g, at, x, &config);
    let changes_shape = stride != 1 || g.channels(x) != config.out;
    let shortcut =
        if changes_shape { downsample(g, at, x, spec.downsample, config.out, of) } else { x };
    blocks::add_shortcut(g, at, branch, shortcut)
}

/// The projection shortcut. In checkpoints, index 0 is reserved for the average pool, even if a
/// stride of 1 makes the pool unnecessary.
fn downsample(
    g: &mut Builder,
    at: &str,
    x: NodeId,
    how: Downsample,
    out: usize,
    Place { stride, of_stage, .. }: Place,
) -> NodeId {
    let name = |i: usize| format!("{at}.downsample.{i}");
    match how {
        Downsample::Conv => {
            let h = g.conv(&name(0), x, Conv::new(1, out).stride(stride));
            g.batch_norm(&name(1), h)
        }
        Downsample::Avg => {
            // A stage whose stride has become a dilation keeps the pool's kernel, and the map's
            // size.
            let after = usize::from(stride == 1);
            let kernel = stride.max(2);
            let (padding, ceil_mode, count_include_pad) = (0, true, false);
            let pool = Pool { kernel, stride, padding, ceil_mode, count_include_pad, after };
            let is_pooled = stride > 1 || of_stage > 1;
            let h = if is_pooled { g.avg_pool(&name(0), x, pool) } else { x };
            let h = g.conv(&name(1), h, Conv::new(1, out));
            g.batch_norm(&name(2), h)
        }
    }
}
