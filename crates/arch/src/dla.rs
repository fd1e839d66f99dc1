//! Deep layer aggregation (Yu et al. 2018): trees whose roots concatenate the results of their
//! branches. Names and order follow timm. The unused projections of the authors' files are left out
//! (paper.md calls them dead).

use crate::Input;
use crate::blocks::{self, BlockConfig};
use crate::builder::Builder;
use crate::graph::{Conv, Graph, NodeId, Pool};
use crate::spec::{FirstBlock, ModelSpec, Stem};
use res2lab_error::Error;

/// Builds `base_layer`, `level0`, `level1`, the trees `level2` to `level5`, global pooling, and
/// `fc` (a 1x1 convolution).
pub fn build(spec: &ModelSpec, input: Input) -> Result<Graph, Error> {
    let (mut g, image) = Builder::new(input);
    // The cifar stem omits the first two reductions, so that 32 px end as 4 px instead of 1 px.
    let halves_early = spec.stem != Stem::Cifar;
    let early_stride = if halves_early { 2 } else { 1 };
    let x = plain(&mut g, "base_layer", image, Conv::new(7, spec.planes / 4));
    let x = plain(&mut g, "level0", x, Conv::new(3, spec.planes / 4));
    let mut x = plain(&mut g, "level1", x, Conv::new(3, spec.planes / 2).stride(early_stride));
    for (stage, &levels) in spec.blocks.iter().enumerate() {
        let name = format!("level{}", stage + 2);
        let stride = if stage == 0 { early_stride } else { 2 };
        let tree = Tree { spec, stage, out: (2 * spec.planes) << stage };
        // level2 has no level root in the published network.
        x = tree.grow(&mut g, &name, x, levels, stride, stage > 0, vec![]);
        g.stage(&name, x);
    }
    let pooled = g.global_pool("global_pool", x);
    g.conv("fc", pooled, Conv::new(1, input.classes).biased());
    g.finish()
}

fn plain(g: &mut Builder, at: &str, x: NodeId, conv: Conv) -> NodeId {
    let h = g.conv(&format!("{at}.0"), x, conv);
    let h = g.batch_norm(&format!("{at}.1"), h);
    let h = g.relu(&format!("{at}.2"), h);
    g.module(at, h)
}

/// The parameters that all trees of one stage share.
struct Tree<'a> {
    spec: &'a ModelSpec,
    stage: usize,
    out: usize,
}

impl Tree<'_> {
    /// Adds a tree of depth `levels` on `x`. The last root also concatenates the earlier results
    /// `children`.
    fn grow(
        &self,
        g: &mut Builder,
        at: &str,
        x: NodeId,
        levels: usize,
        stride: usize,
        level_root: bool,
        mut children: Vec<NodeId>,
    ) -> NodeId {
        let pool = Pool {
            kernel: stride,
            stride,
            padding: 0,
            ceil_mode: false,
            count_include_pad: true,
            after: 0,
        };
        let needs_bottom = level_root || levels == 1;
        let bottom = if stride > 1 && needs_bottom {
            g.max_pool(&format!("{at}.downsample"), x, pool)
        } else {
            x
        };
        if level_root {
            children.push(bottom);
        }
        let first = format!("{at}.tree1");
        let second = format!("{at}.tree2");
        if levels > 1 {
            let x1 = self.grow(g, &first, x, levels - 1, stride, false, vec![]);
            children.push(x1);
            let x2 = self.grow(g, &second, x1, levels - 1, 1, false, children);
            return g.module(at, x2);
        }
        let shortcut =
            if g.channels(bottom) == self.out { bottom } else { self.project(g, at, bottom) };
        let x1 = self.block(g, &first, x, shortcut, stride);
        let x2 = self.block(g, &second, x1, x1, 1);
        let joined: Vec<NodeId> = [x2, x1].into_iter().chain(children).collect();
        self.root(g, at, &joined)
    }

    fn project(&self, g: &mut Builder, at: &str, x: NodeId) -> NodeId {
        let h = g.conv(&format!("{at}.project.0"), x, Conv::new(1, self.out));
        g.batch_norm(&format!("{at}.project.1"), h)
    }

    fn block(
        &self,
        g: &mut Builder,
        at: &str,
        x: NodeId,
        shortcut: NodeId,
        stride: usize,
    ) -> NodeId {
        let config = BlockConfig {
            kind: self.spec.block,
            split: self.spec.dla_split_channels(self.stage),
            scale: self.spec.scale,
            cardinality: self.spec.cardinality,
            out: self.out,
            stride,
            dilation: 1,
            first: (stride > 1).then_some(FirstBlock::Pool),
            se: self.spec.se,
        };
        let branch = blocks::residual_branch(g, at, x, &config);
        blocks::add_shortcut(g, at, branch, shortcut)
    }

    fn root(&self, g: &mut Builder, at: &str, inputs: &[NodeId]) -> NodeId {
        let h = g.concat(&format!("{at}.root.concat"), inputs);
        let h = g.conv(&format!("{at}.root.conv"), h, Conv::new(1, self.out));
        let h = g.batch_norm(&format!("{at}.root.bn"), h);
        let h = g.relu(&format!("{at}.root.relu"), h);
        g.module(at, h)
    }
}
