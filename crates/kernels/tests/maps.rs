//! Changes of size and group norms, against plain loops in f64, and in bfloat16 against float32.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::{Tensor, close, near, values};
use proptest::prelude::*;
use res2lab_kernels::norm::group::{self, GroupNorm};
use res2lab_kernels::resize::{Interpolation, Resize};
use res2lab_kernels::{Bf16, Real, Storage, Stored, View};

const IMAGES: usize = 2;
const CHANNELS: usize = 3;

fn how() -> impl Strategy<Value = Interpolation> {
    prop_oneof![
        Just(Interpolation::Nearest),
        Just(Interpolation::Bilinear { aligned: true }),
        Just(Interpolation::Bilinear { aligned: false }),
    ]
}

/// The weight of each pixel of `from` in pixel `at` of `to`, along one axis.
fn weights(at: usize, from: usize, to: usize, how: Interpolation) -> Vec<f64> {
    let place = match how {
        Interpolation::Nearest => ((at * from) / to) as f64,
        Interpolation::Bilinear { aligned: true } if to > 1 => {
            (at * (from - 1)) as f64 / (to - 1) as f64
        }
        Interpolation::Bilinear { aligned: true } => 0.0,
        Interpolation::Bilinear { aligned: false } => {
            let place = (at as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            place.clamp(0.0, from as f64 - 1.0)
        }
    };
    (0..from).map(|pixel| (1.0 - (place - pixel as f64).abs()).max(0.0)).collect()
}

fn resizes_are_right<T: Real + Stored>(
    [from, to]: [(usize, usize); 2],
    how: Interpolation,
    add: bool,
    seed: u64,
    tolerance: f64,
) {
    let tensor = |(height, width): (usize, usize), gap: usize| {
        Tensor::<T>::random(IMAGES, CHANNELS, height, width, gap, seed + gap as u64)
    };
    let [mut x, mut into] = [tensor(from, 1), tensor(from, 2)];
    let [mut out, mut gradient] = [tensor(to, 3), tensor(to, 4)];
    let (dx, dg) = (x.dense(), gradient.dense());
    let mut wanted = vec![0.0; dg.len()];
    let mut wanted_back = if add { into.dense() } else { vec![0.0; dx.len()] };
    for plane in 0..IMAGES * CHANNELS {
        for (y, x) in (0..to.0).flat_map(|y| (0..to.1).map(move |x| (y, x))) {
            let o = (plane * to.0 + y) * to.1 + x;
            let rows = weights(y, from.0, to.0, how);
            let cols = weights(x, from.1, to.1, how);
            for (v, u) in (0..from.0).flat_map(|v| (0..from.1).map(move |u| (v, u))) {
                let i = (plane * from.0 + v) * from.1 + u;
                wanted[o] += rows[v] * cols[u] * dx[i];
                wanted_back[i] += rows[v] * cols[u] * dg[o];
            }
        }
    }
    let resize = Resize::<T>::new(from, to, how);
    let mut scratch = vec![T::from_f64(f64::NAN); resize.scratch_len()];
    unsafe {
        resize.forward(x.view(), out.view(), 0..IMAGES, &mut scratch);
        scratch.fill(T::from_f64(f64::NAN));
        resize.backward(gradient.view(), into.view(), add, 0..IMAGES, &mut scratch);
    }
    near(&out.dense(), &wanted, tolerance);
    close(&into.dense(), &wanted_back, tolerance);
    out.check_gaps();
    into.check_gaps();
}

/// The results and gradients of a group norm, by its definition.
struct Expected {
    out: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
    input: Vec<f64>,
}

fn expected(
    [x, dy]: [&[f64]; 2],
    [weight, bias]: [&[f64]; 2],
    groups: usize,
    plane: usize,
) -> Expected {
    const EPS: f64 = 1e-5;
    let channels = weight.len();
    let n = channels / groups * plane;
    let mut e = Expected {
        out: vec![0.0; x.len()],
        weight: vec![0.0; channels],
        bias: vec![0.0; channels],
        input: vec![0.0; x.len()],
    };
    for start in (0..x.len()).step_by(n) {
        let all = start..start + n;
        let channel = |i: usize| i / plane % channels;
        let mean = all.clone().map(|i| x[i]).sum::<f64>() / n as f64;
        let variance = all.clone().map(|i| (x[i] - mean).powi(2)).sum::<f64>() / n as f64;
        let inverse = 1.0 / (variance + EPS).sqrt();
        let normal = |i: usize| (x[i] - mean) * inverse;
        let scaled = |i: usize| dy[i] * weight[channel(i)];
        let sum = all.clone().map(scaled).sum::<f64>() / n as f64;
        let product = all.clone().map(|i| scaled(i) * normal(i)).sum::<f64>() / n as f64;
        for i in all {
            e.out[i] = normal(i) * weight[channel(i)] + bias[channel(i)];
            e.weight[channel(i)] += dy[i] * normal(i);
            e.bias[channel(i)] += dy[i];
            e.input[i] = inverse * (scaled(i) - sum - normal(i) * product);
        }
    }
    e
}

fn group_norms_are_right<T: Real + Stored>(
    (groups, each): (usize, usize),
    (height, width): (usize, usize),
    add: bool,
    seed: u64,
    tolerance: f64,
) {
    let channels = groups * each;
    let tensor =
        |i: u64| Tensor::<T>::random(IMAGES, channels, height, width, i as usize, seed + i);
    let [mut x, mut out, mut gradient, mut into] = [0, 1, 2, 3].map(tensor);
    let numbers: [Vec<T>; 4] = [4, 5, 6, 7].map(|i| values(channels, seed + i));
    let reals = |i: usize| numbers[i].iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let [weight, bias] = [reals(0), reals(1)];
    let e = expected([&x.dense(), &gradient.dense()], [&weight, &bias], groups, height * width);
    let before = into.dense();
    let of = GroupNorm { groups, eps: 1e-5, weight: &numbers[0], bias: &numbers[1] };
    let [mut weight_gradient, mut bias_gradient] = [numbers[2].clone(), numbers[3].clone()];
    unsafe {
        // Two threads share the groups.
        group::forward(of, x.view(), out.view(), 0..IMAGES, groups / 2..groups);
        group::forward(of, x.view(), out.view(), 0..IMAGES, 0..groups / 2);
        let gradients = [&mut weight_gradient[..], &mut bias_gradient[..]];
        let views = [gradient.view(), x.view()];
        group::backward(of, views, gradients, (into.view(), add), 0..IMAGES);
    }
    close(&out.dense(), &e.out, tolerance);
    let sum = |a: Vec<f64>, b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
    close(&weight_gradient, &sum(reals(2), &e.weight), 10.0 * tolerance);
    close(&bias_gradient, &sum(reals(3), &e.bias), 10.0 * tolerance);
    // The terms of the input's gradient may cancel.
    let scale = gradient.dense().iter().fold(1.0, |most: f64, v| most.max(v.abs()));
    let inverse = e.input.iter().fold(scale, |most, v| most.max(v.abs()));
    let wanted = if add { sum(before, &e.input) } else { e.input };
    near(&into.dense(), &wanted, 10.0 * tolerance * inverse);
    out.check_gaps();
    into.check_gaps();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn resizes(from in (1..9usize, 1..9usize), to in (1..20usize, 1..40usize), how in how(), add: bool,
               seed in any::<u32>()) {
        resizes_are_right::<f64>([from, to], how, add, seed.into(), 1e-12);
        resizes_are_right::<f32>([from, to], how, add, seed.into(), 1e-5);
    }

    #[test]
    fn group_norms(channels in (1..5usize, 1..4usize), size in (2..9usize, 2..9usize), add: bool,
                   seed in any::<u32>()) {
        group_norms_are_right::<f64>(channels, size, add, seed.into(), 1e-11);
        group_norms_are_right::<f32>(channels, size, add, seed.into(), 1e-4);
    }
}

/// A tensor of one image.
fn view<T>(memory: &mut [T], channels: usize, (height, width): (usize, usize)) -> View<T> {
    let image_stride = channels * height * width;
    View { at: memory.as_mut_ptr(), image_stride, channels, height, width }
}

/// The results and the input gradients of one change of size and of one group norm.
fn all<T: Stored<Real = f32>>(
    x: &[T],
    dy: &[T],
    size: (usize, usize),
    numbers: &[f32],
) -> [Vec<T>; 4] {
    let channels = numbers.len();
    let large = (2 * size.0, 2 * size.1);
    let (mut x, mut dy) = (x.to_vec(), dy.to_vec());
    let resize = Resize::<f32>::new(size, large, Interpolation::Bilinear { aligned: true });
    let mut scratch = vec![0.0; resize.scratch_len()];
    let mut results = [4, 1, 1, 1].map(|times| vec![T::default(); times * x.len()]);
    let of = GroupNorm { groups: 2, eps: 1e-5, weight: numbers, bias: numbers };
    let mut gradients = [vec![0.0; channels], vec![0.0; channels]];
    // SAFETY: each view covers one of the vectors above.
    unsafe {
        let [a, b, c, d] = results.each_mut();
        let [weight, bias] = gradients.each_mut().map(|memory| &mut memory[..]);
        let small_x = view(&mut x, channels, size);
        resize.forward(small_x, view(a, channels, large), 0..1, &mut scratch);
        let large_dy = view(&mut dy, channels, large);
        resize.backward(large_dy, view(b, channels, size), false, 0..1, &mut scratch);
        group::forward(of, small_x, view(c, channels, size), 0..1, 0..2);
        let views = [view(&mut dy, channels, size), small_x];
        group::backward(of, views, [weight, bias], (view(d, channels, size), false), 0..1);
    }
    results
}

#[test]
fn results_in_bfloat16_are_those_of_float32_rounded_once() {
    let size = (7, 19);
    let numbers: Vec<f32> = values(6, 1);
    let elements = 6 * size.0 * size.1;
    let rounded = |values: &[f32]| values.iter().map(|v| Bf16::stored(*v)).collect::<Vec<Bf16>>();
    let [x, dy] = [(elements, 2), (4 * elements, 3)].map(|(n, seed)| rounded(&values(n, seed)));
    let real = |values: &[Bf16]| values.iter().map(|v| v.real()).collect::<Vec<f32>>();
    let stored = all(&x, &dy, size, &numbers);
    let reals = all(&real(&x), &real(&dy), size, &numbers);
    for (stored, real) in stored.iter().zip(&reals) {
        assert!(stored.iter().any(|v| v.real() != 0.0) && *stored == rounded(real));
    }
}

#[test]
fn other_instruction_sets_are_right_too() {
    common::run_with_other_instruction_sets("other_instruction_sets_are_right_too");
}
