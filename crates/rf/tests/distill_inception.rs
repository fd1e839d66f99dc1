//! The Inception networks in the table of Araujo, Norris and Sim (Distill, 2019), built with all
//! their branches: concatenations and sums of paths of unequal length.
//!
//! Padding is not asserted. The networks mix layers with and without padding, and the article's
//! padding is TensorFlow's SAME for one image size, which pads even sizes on the far side only.
//! Here every layer is padded so that branches are aligned: sizes and strides equal the article's,
//! offsets do not.
//!
//! Receptive fields are along rows: a 1x7 is a window of seven, a 7x1 a window of one.

use res2lab_arch::builder::Builder;
use res2lab_arch::{Conv, Graph, Input, NodeId, Pool};
use res2lab_rf::fields;

/// A network under construction; nodes are named by their number.
struct Net(Builder, usize);

impl Net {
    fn name(&mut self) -> String {
        self.1 += 1;
        format!("n{}", self.1)
    }

    fn conv(&mut self, x: NodeId, kernel: usize, stride: usize) -> NodeId {
        let name = self.name();
        self.0.conv(
            &name,
            x,
            Conv {
                out: 4,
                kernel,
                stride,
                padding: kernel / 2,
                dilation: 1,
                groups: 1,
                bias: false,
            },
        )
    }

    fn pool(&mut self, x: NodeId, stride: usize) -> NodeId {
        let name = self.name();
        let pool = Pool {
            kernel: 3,
            stride,
            padding: 1,
            ceil_mode: false,
            count_include_pad: true,
            after: 0,
        };
        self.0.max_pool(&name, x, pool)
    }

    fn convs(&mut self, x: NodeId, layers: &[(usize, usize)]) -> NodeId {
        layers.iter().fold(x, |x, (kernel, stride)| self.conv(x, *kernel, *stride))
    }

    /// Parallel branches of convolutions (kernel, stride) and, with `pool`, a branch with a pool of
    /// this stride.
    fn mixed(&mut self, x: NodeId, branches: &[&[(usize, usize)]], pool: Option<usize>) -> NodeId {
        let mut ends: Vec<NodeId> = branches.iter().map(|layers| self.convs(x, layers)).collect();
        if let Some(stride) = pool {
            let pooled = self.pool(x, stride);
            ends.push(if stride == 1 { self.conv(pooled, 1, 1) } else { pooled });
        }
        let name = self.name();
        self.0.concat(&name, &ends)
    }

    /// Parallel branches, projected to the channels of `x` by a 1x1 convolution and added to `x`.
    fn residual(&mut self, x: NodeId, branches: &[&[(usize, usize)]]) -> NodeId {
        let joined = self.mixed(x, branches, None);
        let conv = self.name();
        let sum = self.name();
        let out = self.0.channels(x);
        let up = self.0.conv(
            &conv,
            joined,
            Conv { out, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 1, bias: false },
        );
        self.0.add(&sum, &[x, up])
    }

    fn times(
        &mut self,
        n: usize,
        x: NodeId,
        mut block: impl FnMut(&mut Net, NodeId) -> NodeId,
    ) -> NodeId {
        (0..n).fold(x, |x, _| block(self, x))
    }
}

/// Size, stride, smallest size, and misalignment of the paths.
fn row(build: impl Fn(&mut Net, NodeId) -> NodeId) -> (i64, i64, i64, f64) {
    let (builder, image) = Builder::new(Input::square(256, 10));
    let mut net = Net(builder, 0);
    build(&mut net, image);
    let graph: Graph = net.0.finish().unwrap();
    let field = fields(&graph)[graph.output().0];
    // The distribution of paths has the same extremes as the interval.
    let paths = res2lab_rf::paths(&graph, res2lab_rf::Weighting::Structural, &[graph.output()])
        .pop()
        .unwrap();
    let summary = paths.summary().unwrap();
    assert_eq!((summary.min_px as i64, summary.max_px as i64), (field.min_px(), field.max_px()));
    (field.max_px(), field.jump, field.min_px(), field.misalignment_px())
}

const SHORT: &[(usize, usize)] = &[(1, 1)];
const ONE: &[(usize, usize)] = &[(1, 1), (3, 1)];
const DOUBLE: &[(usize, usize)] = &[(1, 1), (3, 1), (3, 1)];
const FIVE: &[(usize, usize)] = &[(1, 1), (5, 1)];
const DOWN: &[(usize, usize)] = &[(1, 1), (3, 2)];
const DOUBLE_DOWN: &[(usize, usize)] = &[(1, 1), (3, 1), (3, 2)];
/// 1x7 and 7x1.
const SEVEN: &[(usize, usize)] = &[(1, 1), (7, 1), (1, 1)];
/// 7x1, 1x7, 7x1, 1x7.
const TWO_SEVENS: &[(usize, usize)] = &[(1, 1), (1, 1), (7, 1), (1, 1), (7, 1)];
const SEVEN_DOWN: &[(usize, usize)] = &[(1, 1), (7, 1), (1, 1), (3, 2)];

fn inception_v2(net: &mut Net, image: NodeId) -> NodeId {
    let x = net.conv(image, 7, 2);
    let x = net.pool(x, 2);
    let x = net.convs(x, &[(1, 1), (3, 1)]);
    let x = net.pool(x, 2);
    let usual = |net: &mut Net, x| net.mixed(x, &[SHORT, ONE, DOUBLE], Some(1));
    let down = |net: &mut Net, x| net.mixed(x, &[DOWN, DOUBLE_DOWN], Some(2));
    let x = net.times(2, x, usual);
    let x = down(net, x);
    let x = net.times(4, x, usual);
    let x = down(net, x);
    net.times(2, x, usual)
}

