//! Convolutions against plain loops in f64.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::{Tensor, close, near, values};
use proptest::prelude::*;
use res2lab_kernels::{
    ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, MaskedSums, NormBackward, Real,
    Share, Stored,
};

/// Shapes of 1x1 convolutions with enough outputs for outer products.
fn wide_shapes() -> impl Strategy<Value = ConvShape> {
    (1..=2usize, 1..=2usize, 1..=60usize, 60..=90usize, 3..=20usize, 3..=30usize).prop_map(
        |(stride, groups, channels, out, height, width)| ConvShape {
            channels: channels * groups,
            height,
            width,
            out: out * groups,
            kernel: 1,
            stride,
            padding: 0,
            dilation: 1,
            groups,
        },
    )
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let kernels = prop_oneof![
        Just((1, 0)),
        Just((3, 1)),
        Just((3, 0)),
        Just((7, 3)),
        Just((2, 1)),
        Just((5, 4)),
        Just((3, 2))
    ];
    (kernels, 1..=3usize, 1..=3usize, 1..=17usize, 1..=17usize, 7..=20usize, 7..=20usize).prop_map(
        |((kernel, padding), stride, groups, channels, out, height, width)| ConvShape {
            channels: channels * groups,
            height,
            width,
            out: out * groups,
            kernel,
            stride,
            padding,
            dilation: 1,
            groups,
        },
    )
}

/// Convolutions whose taps are up to farther apart than the image is large, some of each channel by
/// itself.
fn dilated_shapes() -> impl Strategy<Value = ConvShape> {
    let kernels = prop_oneof![3 => Just((3, 1)), 1 => Just((3, 0)), 1 => Just((5, 2))];
    let sizes = (1..=3usize, 1..=5usize, 1..=5usize, 7..=15usize, 7..=15usize, any::<bool>());
    (kernels, 1..=24usize, sizes).prop_map(
        |((kernel, padding), dilation, (groups, channels, out, height, width, depthwise))| {
            let padding = padding * dilation;
            // The taps of an image without padding lie within it.
            let dilation = if padding == 0 { 1 + dilation % 3 } else { dilation };
            let groups = if depthwise { groups * 7 } else { groups };
            let [channels, out] = if depthwise { [1, 1] } else { [channels, out] };
            ConvShape {
                channels: channels * groups,
                height,
                width,
                out: out * groups,
                kernel,
                stride: 1,
                padding,
                dilation,
                groups,
            }
        },
    )
}

/// Calls `each` for every weight with the elements of input and output that it connects.
fn visit(shape: &ConvShape, images: usize, mut each: impl FnMut(usize, usize, usize)) {
    let (rows, cols) = shape.output();
    let channels = shape.channels / shape.groups;
    let out = shape.out / shape.groups;
    let k = shape.kernel;
    for image in 0..images {
        for o in 0..shape.out {
            for c in 0..channels {
                for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                    for (y, x) in (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x))) {
                        let sy = y * shape.stride + ky * shape.dilation;
                        let sx = x * shape.stride + kx * shape.dilation;
                        let inside = |at: usize, size: usize| {
                            at >= shape.padding && at < size + shape.padding
                        };
                        if !inside(sy, shape.height) || !inside(sx, shape.width) {
                            continue;
                        }
                        let channel = image * shape.channels + o / out * channels + c;
                        let input = (channel * shape.height + sy - shape.padding) * shape.width
                            + sx
                            - shape.padding;
                        let output = ((image * shape.out + o) * rows + y) * cols + x;
                        each(((o * channels + c) * k + ky) * k + kx, input, output);
                    }
                }
            }
        }
    }
}

fn convolved(shape: &ConvShape, images: usize, weights: &[f64], input: &[f64]) -> Vec<f64> {
    let (rows, cols) = shape.output();
    let mut output = vec![0.0; images * shape.out * rows * cols];
    visit(shape, images, |w, i, o| output[o] += weights[w] * input[i]);
    output
}

/// Runs a function for two ranges that together cover all images.
fn in_two(images: usize, mut run: impl FnMut(std::ops::Range<usize>)) {
    run(0..images / 2);
    run(images / 2..images);
}

