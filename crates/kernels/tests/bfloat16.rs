//! Planes that are stored as bfloat16: rounding against the crate `half`, and convolutions against
//! the same convolutions in float32, bit by bit.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::convolution::{self, IMAGES, both, convolve, sizes, view};
use common::{run_with_other_instruction_sets, values};
use res2lab_kernels::instruction_set::{InstructionSet, current, use_instruction_set};
use res2lab_kernels::pool::{AveragePool, MaxPool, PoolShape};
use res2lab_kernels::{Bf16, ConvKernel, ConvShape, Share, Stored, pointwise};

fn bits(values: &[Bf16]) -> Vec<u16> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn rounded(values: &[f32]) -> Vec<u16> {
    values.iter().map(|value| Bf16::from_f32(*value).to_bits()).collect()
}

/// A product of two values in bfloat16 has at most 16 bits, so float32 has it exactly: many lie
/// half-way between two values in bfloat16.
#[test]
fn values_are_rounded_to_nearest_even() {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, -3e-39, 3.39e38];
    let planes = 40;
    for len in [1, 5, 8, 15, 16, 17, 33, 100] {
        let (mut x, mut reals) = both(planes * len, 1);
        for (i, value) in special.into_iter().cycle().take(planes * len / 3).enumerate() {
            x[3 * i] = Bf16::from_f32(value);
            reals[3 * i] = x[3 * i].to_f32();
        }
        let (factors, of_factors) = both(planes, 2);
        let products: Vec<f32> =
            reals.iter().enumerate().map(|(i, x)| x * of_factors[i / len]).collect();
        let mut out = vec![Bf16::ZERO; planes * len];
        let [mut x, mut factors] = [&x, &factors].map(Vec::clone);
        // SAFETY: each view covers one of the vectors above.
        unsafe {
            let [x, out] = [&mut x, &mut out].map(|memory| view(memory, planes, 1, len));
            pointwise::gate(x, view(&mut factors, planes, 1, 1), out, false, 0..1);
        }
        let nan = |bits: &u16| Bf16::from_bits(*bits).is_nan();
        for (i, (ours, wanted)) in bits(&out).iter().zip(rounded(&products)).enumerate() {
            let is_equal = *ours == wanted || (nan(ours) && nan(&wanted));
            assert!(is_equal, "{} gives {ours:x}, not {wanted:x}", products[i]);
        }
    }
}

fn shapes() -> Vec<ConvShape> {
    let of = convolution::shape;
    vec![
        of(13, 17, 13, 3, 1, 1),
        of(12, 9, 20, 3, 2, 2),
        of(16, 12, 70, 1, 1, 1),
        of(96, 7, 66, 1, 1, 1),
        of(8, 15, 70, 1, 2, 1),
        of(3, 30, 16, 7, 2, 1),
    ]
}

/// Sums are in float32 in the same order, so results are those of float32, rounded once.
#[test]
fn convolutions_are_those_of_float32_rounded_once() {
    // AMX tiles sum in an order of their own; tests/amx.rs compares them.
    use_instruction_set(current().min(InstructionSet::Avx512));
    for shape in shapes() {
        let (rows, cols) = shape.output();
        let [inputs, outputs] = sizes(shape);
        let (x, x_real) = both(inputs, 3);
        let (dy, dy_real) = both(outputs, 4);
        let (_, weights) = both(shape.weights_len(), 5);
        let stored = convolve(shape, [x, dy], &weights, false, 1);
        let real = convolve(shape, [x_real, dy_real], &weights, false, 1);
        assert!(bits(&stored.out) == rounded(&real.out), "forward, {shape:?}");
        let [ours, theirs] = [bits(&stored.input_gradient), rounded(&real.input_gradient)];
        assert!(ours == theirs, "input's gradient, {shape:?}");
        assert!(stored.weights_gradient == real.weights_gradient, "weights' gradient, {shape:?}");
        let plane = rows * cols;
        for (channel, sum) in stored.sums[..shape.out].iter().enumerate() {
            let of = |image: usize| &stored.out[(image * shape.out + channel) * plane..][..plane];
            let wanted: f64 = (0..IMAGES).flat_map(of).map(|value| f64::from(value.to_f32())).sum();
            assert!((sum - wanted).abs() < 1e-3 * plane as f64, "sums, {shape:?}");
        }
    }
}

/// Weights that bfloat16 does not represent are rounded as they are packed.
#[test]
fn packed_weights_are_rounded() {
    use_instruction_set(current().min(InstructionSet::Avx512));
    let shape = shapes()[0];
    let conv = ConvKernel::new(shape);
    let weights = values::<f32>(shape.weights_len(), 6);
    let near: Vec<f32> = weights.iter().map(|weight| Bf16::from_f32(*weight).to_f32()).collect();
    let mut packed = [vec![0.0; conv.packed_len()], vec![0.0; conv.packed_len()]];
    // SAFETY: the vectors have the length of the packed weights.
    unsafe { conv.pack_share::<Bf16>(&weights, packed[0].as_mut_ptr(), Share::WHOLE) };
    conv.pack::<f32>(&near, &mut packed[1]);
    assert!(packed[0] == packed[1] && near != weights);
}

#[test]
fn pools_are_those_of_float32_rounded_once() {
    let shape = PoolShape {
        height: 13,
        width: 19,
        kernel: 3,
        stride: 2,
        padding: 1,
        ceil_mode: false,
        after: 0,
    };
    let (rows, cols) = shape.output();
    let channels = 5;
    let (x, reals) = both(channels * 13 * 19, 7);
    fn pooled<T: Stored<Real = f32>>(shape: PoolShape, x: &mut [T], out: usize) -> [Vec<T>; 2] {
        let (rows, cols) = shape.output();
        let mut pools = [vec![T::default(); out], vec![T::default(); out]];
        let average = AveragePool::new(shape, true);
        let maximum = MaxPool::new(shape);
        let mut scratch = vec![0.0f32; average.scratch_len().max(maximum.scratch_len())];
        let x = view(x, 5, shape.height, shape.width);
        let [a, b] = pools.each_mut().map(|memory| view(memory, 5, rows, cols));
        // SAFETY: each view covers one of the vectors above.
        unsafe {
            average.forward(x, a, 0..1, &mut scratch);
            maximum.infer(x, b, 0..1, &mut scratch);
        }
        pools
    }
    let stored = pooled(shape, &mut x.clone(), channels * rows * cols);
    let real = pooled(shape, &mut reals.clone(), channels * rows * cols);
    for (stored, real) in stored.iter().zip(&real) {
        assert!(bits(stored) == rounded(real));
    }
}

#[test]
fn other_instruction_sets_are_right_too() {
    run_with_other_instruction_sets("other_instruction_sets_are_right_too");
}
