//! Evaluation with more threads than images: threads divide rows and channels of each layer among
//! them, and compute the same numbers as one thread does.

use res2lab_arch::{Graph, HeadKind, Input, ModelOverrides, build};
use res2lab_planned::Inference;

const SIDE: usize = 32;

fn wave(n: usize, seed: usize) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| (((i * 37 + seed * 11) % 101) as f64 - 50.0) / 400.0)
}

fn logits(graph: &Graph, images: usize, threads: usize) -> Vec<f64> {
    // A variance is positive.
    let entry = |i: usize| wave(graph.state[i].elements(), i).map(f64::abs).collect();
    let mut inference = Inference::<f64>::new(graph, entry, images, threads);
    let pixels: Vec<f64> = wave(images * 3 * SIDE * SIDE, 3).collect();
    inference.logits(&pixels)
}

#[test]
fn eight_threads_evaluate_few_images_as_one_thread_does() {
    for (name, head) in [
        ("res2next50", None),
        ("seresnet50", None),
        ("res2net50_26w_4s", Some(HeadKind::Fpn)),
        ("res2net50d", Some(HeadKind::DeepLabV3Plus)),
    ] {
        let words = res2lab_arch::zoo::find(name).unwrap().words;
        let spec = ModelOverrides { head, ..words }.resolve().unwrap().0;
        let input = Input { height: SIDE, width: SIDE, channels: 3, classes: 21 };
        let graph = build(&spec, input).unwrap();
        for images in [1, 3] {
            let alone = logits(&graph, images, 1);
            assert!(alone.iter().all(|logit| logit.is_finite()) && alone[0] != alone[1]);
            let together = logits(&graph, images, 8);
            assert!(together == alone, "{name}, {images} images");
        }
    }
}
