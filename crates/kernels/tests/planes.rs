//! Norms, pools and elementwise operations, against plain loops in f64.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::{Tensor, near, values};
use proptest::prelude::*;
use res2lab_kernels::norm::{self, Affine, Residual};
use res2lab_kernels::pool::{AveragePool, MaxPool, PoolShape, global};
use res2lab_kernels::{Gradient, NormBackward, Real, Stored, View, pointwise};

const IMAGES: usize = 3;
/// Channels of the tensors that pools are tested with.
const CHANNELS: usize = 2;

/// Compares sums of hundreds of terms of size one, which may almost cancel: relative to the largest
/// sum, but at least to the size of a term.
fn sums_close(found: &[f64], expected: &[f64], tolerance: f64) {
    let most = expected.iter().fold(1.0f64, |most, sum| most.max(sum.abs()));
    near(found, expected, most * tolerance);
}

fn sums_are_right<T: Real + Stored>(
    x: &mut Tensor<T>,
    channels: usize,
    channel: impl Fn(usize) -> usize,
    tolerance: f64,
) {
    let mut sums = vec![1.0; 2 * channels];
    let mut wanted = vec![1.0; 2 * channels];
    unsafe { norm::sums(x.view(), 0..IMAGES, &mut sums) };
    for (i, value) in x.dense().iter().enumerate() {
        wanted[channel(i)] += value;
        wanted[channels + channel(i)] += value * value;
    }
    sums_close(&sums, &wanted, tolerance);
}

fn norms_are_right<T: Real + Stored>(
    channels: usize,
    height: usize,
    width: usize,
    seed: u64,
    tolerance: f64,
) {
    let tensor =
        |i: u64| Tensor::<T>::random(IMAGES, channels, height, width, i as usize, seed + i);
    let [mut x, mut residual, mut out, mut gradient, mut into] = [0, 1, 2, 3, 4].map(tensor);
    let numbers: [Vec<T>; 4] = [5, 6, 7, 8].map(|i| values(channels, seed + i));
    let number = |which: usize, i: usize| numbers[which][i / (height * width) % channels].to_f64();
    let channel = |i: usize| i / (height * width) % channels;
    let dx = x.dense();
    let dr = residual.dense();
    let dg = gradient.dense();
    sums_are_right(&mut x, channels, channel, tolerance);

    let affine = |i: usize| Affine { scale: &numbers[i], shift: &numbers[i + 1] };
    let added = Some(Residual { view: residual.view(), affine: Some(affine(2)) });
    unsafe { norm::normalize(x.view(), affine(0), added, true, out.view(), 0..IMAGES) };
    let all = |i: usize| dx[i] * number(0, i) + number(1, i) + dr[i] * number(2, i) + number(3, i);
    near(&out.dense(), &(0..dx.len()).map(|i| all(i).max(0.0)).collect::<Vec<_>>(), tolerance);
    let masks = out.dense();

    let mut sums = vec![1.0; 2 * channels];
    let mut wanted = vec![1.0; 2 * channels];
    let mut backward_sums = |gradient: View<T>, relu: Option<View<T>>, sums: &mut [f64]| {
        let (first, second) = sums.split_at_mut(channels);
        unsafe {
            norm::backward_sums(gradient, relu, x.view(), &numbers[0], 0..IMAGES, [first, second])
        };
    };
    backward_sums(gradient.view(), Some(out.view()), &mut sums);
    let masked = |i: usize| if masks[i] > 0.0 { dg[i] } else { 0.0 };
    for i in 0..dx.len() {
        wanted[channel(i)] += masked(i);
        wanted[channels + channel(i)] += masked(i) * (dx[i] - number(0, i));
    }
    sums_close(&sums, &wanted, tolerance);

    // The gradient is masked in place, and masking it again changes nothing.
    near(&gradient.dense(), &(0..dx.len()).map(masked).collect::<Vec<_>>(), tolerance);
    let mut again = vec![1.0; 2 * channels];
    backward_sums(gradient.view(), None, &mut again);
    assert_eq!(again, sums);
    gradient.check_gaps();

    let before = into.dense();
    let norm = NormBackward {
        x: x.view(),
        dy_coefficient: &numbers[1],
        x_coefficient: &numbers[2],
        constant: &numbers[3],
    };
    let full = Gradient { of: gradient.view(), norm: Some(norm) };
    let through = |i: usize| number(1, i) * masked(i) + number(2, i) * dx[i] + number(3, i);
    unsafe { norm::input_gradient(&full, into.view(), true, 0..IMAGES) };
    near(
        &into.dense(),
        &(0..dx.len()).map(|i| before[i] + through(i)).collect::<Vec<_>>(),
        tolerance,
    );
    unsafe { norm::input_gradient(&full, into.view(), false, 0..IMAGES) };
    near(&into.dense(), &(0..dx.len()).map(through).collect::<Vec<_>>(), tolerance);

    unsafe { norm::normalize(x.view(), affine(0), None, false, into.view(), 0..IMAGES) };
    let plain: Vec<f64> = (0..dx.len()).map(|i| dx[i] * number(0, i) + number(1, i)).collect();
    near(&into.dense(), &plain, tolerance);
    into.check_gaps();
    out.check_gaps();
}