fn forward_is_right<T: Real + Stored>(shape: ConvShape, images: usize, seed: u64, tolerance: f64) {
    let conv = ConvKernel::new(shape);
    let (rows, cols) = shape.output();
    let weights: Vec<T> = values(shape.weights_len(), seed);
    let mut first =
        Tensor::<T>::random(images, shape.channels, shape.height, shape.width, 3, seed + 1);
    let mut second =
        Tensor::<T>::random(images, shape.channels, shape.height, shape.width, 0, seed + 2);
    let mut residual = Tensor::<T>::random(images, shape.out, rows, cols, 1, seed + 3);
    let bias: Vec<T> = values(shape.out, seed + 4);
    let mut packed = vec![T::ZERO; conv.packed_len()];
    conv.pack::<T>(&weights, &mut packed);
    let mut scratch = vec![T::from_f64(f64::NAN); conv.scratch_len()];
    let both: Vec<f64> = first.dense().iter().zip(second.dense()).map(|(a, b)| a + b).collect();
    let weights: Vec<f64> = weights.iter().map(|w| w.to_f64()).collect();
    let expected = convolved(&shape, images, &weights, &both);

    let mut out = Tensor::<T>::random(images, shape.out, rows, cols, 5, seed + 5);
    let mut sums = vec![1.0; 2 * shape.out];
    in_two(images, |range| unsafe {
        let inputs = [first.view(), second.view()];
        let epilogue = Epilogue::Sums(&mut sums);
        conv.forward(&packed, &inputs, out.view(), epilogue, range, &mut scratch, Share::WHOLE);
    });
    close(&out.dense(), &expected, tolerance);
    out.check_gaps();
    let plane = rows * cols;
    let mut wanted = vec![1.0; 2 * shape.out];
    for (i, value) in out.dense().iter().enumerate() {
        wanted[i / plane % shape.out] += value;
        wanted[shape.out + i / plane % shape.out] += value * value;
    }
    close(&sums, &wanted, tolerance);

    let added = residual.view();
    let alone = convolved(&shape, images, &weights, &first.dense());
    let relu: Vec<f64> = residual
        .dense()
        .iter()
        .zip(&alone)
        .enumerate()
        .map(|(i, (r, a))| (r + a + bias[i / plane % shape.out].to_f64()).max(0.0))
        .collect();
    for threads in 1..4 {
        let mut out = Tensor::<T>::random(images, shape.out, rows, cols, 5, seed + 5);
        for index in (0..threads).rev() {
            let share = Share { index, of: threads };
            in_two(images, |range| unsafe {
                let epilogue =
                    Epilogue::Activate { bias: Some(&bias), residual: Some(added), relu: true };
                let input = [first.view()];
                conv.forward(&packed, &input, out.view(), epilogue, range, &mut scratch, share);
            });
        }
        // The results of the ReLU may be small compared with the terms of the sum.
        let scale = alone.iter().fold(1.0f64, |most, value| most.max(value.abs()));
        near(&out.dense(), &relu, scale * tolerance);
        out.check_gaps();
    }
}

