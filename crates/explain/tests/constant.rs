//! With constant weights, the gradient of a unit counts the paths exactly: its sum is the number of
//! paths, its support the largest receptive field, its profile the analytic effective receptive
//! field.

mod common;

use common::{net, scalar, without_epsilon};
use res2lab_arch::{Input, ModelOverrides, NodeId, Op, Role, StateEntry, build};
use res2lab_explain::{ErfOptions, Sign, erf};
use res2lab_rf::Weighting;
use tch::{Device, Kind, Tensor};

/// Every convolution averages its inputs, except that splits are summed.
fn constant(graph: &res2lab_arch::Graph, entry: &StateEntry) -> Tensor {
    scalar(match entry.role {
        Role::ConvWeight => {
            let Op::Conv(conv) = graph.node(entry.node).op else {
                panic!("a convolution has its weight")
            };
            let fan_in = (entry.shape[1] * conv.kernel * conv.kernel) as f64;
            let name = &graph.node(entry.node).name;
            // The 1x1 after the concatenation sums the splits, and averages within each split.
            let splits =
                if name.ends_with("conv3") { splits_before(graph, entry.node) as f64 } else { 1.0 };
            splits / fan_in
        }
        Role::NormWeight | Role::RunningVar => 1.0,
        Role::LinearWeight => 0.1,
        _ => 0.0,
    })
}

fn splits_before(graph: &res2lab_arch::Graph, conv: NodeId) -> usize {
    let before = graph.node(graph.node(conv).inputs[0]);
    if before.op == Op::Concat { before.inputs.len() } else { 1 }
}

#[test]
fn the_gradient_of_a_constant_network_is_its_paths() {
    for scale in [1, 2, 4, 8] {
        let words = ModelOverrides {
            block: Some(res2lab_arch::BlockKind::Res2),
            stem: Some(res2lab_arch::Stem::Cifar),
            blocks: Some(vec![2, 3, 2]),
            planes: Some(8),
            width: Some(64),
            scale: Some(scale),
            ..ModelOverrides::default()
        };
        let side = if scale == 8 { 160 } else { 96 };
        let graph =
            without_epsilon(build(&words.resolve().unwrap().0, Input::square(side, 2)).unwrap());
        let net = net(graph, constant);
        let end = res2lab_rf::last_stage(net.graph());
        let images = Tensor::ones([1, 3, side as i64, side as i64], (Kind::Double, Device::Cpu));
        // All channels of the unit are equal, so the sum is divided by their number.
        let channels = net.graph().node(end).shape.channels as f64;
        let options = ErfOptions { sign: Sign::Absolute, relu: false };
        let found = erf(&net, &images, &[end], options).unwrap().remove(0);
        let paths = res2lab_rf::paths(net.graph(), Weighting::Structural, &[end]).remove(0);
        let count = 10f64.powf(paths.log10_count());
        let sum = found.mean.sum() / channels;
        assert!((sum / count - 1.0).abs() < 1e-9, "scale {scale}: {sum} and {count}");

        let field = found.field;
        let (x0, x1, y0, y1) = found.mean.support().unwrap();
        let expected = (found.unit.0 as i64 * field.jump + field.low) as usize;
        assert_eq!((x0, y0), (expected, expected), "scale {scale}");
        assert_eq!(
            ((x1 - x0 + 1) as i64, (y1 - y0 + 1) as i64),
            (field.max_px(), field.max_px()),
            "scale {scale}"
        );

        // Every kernel's rows sum to one, so the sum over rows is the profile along one axis.
        let (low, profile) = res2lab_rf::spread::profile(net.graph(), Weighting::Structural, end);
        let left = found.unit.0 as i64 * field.jump + low;
        for (i, weight) in profile.iter().enumerate() {
            let x = (left + i as i64) as usize;
            let column: f64 =
                found.mean.values.iter().skip(x).step_by(found.mean.width).sum::<f64>() / channels;
            assert!(
                (column - weight).abs() <= 1e-9 * count,
                "scale {scale}, pixel {x}: {column} and {weight}"
            );
        }
        let sigma = res2lab_rf::spread::sigmas(net.graph(), Weighting::Structural)[end.0];
        let (sx, sy) = found.mean.sigma().unwrap();
        assert!(
            (sx / sigma - 1.0).abs() < 1e-9 && (sy / sigma - 1.0).abs() < 1e-9,
            "scale {scale}: {sx} {sigma}"
        );
        assert!(!found.is_saturated());
        println!("scale {scale}: {count} paths, {} px, sigma {sigma:.3} px", field.max_px());
    }
}