fn windows(shape: &PoolShape, mut each: impl FnMut(usize, &[usize], usize)) {
    let (rows, cols) = shape.output();
    let k = shape.kernel;
    let p = shape.padding;
    let after = shape.after;
    for plane in 0..IMAGES * CHANNELS {
        for (y, x) in (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x))) {
            let axis = |i: usize, size: usize| {
                let start = (i * shape.stride) as isize - p as isize;
                let end = (start + k as isize).min((size + p + after) as isize);
                let inside: Vec<usize> = (start..end)
                    .filter(|&at| at >= 0 && at < size as isize)
                    .map(|at| at as usize)
                    .collect();
                (inside, (end - start) as usize)
            };
            let (ys, high) = axis(y, shape.height);
            let (xs, wide) = axis(x, shape.width);
            let at = |y: usize, x: usize| (plane * shape.height + y) * shape.width + x;
            let pixels: Vec<usize> =
                ys.iter().flat_map(|&y| xs.iter().map(move |&x| at(y, x))).collect();
            each((plane * rows + y) * cols + x, &pixels, high * wide);
        }
    }
}

fn pools_are_right<T: Real + Stored>(
    shape: PoolShape,
    include: bool,
    add: bool,
    seed: u64,
    tolerance: f64,
) {
    let (rows, cols) = shape.output();
    let inner = |i: u64| {
        Tensor::<T>::random(IMAGES, CHANNELS, shape.height, shape.width, i as usize, seed + i)
    };
    let outer = |i: u64| Tensor::<T>::random(IMAGES, CHANNELS, rows, cols, i as usize, seed + i);
    let [mut x, mut out, mut gradient] = [inner(0), outer(1), outer(2)];
    let dx = x.dense();
    let dg = gradient.dense();
    let mut index = vec![0u32; dg.len()];
    let image_stride = CHANNELS * rows * cols;
    let channels = CHANNELS;
    let index = View { at: index.as_mut_ptr(), image_stride, channels, height: rows, width: cols };

    // A maximum has no zeros after the image.
    for maximum in [false, true].into_iter().take(if shape.after > 0 { 1 } else { 2 }) {
        let mut into = inner(3);
        let start = if add { into.dense() } else { vec![0.0; dx.len()] };
        let mut wanted = vec![0.0; dg.len()];
        let mut wanted_back = start;
        windows(&shape, |o, pixels, padded| {
            if maximum {
                let best = pixels
                    .iter()
                    .fold(pixels[0], |best, &i| if dx[i] > dx[best] { i } else { best });
                wanted[o] = dx[best];
                wanted_back[best] += dg[o];
                return;
            }
            // Zeros after the image count, those around it only if they are included.
            let count = if include || shape.after > 0 { padded } else { pixels.len() } as f64;
            wanted[o] = pixels.iter().map(|&i| dx[i]).sum::<f64>() / count;
            pixels.iter().for_each(|&i| wanted_back[i] += dg[o] / count);
        });
        if maximum {
            let pool = MaxPool::new(shape);
            let mut scratch = vec![T::from_f64(f64::NAN); pool.scratch_len()];
            unsafe {
                pool.forward(x.view(), out.view(), index, 0..IMAGES, &mut scratch);
                pool.backward(gradient.view(), index, into.view(), add, 0..IMAGES);
            }
            near(&out.dense(), &wanted, tolerance);
            out = outer(1);
            unsafe { pool.infer(x.view(), out.view(), 0..IMAGES, &mut scratch) };
        } else {
            let pool = AveragePool::<T>::new(shape, include);
            let mut scratch = vec![T::from_f64(f64::NAN); pool.scratch_len()];
            unsafe {
                pool.forward(x.view(), out.view(), 0..IMAGES, &mut scratch);
                pool.backward(gradient.view(), into.view(), add, 0..IMAGES, &mut scratch);
            }
        }
        near(&out.dense(), &wanted, tolerance);
        near(&into.dense(), &wanted_back, tolerance);
        out.check_gaps();
        into.check_gaps();
    }
}

