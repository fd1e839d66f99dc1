//! GFLOP/s of convolutions on one thread, compared with the peak of the processor's multiply-adds.
//!
//! `cargo run --release -p res2lab-kernels --example speed [WORDS]` prints a line for each size and
//! instruction set, or for those sizes that contain a word.
#![allow(unsafe_code)] // The functions that are timed are unsafe.

use std::time::Instant;

use res2lab_kernels::instruction_set::{self, InstructionSet};
use res2lab_kernels::peak::{self, Width};
use res2lab_kernels::{
    ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, MaskedSums, NormBackward, Share, View,
};

/// The channels, size, output channels, kernel and stride of each convolution.
const SIZES: [(usize, usize, usize, usize, usize); 38] = [
    (3, 32, 3, 3, 1),
    (6, 32, 6, 3, 1),
    (6, 16, 6, 3, 1),
    (13, 32, 13, 3, 1),
    (13, 16, 13, 3, 1),
    (13, 8, 13, 3, 1),
    (26, 16, 26, 3, 1),
    (26, 8, 26, 3, 1),
    (26, 14, 26, 3, 1),
    (26, 7, 26, 3, 1),
    (3, 32, 16, 3, 1),
    (13, 16, 13, 3, 2),
    (16, 32, 12, 1, 1),
    (12, 32, 16, 1, 1),
    (64, 32, 24, 1, 1),
    (64, 16, 52, 1, 1),
    (52, 16, 128, 1, 1),
    (128, 8, 104, 1, 1),
    (104, 8, 256, 1, 1),
    (256, 8, 104, 1, 1),
    (16, 32, 32, 1, 2),
    (3, 224, 64, 7, 2),
    (26, 56, 26, 3, 1),
    (52, 28, 52, 3, 1),
    (104, 14, 104, 3, 1),
    (208, 7, 208, 3, 1),
    (52, 56, 52, 3, 2),
    (104, 28, 104, 3, 2),
    (64, 56, 104, 1, 1),
    (104, 56, 256, 1, 1),
    (256, 56, 104, 1, 1),
    (512, 28, 208, 1, 1),
    (208, 28, 512, 1, 1),
    (1024, 14, 416, 1, 1),
    (416, 14, 1024, 1, 1),
    (2048, 7, 832, 1, 1),
    (832, 7, 2048, 1, 1),
    (1024, 14, 2048, 1, 2),
];

