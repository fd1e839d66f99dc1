//! Convolutions of planes in bfloat16 by AMX tiles, against those by other instructions: by the
//! emulation on every processor, and by the processor's own tiles where it has them.
#![allow(unsafe_code)] // The functions under test are unsafe.

mod common;

use common::convolution::{self, Results, both, convolve, sizes};
use common::values;
use res2lab_kernels::instruction_set::{InstructionSet, current, use_instruction_set};
use res2lab_kernels::{Bf16, ConvShape, amx};
use std::io::Write;

fn shapes() -> Vec<ConvShape> {
    let of = convolution::shape;
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

/// Adds the weights' gradient to what is there. `threads` share the work.
fn convolved(shape: ConvShape, threads: usize) -> Results<Bf16> {
    let [inputs, outputs] = sizes(shape);
    let planes = [both(inputs, 3).0, both(outputs, 4).0];
    convolve(shape, planes, &values(shape.weights_len(), 5), true, threads)
}

/// The largest difference over the largest value.
fn off<A: Copy + Into<f64>>(ours: &[A], theirs: &[A]) -> f64 {
    let most = theirs.iter().fold(0.0f64, |most, value| most.max((*value).into().abs()));
    let pairs = ours.iter().zip(theirs);
    let off = pairs.map(|(a, b)| ((*a).into() - (*b).into()).abs());
    // A NaN counts as far off.
    off.fold(0.0, |most, off| if off <= most { most } else { off }) / most
}

fn compare(shape: ConvShape, ours: &Results<Bf16>, theirs: &Results<Bf16>, what: &str) {
    // Half a unit in the last place of bfloat16 is 2^-9 of a value; sums differ in float32.
    const STORED: f64 = 1.0 / 256.0;
    const SUMS: f64 = 1e-5;
    assert!(off(&ours.out, &theirs.out) <= STORED, "{what}, forward, {shape:?}");
    let of_input = off(&ours.input_gradient, &theirs.input_gradient);
    assert!(of_input <= STORED, "{what}, input's gradient, {shape:?}");
    let of_weights = off(&ours.weights_gradient, &theirs.weights_gradient);
    assert!(of_weights <= SUMS, "{what}, weights' gradient, {shape:?}");
    assert!(off(&ours.sums, &theirs.sums) <= 1e-3, "{what}, sums, {shape:?}");
}

#[test]
fn convolutions_by_amx_tiles_are_those_by_other_instructions() {
    let own = current();
    for shape in shapes() {
        use_instruction_set(own.min(InstructionSet::Avx512));
        let theirs = convolved(shape, 1);
        amx::emulate(true);
        let emulated = convolved(shape, 1);
        let shared = convolved(shape, 3);
        amx::emulate(false);
        compare(shape, &emulated, &theirs, "emulated");
        assert!(emulated.out == shared.out && emulated.input_gradient == shared.input_gradient);
        assert!(emulated.weights_gradient == shared.weights_gradient);
        let group = (shape.channels / shape.groups).min(shape.out / shape.groups);
        let is_other = emulated.weights_gradient != theirs.weights_gradient;
        assert_eq!(is_other, group >= 8, "whether tiles are used, {shape:?}");
        if own == InstructionSet::Amx {
            use_instruction_set(own);
            compare(shape, &convolved(shape, 1), &emulated, "hardware");
        }
    }
    if own < InstructionSet::Amx {
        let _ = writeln!(std::io::stderr(), "not run, as this processor lacks it: AMX tiles");
    }
}