fn pointwise_is_right<T: Real + Stored>(
    channels: usize,
    height: usize,
    width: usize,
    add: bool,
    seed: u64,
    tolerance: f64,
) {
    let tensor =
        |i: u64| Tensor::<T>::random(IMAGES, channels, height, width, i as usize, seed + i);
    let gates = |i: u64| Tensor::<T>::random(IMAGES, channels, 1, 1, i as usize, seed + i);
    let [mut a, mut b, mut c] = [0, 1, 2].map(tensor);
    let [mut gate, mut gate_gradient] = [gates(3), gates(4)];
    let da = a.dense();
    let db = b.dense();
    let dc = c.dense();
    let gate_values = gate.dense();
    let plane = height * width;
    let base = tensor(5).dense();
    let from = |i: usize| if add { base[i] } else { 0.0 };
    let check = |run: &mut dyn FnMut(View<T>), wanted: &dyn Fn(usize) -> f64| {
        let mut into = tensor(5);
        run(into.view());
        near(&into.dense(), &(0..base.len()).map(wanted).collect::<Vec<_>>(), tolerance);
        into.check_gaps();
    };
    let [va, vb, vc, vg] = [a.view(), b.view(), c.view(), gate.view()];
    let all = 0..IMAGES;
    check(&mut |v| unsafe { pointwise::add(&[va, vb, vc], v, add, all.clone()) }, &|i| {
        from(i) + da[i] + db[i] + dc[i]
    });
    check(&mut |v| unsafe { pointwise::add(&[va], v, false, all.clone()) }, &|i| da[i]);
    check(&mut |v| unsafe { pointwise::relu(va, v, all.clone()) }, &|i| da[i].max(0.0));
    check(&mut |v| unsafe { pointwise::multiply(va, vb, v, add, all.clone()) }, &|i| {
        from(i) + da[i] * db[i]
    });
    let masked = |i: usize| from(i) + if db[i] > 0.0 { da[i] } else { 0.0 };
    check(&mut |v| unsafe { pointwise::relu_backward(va, vb, v, add, all.clone()) }, &masked);
    check(&mut |v| unsafe { pointwise::sigmoid(va, v, all.clone()) }, &|i| {
        1.0 / (1.0 + (-da[i]).exp())
    });
    let slope = |i: usize| from(i) + da[i] * db[i] * (1.0 - db[i]);
    check(&mut |v| unsafe { pointwise::sigmoid_backward(va, vb, v, add, all.clone()) }, &slope);
    check(&mut |v| unsafe { pointwise::gate(va, vg, v, add, all.clone()) }, &|i| {
        from(i) + da[i] * gate_values[i / plane]
    });
    let share = |i: usize| from(i) + gate_values[i / plane] / plane as f64;
    check(&mut |v| unsafe { global::backward(vg, v, add, all.clone()) }, &share);

    let before = gate_gradient.dense();
    let sums = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..before.len()).map(|g| (g * plane..(g + 1) * plane).map(value).sum::<f64>()).collect()
    };
    unsafe { pointwise::gate_backward(va, vb, gate_gradient.view(), add, all.clone()) };
    let mut wanted = sums(&|i| da[i] * db[i]);
    wanted
        .iter_mut()
        .zip(&before)
        .for_each(|(sum, before)| *sum += if add { *before } else { 0.0 });
    near(&gate_gradient.dense(), &wanted, tolerance);
    unsafe { global::forward(va, gate_gradient.view(), all) };
    near(&gate_gradient.dense(), &sums(&|i| da[i] / plane as f64), tolerance);
}