fn backward_is_right<T: Real + Stored>(
    shape: ConvShape,
    images: usize,
    seed: u64,
    masked: bool,
    norm: bool,
    tolerance: f64,
) {
    let conv = ConvKernel::new(shape);
    let (rows, cols) = shape.output();
    let weights: Vec<T> = values(shape.weights_len(), seed);
    let mut input =
        Tensor::<T>::random(images, shape.channels, shape.height, shape.width, 3, seed + 1);
    let [mut of, mut x] =
        [2, 4].map(|i| Tensor::<T>::random(images, shape.out, rows, cols, i, seed + i as u64));
    let [a, b, c] = [5, 6, 7].map(|i| values::<T>(shape.out, seed + i));
    let channel = |i: usize| i / (rows * cols) % shape.out;
    let mut gradient = of.dense();
    if norm {
        through_norm(&mut gradient, &x.dense(), |i| [&a, &b, &c].map(|n| n[channel(i)].to_f64()));
    }
    // The values before the call, which are accumulated into or overwritten.
    let keeps = seed.is_multiple_of(2);
    let before = if keeps { 1.0 } else { f64::NAN };
    let start = if keeps { before } else { 0.0 };
    let mut expected_weights = vec![start; weights.len()];
    let mut expected = vec![0.0; input.dense().len()];
    let from = input.dense();
    visit(&shape, images, |w, i, o| {
        expected_weights[w] += gradient[o] * from[i];
        expected[i] += gradient[o] * weights[w].to_f64();
    });

    let mut packed = vec![T::ZERO; conv.packed_backward_len()];
    conv.pack_backward::<T>(&weights, &mut packed);
    let mut scratch = vec![T::from_f64(f64::NAN); conv.backward_scratch_len()];
    let mut weight_gradient = vec![T::from_f64(before); weights.len()];
    let [mut stored, mut added] = [8, 9].map(|i| {
        Tensor::<T>::random(images, shape.channels, shape.height, shape.width, 2, seed + i)
    });
    let before = added.dense();
    let mut ends = [10, 20].map(|i| End::<T>::new(&shape, images, seed + i));
    let masked = masked && shape.stride == 1;
    in_two(images, |range| unsafe {
        let norm = norm.then(|| NormBackward {
            x: x.view(),
            dy_coefficient: &a,
            x_coefficient: &b,
            constant: &c,
        });
        let gradient = Gradient { of: of.view(), norm };
        let [stored_masked, added_masked] = &mut ends;
        let stored_sums = stored_masked.masked_sums(masked);
        let added_sums = added_masked.masked_sums(masked);
        let epilogue = |add, masked_sums| Epilogue::Gradient { add, masked_sums };
        let mut into = [
            InputGradient { into: stored.view(), epilogue: epilogue(false, &stored_sums) },
            InputGradient { into: added.view(), epilogue: epilogue(true, &added_sums) },
        ];
        let inputs = [input.view()];
        let weight_gradient = Some((&mut weight_gradient[..], keeps || range.start > 0));
        conv.backward(&gradient, &inputs, &packed, weight_gradient, &mut into, range, &mut scratch);
    });
    close(&weight_gradient, &expected_weights, tolerance);
    let sums: Vec<f64> = before.iter().zip(&expected).map(|(a, b)| a + b).collect();
    let [stored_masked, added_masked] = &mut ends;
    close(&stored.dense(), &stored_masked.expected(masked, expected, tolerance), tolerance);
    close(&added.dense(), &added_masked.expected(masked, sums, tolerance), tolerance);
    stored.check_gaps();
    added.check_gaps();
}

/// The gradient of a norm's input, from that of its output and the coefficients of each element.
fn through_norm(gradient: &mut [f64], x: &[f64], coefficients: impl Fn(usize) -> [f64; 3]) {
    for (i, (g, x)) in gradient.iter_mut().zip(x).enumerate() {
        let [a, b, c] = coefficients(i);
        *g = a * *g + b * x + c;
    }
}

/// The ReLU and the norm before some channels of a gradient, and the norm's sums.
struct End<T> {
    channels: std::ops::Range<usize>,
    of: usize,
    relu: Tensor<T>,
    x: Tensor<T>,
    mean: Vec<T>,
    sums: Vec<f64>,
}

impl<T: Real + Stored> End<T> {
    fn new(shape: &ConvShape, images: usize, seed: u64) -> End<T> {
        let channels = shape.channels / 3..shape.channels;
        let tensor = |i| {
            Tensor::random(images, channels.len(), shape.height, shape.width, i as usize, seed + i)
        };
        let mean = values(channels.len(), seed + 3);
        let sums = vec![0.5; 2 * channels.len()];
        End { relu: tensor(1), x: tensor(2), mean, sums, of: shape.channels, channels }
    }