fn inception_v3(net: &mut Net, image: NodeId) -> NodeId {
    let x = net.convs(image, &[(3, 2), (3, 1), (3, 1)]);
    let x = net.pool(x, 2);
    let x = net.convs(x, &[(1, 1), (3, 1)]);
    let x = net.pool(x, 2);
    let x = net.times(3, x, |net, x| net.mixed(x, &[SHORT, FIVE, DOUBLE], Some(1)));
    let x = net.mixed(x, &[&[(3, 2)], DOUBLE_DOWN], Some(2));
    let x = net.times(4, x, |net, x| net.mixed(x, &[SHORT, SEVEN, TWO_SEVENS], Some(1)));
    let x = net.mixed(x, &[DOWN, SEVEN_DOWN], Some(2));
    // Each 3x3 at the end is a 1x3 in parallel with a 3x1.
    let beside = |net: &mut Net, x| {
        let after = net.convs(x, ONE);
        let ends = [
            net.conv(x, 1, 1),
            net.convs(x, &[(1, 1), (3, 1)]),
            net.convs(x, &[(1, 1), (1, 1)]),
            net.conv(after, 3, 1),
            net.conv(after, 1, 1),
        ];
        let name = net.name();
        net.0.concat(&name, &ends)
    };
    net.times(2, x, beside)
}

fn inception_v4(net: &mut Net, image: NodeId) -> NodeId {
    let x = net.convs(image, &[(3, 2), (3, 1), (3, 1)]);
    let x = net.mixed(x, &[&[(3, 2)]], Some(2));
    let x = net.mixed(x, &[&[(1, 1), (3, 1)], &[(1, 1), (7, 1), (1, 1), (3, 1)]], None);
    let x = net.mixed(x, &[&[(3, 2)]], Some(2));
    let x = net.times(4, x, |net, x| net.mixed(x, &[SHORT, ONE, DOUBLE], Some(1)));
    let x = net.mixed(x, &[&[(3, 2)], DOUBLE_DOWN], Some(2));
    let x = net.times(7, x, |net, x| net.mixed(x, &[SHORT, SEVEN, TWO_SEVENS], Some(1)));
    let x = net.mixed(x, &[DOWN, SEVEN_DOWN], Some(2));
    // 1x3 in parallel with 3x1; in the longer branch after a 1x3 and a 3x1 in sequence.
    let branches: [&[(usize, usize)]; 5] = [
        SHORT,
        ONE,
        &[(1, 1), (1, 1)],
        &[(1, 1), (1, 1), (3, 1), (3, 1)],
        &[(1, 1), (1, 1), (3, 1), (1, 1)],
    ];
    net.times(3, x, |net, x| net.mixed(x, &branches, Some(1)))
}

fn inception_resnet_v2(net: &mut Net, image: NodeId) -> NodeId {
    let x = net.convs(image, &[(3, 2), (3, 1), (3, 1)]);
    let x = net.pool(x, 2);
    let x = net.convs(x, &[(1, 1), (3, 1)]);
    let x = net.pool(x, 2);
    let x = net.mixed(x, &[SHORT, FIVE, DOUBLE], Some(1));
    let x = net.times(10, x, |net, x| net.residual(x, &[SHORT, ONE, DOUBLE]));
    let x = net.mixed(x, &[&[(3, 2)], DOUBLE_DOWN], Some(2));
    let x = net.times(20, x, |net, x| net.residual(x, &[SHORT, SEVEN]));
    let x = net.mixed(x, &[DOWN, DOWN, DOUBLE_DOWN], Some(2));
    net.times(10, x, |net, x| net.residual(x, &[SHORT, &[(1, 1), (3, 1), (1, 1)]]))
}

/// The smallest sizes are computed by hand: the stem, and the shortest branch of each block. Every
/// kernel is odd and padded by half, so every path has the same center.
#[test]
fn rows_of_the_article() {
    assert_eq!(row(inception_v2), (699, 32, 7 + 4 + 8 + 8 + 16 + 32, 0.0));
    assert_eq!(row(inception_v3), (1311, 32, 3 + 4 + 4 + 4 + 8 + 8 + 16 + 32, 0.0));
    assert_eq!(row(inception_v4), (2071, 32, 3 + 4 + 4 + 4 + 8 + 8 + 16 + 32, 0.0));
    assert_eq!(row(inception_resnet_v2), (3039, 32, 3 + 4 + 4 + 4 + 8 + 8 + 16 + 32, 0.0));
}

/// A layer without padding beside a padded one shifts its center. The article's tool rejects such a
/// graph; here the misalignment is reported.
#[test]
fn a_branch_without_padding_is_reported() {
    let (builder, image) = Builder::new(Input::square(63, 10));
    let mut net = Net(builder, 0);
    let padded = net.convs(image, &[(3, 1), (3, 2)]);
    let conv =
        Conv { out: 4, kernel: 3, stride: 2, padding: 1, dilation: 1, groups: 1, bias: false };
    let even = net.0.conv("even", image, Conv { kernel: 2, padding: 1, ..conv });
    net.0.concat("joined", &[padded, even]);
    let graph = net.0.finish().unwrap();
    let field = fields(&graph)[graph.output().0];
    assert_eq!((field.max_px(), field.jump, field.misalignment_px()), (5, 2, 0.5));
}