/// The seconds of the fastest of many runs.
fn best(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while runs < 3 || (start.elapsed().as_secs_f64() < 0.12 && runs < 1000) {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// GFLOP/s of multiply-adds that read no memory, in vectors as wide as those of the register tiles.
fn peak(set: InstructionSet) -> f64 {
    let width = match set {
        InstructionSet::Plain => return f64::NAN,
        InstructionSet::Avx2 | InstructionSet::Avx512Narrow => Width::Bits256,
        InstructionSet::Avx512 | InstructionSet::Amx => Width::Bits512,
    };
    peak::gflops(width).unwrap_or(f64::NAN)
}

fn tensor(memory: &mut [f32], channels: usize, size: usize) -> View<f32> {
    View {
        at: memory.as_mut_ptr(),
        image_stride: channels * size * size,
        channels,
        height: size,
        width: size,
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sets: Vec<InstructionSet> =
        InstructionSet::ALL.into_iter().filter(|set| set.is_available()).collect();
    for &set in sets.iter().filter(|&&set| set > InstructionSet::Plain) {
        println!("multiply-adds alone, {}: {:.1} GFLOP/s", set.name(), peak(set));
    }
    let (chosen, _) = res2lab_kernels::fastest();
    println!("this processor uses {}", chosen.name());
    println!(
        "{:35} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "forward", "+ sums", "input", "weights", "all back"
    );
    for (channels, size, out, kernel, stride) in SIZES {
        let name = format!("{channels}->{out} {kernel}x{kernel}/{stride} at {size}");
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let shape = ConvShape {
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
        for &set in &sets {
            instruction_set::use_instruction_set(set);
            let [a, b, c, d, e] = speeds(shape);
            println!("{name:24} {:10} {a:8.1} {b:8.1} {c:8.1} {d:8.1} {e:8.1}", set.name());
        }
    }
}

fn filled(length: usize) -> Vec<f32> {
    let mut memory = res2lab_kernels::memory::zeros(length);
    memory.fill(0.01);
    memory
}

/// GFLOP/s of a forward pass, of one with sums for a norm, of the input's gradient, of the weights'
/// gradient, and of a backward pass through a norm.
fn speeds(shape: ConvShape) -> [f64; 5] {
    let ConvShape { channels, height: size, out, stride, .. } = shape;
    let conv = ConvKernel::new(shape);
    let images = (4_000_000 / (channels.max(out) * size * size)).clamp(2, 32);
    let (rows, _) = shape.output();
    let memory = |channels: usize, size: usize| filled(images * channels * size * size);
    let [mut x, mut dx] = [memory(channels, size), memory(channels, size)];
    let [mut y, mut dy, mut relu] = [memory(out, rows), memory(out, rows), memory(channels, size)];
    let weights = vec![0.01f32; shape.weights_len()];
    let mut packed = weights.clone();
    let mut back = weights.clone();
    let mut dw = weights.clone();
    conv.pack::<f32>(&weights, &mut packed);
    conv.pack_backward::<f32>(&weights, &mut back);
    let mut scratch =
        res2lab_kernels::memory::zeros::<f32>(conv.scratch_len().max(conv.backward_scratch_len()));
    let x = tensor(&mut x, channels, size);
    let dx = tensor(&mut dx, channels, size);
    let y = tensor(&mut y, out, rows);
    let dy = tensor(&mut dy, out, rows);
    let relu = tensor(&mut relu, channels, size);
    let mut sums = vec![0.0; 2 * out];
    let mut before = [vec![0.0; channels], vec![0.0; channels]];
    let numbers = vec![0.01f32; out.max(channels)];
    let flops = 2e-9 * (images * shape.multiply_adds()) as f64;
    let plain = Gradient { of: dy, norm: None };
    let full = Gradient {
        of: dy,
        norm: Some(NormBackward {
            x: y,
            dy_coefficient: &numbers[..out],
            x_coefficient: &numbers[..out],
            constant: &numbers[..out],
        }),
    };
    let sums_before = before.each_mut().map(|sums| sums.as_mut_ptr());
    let masked_sums = [MaskedSums {
        channels: 0..channels,
        relu,
        x,
        mean: &numbers[..channels],
        sums: sums_before,
    }];
    let masked_sums = if stride == 1 { &masked_sums[..] } else { &[] };
    let gradient = |masked_sums| Epilogue::Gradient { add: false, masked_sums };
    let mut into = [InputGradient { into: dx, epilogue: gradient(&[]) }];
    let mut into_last = [InputGradient { into: dx, epilogue: gradient(masked_sums) }];
    let all = Share::WHOLE;
    // SAFETY: the views are those of the vectors above, of which each is one tensor.
    let seconds = unsafe {
        [
            best(|| {
                let store = Epilogue::Store;
                conv.forward(&packed, &[x], y, store, 0..images, &mut scratch, all)
            }),
            best(|| {
                let sums = Epilogue::Sums(&mut sums);
                conv.forward(&packed, &[x], y, sums, 0..images, &mut scratch, all)
            }),
            best(|| conv.backward(&plain, &[x], &back, None, &mut into, 0..images, &mut scratch)),
            best(|| {
                let dw = Some((&mut dw[..], true));
                conv.backward(&plain, &[x], &back, dw, &mut [], 0..images, &mut scratch)
            }),
            best(|| {
                let dw = Some((&mut dw[..], true));
                let into = &mut into_last;
                conv.backward(&full, &[x], &back, dw, into, 0..images, &mut scratch)
            }),
        ]
    };
    // A backward pass through a norm computes both gradients.
    let [a, b, c, d, e] = seconds.map(|s| flops / s);
    [a, b, c, d, 2.0 * e]
}