    fn masked_sums(&mut self, wanted: bool) -> Vec<MaskedSums<'_, T>> {
        if !wanted {
            return vec![];
        }
        let relu = self.relu.view();
        let x = self.x.view();
        let channels = self.channels.clone();
        let (sum, products) = self.sums.split_at_mut(channels.len());
        vec![MaskedSums {
            channels,
            relu,
            x,
            mean: &self.mean,
            sums: [sum.as_mut_ptr(), products.as_mut_ptr()],
        }]
    }

    /// The expected gradient after masking. Also checks the sums.
    fn expected(&mut self, wanted: bool, mut gradient: Vec<f64>, tolerance: f64) -> Vec<f64> {
        if !wanted {
            return gradient;
        }
        let relu = self.relu.dense();
        let x = self.x.dense();
        let count = self.channels.len();
        let plane = self.relu.view().plane_len();
        let mut sums = vec![0.5; 2 * count];
        let mut sizes = vec![0.5; 2 * count];
        for (i, g) in gradient.iter_mut().enumerate() {
            let image = i / plane / self.of;
            let channel = i / plane % self.of;
            let Some(of) = channel.checked_sub(self.channels.start) else { continue };
            let at = (image * count + of) * plane + i % plane;
            *g = if relu[at] > 0.0 { *g } else { 0.0 };
            for (at, term) in [(of, *g), (count + of, *g * (x[at] - self.mean[of].to_f64()))] {
                sums[at] += term;
                sizes[at] += term.abs();
            }
        }
        // The terms have both signs and may almost cancel, but rounding errors are relative to the
        // terms.
        near(&self.sums, &sums, tolerance * sizes.into_iter().fold(0.0, f64::max));
        gradient
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn forward(shape in shapes(), images in 1..6usize, seed in any::<u32>()) {
        forward_is_right::<f64>(shape, images, seed.into(), 1e-12);
        forward_is_right::<f32>(shape, images, seed.into(), 1e-5);
    }

    #[test]
    fn backward(shape in shapes(), images in 1..6usize, seed in any::<u32>(), masked: bool, norm: bool) {
        backward_is_right::<f64>(shape, images, seed.into(), masked, norm, 1e-12);
        backward_is_right::<f32>(shape, images, seed.into(), masked, norm, 1e-5);
    }

    #[test]
    fn dilated(shape in dilated_shapes(), images in 1..3usize, seed in any::<u32>(), norm: bool) {
        forward_is_right::<f64>(shape, images, seed.into(), 1e-12);
        forward_is_right::<f32>(shape, images, seed.into(), 1e-5);
        backward_is_right::<f64>(shape, images, seed.into(), true, norm, 1e-12);
        backward_is_right::<f32>(shape, images, seed.into(), true, norm, 1e-5);
    }

    #[test]
    fn wide(shape in wide_shapes(), images in 1..4usize, seed in any::<u32>(), norm: bool) {
        backward_is_right::<f64>(shape, images, seed.into(), true, norm, 1e-12);
        backward_is_right::<f32>(shape, images, seed.into(), true, norm, 1e-5);
    }
}

/// Tests sizes that are divided into strips, depth blocks and cache blocks.
#[test]
fn large() {
    let shape = |channels, size, out, kernel, stride| ConvShape {
        channels,
        height: size,
        width: size,
        out,
        kernel,
        stride,
        padding: kernel / 2,
        dilation: 1,
        groups: 1,
    };
    for shape in [
        shape(3, 97, 10, 7, 2),
        shape(26, 56, 26, 3, 1),
        shape(26, 56, 26, 3, 2),
        shape(104, 14, 104, 3, 1),
        shape(300, 7, 290, 1, 1),
        shape(64, 56, 30, 1, 1),
        shape(64, 28, 30, 1, 2),
        shape(64, 56, 104, 1, 1),
        shape(52, 28, 100, 1, 2),
        ConvShape { dilation: 12, padding: 12, ..shape(24, 40, 8, 3, 1) },
        ConvShape { dilation: 2, padding: 2, groups: 96, ..shape(96, 40, 96, 3, 1) },
    ] {
        forward_is_right::<f64>(shape, 2, 5, 1e-12);
        backward_is_right::<f64>(shape, 2, 6, true, true, 1e-12);
        backward_is_right::<f64>(shape, 2, 7, false, false, 1e-12);
    }
}

#[test]
fn other_instruction_sets_are_right_too() {
    common::run_with_other_instruction_sets("other_instruction_sets_are_right_too");
}