proptest! {
    #[test]
    fn norms(channels in 1..5usize, height in 1..24usize, width in 1..24usize, seed in any::<u32>()) {
        norms_are_right::<f64>(channels, height, width, seed.into(), 1e-12);
        norms_are_right::<f32>(channels, height, width, seed.into(), 1e-5);
    }

    #[test]
    fn pools(kernel in 1..6usize, stride in 1..4usize, pad in 0..3usize, size in (6..20usize, 6..20usize),
             ceil_mode: bool, include: bool, add: bool, seed in any::<u32>()) {
        let (height, width) = size;
        let shape = PoolShape { height, width, kernel, stride, padding: pad.min(kernel / 2), ceil_mode, after: 0 };
        pools_are_right::<f64>(shape, include, add, seed.into(), 1e-12);
        pools_are_right::<f32>(shape, include, add, seed.into(), 1e-5);
    }

    #[test]
    fn pools_with_zeros_after(kernel in 1..4usize, stride in 1..3usize, after in 1..3usize, include: bool,
                              size in (6..12usize, 6..12usize), add: bool, seed in any::<u32>()) {
        let (height, width) = size;
        let shape = PoolShape { height, width, kernel, stride, padding: 0, ceil_mode: false, after };
        pools_are_right::<f64>(shape, include, add, seed.into(), 1e-12);
        pools_are_right::<f32>(shape, include, add, seed.into(), 1e-5);
    }

    #[test]
    fn elements(channels in 1..5usize, height in 1..12usize, width in 1..12usize, add: bool, seed in any::<u32>()) {
        pointwise_is_right::<f64>(channels, height, width, add, seed.into(), 1e-12);
        pointwise_is_right::<f32>(channels, height, width, add, seed.into(), 1e-5);
    }
}

#[test]
fn the_first_maximum_wins_and_what_is_no_number_wins_over_all() {
    let shape = PoolShape {
        height: 2,
        width: 4,
        kernel: 2,
        stride: 2,
        padding: 0,
        ceil_mode: false,
        after: 0,
    };
    let mut x = [1.0, 3.0, f32::NAN, 2.0, 3.0, 0.0, 5.0, 1.0];
    let mut out = [0.0f32; 2];
    let mut index = [0u32; 2];
    let view = View { at: x.as_mut_ptr(), image_stride: 8, channels: 1, height: 2, width: 4 };
    let small = View { at: out.as_mut_ptr(), image_stride: 2, channels: 1, height: 1, width: 2 };
    let places = View { at: index.as_mut_ptr(), image_stride: 2, channels: 1, height: 1, width: 2 };
    let mut scratch = vec![0.0; MaxPool::new(shape).scratch_len()];
    unsafe { MaxPool::new(shape).forward(view, small, places, 0..1, &mut scratch) };
    assert_eq!(out[0], 3.0);
    assert!(out[1].is_nan());
    assert_eq!(index, [1, 2]);
    out.fill(0.0);
    unsafe { MaxPool::new(shape).infer(view, small, 0..1, &mut scratch) };
    assert_eq!(out[0], 3.0);
    assert!(out[1].is_nan());
}

#[test]
fn other_instruction_sets_are_right_too() {
    common::run_with_other_instruction_sets("other_instruction_sets_are_right_too");
}
