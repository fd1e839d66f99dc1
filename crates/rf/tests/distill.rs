//! The chain and residual networks in the table of Araujo, Norris and Sim, "Computing Receptive
//! Fields of Convolutional Neural Networks" (Distill, 2019): size, effective stride and effective
//! padding of the last feature map. Networks with concatenated branches are in
//! distill_inception.rs.

use res2lab_arch::builder::Builder;
use res2lab_arch::{Conv, Graph, Input, NodeId, Pool};
use res2lab_rf::fields;

/// TensorFlow pads even sizes at stride 2 on the far side only; `padding` is the padding before.
fn conv(g: &mut Builder, x: NodeId, kernel: usize, stride: usize, padding: usize) -> NodeId {
    let conv = Conv { out: 8, kernel, stride, padding, dilation: 1, groups: 1, bias: false };
    let name = format!("c{}", x.0);
    g.conv(&name, x, conv)
}

fn pool(g: &mut Builder, x: NodeId, kernel: usize, stride: usize) -> NodeId {
    let name = format!("p{}", x.0);
    g.max_pool(
        &name,
        x,
        Pool { kernel, stride, padding: 0, ceil_mode: false, count_include_pad: true, after: 0 },
    )
}

fn row(build: impl Fn(&mut Builder, NodeId) -> NodeId) -> (i64, i64, i64) {
    let (mut g, image) = Builder::new(Input::square(1024, 10));
    build(&mut g, image);
    let graph: Graph = g.finish().unwrap();
    let field = fields(&graph)[graph.output().0];
    assert_eq!(field.misalignment_px(), 0.0);
    (field.max_px(), field.jump, -field.low)
}

fn alexnet(g: &mut Builder, image: NodeId) -> NodeId {
    let x = conv(g, image, 11, 4, 0);
    let x = pool(g, x, 3, 2);
    let x = conv(g, x, 5, 1, 2);
    let x = pool(g, x, 3, 2);
    let x = (0..3).fold(x, |x, _| conv(g, x, 3, 1, 1));
    pool(g, x, 3, 2)
}

fn vgg16(g: &mut Builder, image: NodeId) -> NodeId {
    [2, 2, 3, 3, 3].into_iter().fold(image, |x, convs| {
        let x = (0..convs).fold(x, |x, _| conv(g, x, 3, 1, 1));
        pool(g, x, 2, 2)
    })
}

fn mobilenet(g: &mut Builder, image: NodeId) -> NodeId {
    let strides = [2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1];
    strides.into_iter().fold(image, |x, stride| conv(g, x, 3, stride, usize::from(stride == 1)))
}

/// TF-Slim's ResNet: the stride is in the last unit of a block, whose shortcut is a pool of size
/// one.
fn resnet(units: [usize; 4]) -> impl Fn(&mut Builder, NodeId) -> NodeId {
    move |g, image| {
        let x = conv(g, image, 7, 2, 3);
        let mut x = pool(g, x, 3, 2);
        for (block, &n) in units.iter().enumerate() {
            for unit in 0..n {
                let stride = if unit + 1 == n && block < 3 { 2 } else { 1 };
                let h = conv(g, x, 3, stride, 1);
                let shortcut = if stride == 2 { pool(g, x, 1, 2) } else { conv(g, x, 1, 1, 0) };
                x = g.add(&format!("a{block}.{unit}"), &[h, shortcut]);
            }
        }
        x
    }
}

#[test]
fn rows_of_the_article() {
    assert_eq!(row(alexnet), (195, 32, 64));
    assert_eq!(row(vgg16), (212, 32, 90));
    // The narrower mobilenet_v1_075 has the same windows, and the same row in the article.
    assert_eq!(row(mobilenet), (315, 32, 126));
    assert_eq!(row(resnet([3, 4, 6, 3])), (483, 32, 239));
    assert_eq!(row(resnet([3, 4, 23, 3])), (1027, 32, 511));
    assert_eq!(row(resnet([3, 8, 36, 3])), (1507, 32, 751));
    assert_eq!(row(resnet([3, 24, 36, 3])), (1763, 32, 879));
}

/// The same networks with the stride in the 3x3 of a stage's first block, as in torchvision, timm
/// and Res2Net.
#[test]
fn with_the_stride_in_the_first_block_fields_are_smaller() {
    let zoo = |name: &str| {
        let entry = res2lab_arch::zoo::find(name).unwrap();
        res2lab_rf::extent(
            &res2lab_arch::build(&entry.words.resolve().unwrap().0, entry.input).unwrap(),
        )
        .max_px
    };
    assert_eq!(["resnet50", "resnet101", "resnet152"].map(zoo), [427, 971, 1451]);
}
