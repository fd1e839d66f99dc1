//! Convolutions of planes in bfloat16 by AMX tiles, against those by other instructions: by the
//! emulation on every processor, and by the processor's own tiles where it has them.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::values;
use res2lab_kernels::instruction_set::{InstructionSet, current, use_instruction_set};
use res2lab_kernels::{
    Bf16, ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, Share, View, amx,
};
use std::io::Write;

const IMAGES: usize = 3;

fn view(memory: &mut [Bf16], channels: usize, height: usize, width: usize) -> View<Bf16> {
    let image_stride = channels * height * width;
    View { at: memory.as_mut_ptr(), image_stride, channels, height, width }
}

fn shapes() -> Vec<ConvShape> {
    let of = |channels, size, out, kernel, stride, groups| ConvShape {
        channels,
        height: size,
        width: size + 1,
        out,
        kernel,
        stride,
        padding: kernel / 2,
        dilation: 1,
        groups,
    };
    let plain = of(20, 23, 31, 3, 1, 1);
    vec![
        of(13, 17, 13, 3, 1, 1),
        of(24, 9, 40, 3, 2, 2),
        of(16, 12, 70, 1, 1, 1),
        of(96, 7, 66, 1, 1, 1),
        of(33, 15, 17, 1, 2, 1),
        of(8, 30, 8, 5, 2, 1),
        of(104, 7, 104, 3, 1, 1),
        of(20, 40, 31, 3, 1, 1),
        ConvShape { dilation: 3, padding: 3, ..plain },
        ConvShape { dilation: 40, padding: 40, ..plain },
        // Too few channels or rows for tiles.
        of(3, 30, 16, 7, 2, 1),
        of(16, 9, 4, 3, 1, 1),
    ]
}

/// Results, their sums, input gradients and weights' gradients, by `threads` shares.
type Results = (Vec<Bf16>, Vec<f64>, Vec<Bf16>, Vec<f32>);

fn convolve(shape: ConvShape, threads: usize) -> Results {
    let (rows, cols) = shape.output();
    let stored = |n: usize, seed: u64| -> Vec<Bf16> {
        values::<f32>(n, seed).into_iter().map(Bf16::from_f32).collect()
    };
    let mut x = stored(IMAGES * shape.channels * shape.height * shape.width, 3);
    let mut dy = stored(IMAGES * shape.out * rows * cols, 4);
    let weights = values::<f32>(shape.weights_len(), 5);
    let conv = ConvKernel::new(shape);
    let mut packed = vec![0.0; conv.packed_len()];
    let mut back = vec![0.0; conv.packed_backward_len()];
    // What is read without being written shows as NaN.
    let mut scratch = vec![f32::NAN; conv.scratch_len().max(conv.backward_scratch_len())];
    let mut y = vec![Bf16::ZERO; dy.len()];
    let mut dx = vec![Bf16::ZERO; x.len()];
    let mut dw = vec![0.5; weights.len()];
    let mut sums = vec![0.0; 2 * shape.out];
    // SAFETY: each view covers one of the vectors, which this call borrows exclusively.
    unsafe {
        let x = view(&mut x, shape.channels, shape.height, shape.width);
        let out = view(&mut y, shape.out, rows, cols);
        let of = view(&mut dy, shape.out, rows, cols);
        for index in 0..threads {
            let share = Share { index, of: threads };
            conv.pack_share::<Bf16>(&weights, packed.as_mut_ptr(), share);
            conv.pack_backward_share::<Bf16>(&weights, back.as_mut_ptr(), share);
        }
        for index in 0..threads {
            let share = Share { index, of: threads };
            let epilogue = if threads == 1 { Epilogue::Sums(&mut sums) } else { Epilogue::Store };
            conv.forward(&packed, &[x], out, epilogue, 0..IMAGES, &mut scratch, share);
        }
        let into = view(&mut dx, shape.channels, shape.height, shape.width);
        let mut into = [InputGradient { into, epilogue: Epilogue::Store }];
        let gradient = Gradient { of, norm: None };
        let weights = Some((&mut dw[..], true));
        conv.backward(&gradient, &[x], &back, weights, &mut into, 0..IMAGES, &mut scratch);
    }
    (y, sums, dx, dw)
}

/// The largest difference over the largest value.
fn off<A: Copy + Into<f64>>(ours: &[A], theirs: &[A]) -> f64 {
    let most = theirs.iter().fold(0.0f64, |most, value| most.max((*value).into().abs()));
    let pairs = ours.iter().zip(theirs);
    let off = pairs.map(|(a, b)| ((*a).into() - (*b).into()).abs());
    // A NaN counts as far off.
    off.fold(0.0, |most, off| if off <= most { most } else { off }) / most
}

fn compare(shape: ConvShape, ours: &Results, theirs: &Results, what: &str) {
    // Half a unit in the last place of bfloat16 is 2^-9 of a value; sums differ in float32.
    const STORED: f64 = 1.0 / 256.0;
    const SUMS: f64 = 1e-5;
    assert!(off(&ours.0, &theirs.0) <= STORED, "{what}, forward, {shape:?}");
    assert!(off(&ours.2, &theirs.2) <= STORED, "{what}, input's gradient, {shape:?}");
    assert!(off(&ours.3, &theirs.3) <= SUMS, "{what}, weights' gradient, {shape:?}");
    assert!(off(&ours.1, &theirs.1) <= 1e-3, "{what}, sums, {shape:?}");
}

#[test]
fn convolutions_by_amx_tiles_are_those_by_other_instructions() {
    let own = current();
    for shape in shapes() {
        use_instruction_set(own.min(InstructionSet::Avx512));
        let theirs = convolve(shape, 1);
        amx::emulate(true);
        let emulated = convolve(shape, 1);
        let shared = convolve(shape, 3);
        amx::emulate(false);
        compare(shape, &emulated, &theirs, "emulated");
        assert!(emulated.0 == shared.0 && emulated.2 == shared.2 && emulated.3 == shared.3);
        let group = (shape.channels / shape.groups).min(shape.out / shape.groups);
        let is_other = emulated.3.iter().zip(&theirs.3).any(|(a, b)| a != b);
        assert_eq!(is_other, group >= 8, "whether tiles are used, {shape:?}");
        if own == InstructionSet::Amx {
            use_instruction_set(own);
            compare(shape, &convolve(shape, 1), &emulated, "hardware");
        }
    }
    if own < InstructionSet::Amx {
        let _ = writeln!(std::io::stderr(), "not run, as this processor lacks it: AMX tiles");
    }
}
