//! The instruction sets that kernels are compiled for, and which of them run.
//!
//! Instruction sets add sums across positions (a weight's gradient, a norm's sums) in different
//! orders, so their results differ in the last bits. A program that promises equal bits must record
//! the instruction set.

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use crate::conv::{ConvKernel, ConvShape, Gradient, InputGradient};
use crate::view::View;

/// The instruction sets that kernels are compiled for, from the least to the most demanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InstructionSet {
    /// The baseline of the architecture, without explicit vector instructions.
    Plain = 1,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512, with register tiles of 256-bit vectors.
    Avx512Narrow,
    /// AVX-512, with register tiles of 512-bit vectors.
    Avx512,
}

impl InstructionSet {
    /// All instruction sets, from the least to the most demanding.
    pub const ALL: [InstructionSet; 4] = [
        InstructionSet::Plain,
        InstructionSet::Avx2,
        InstructionSet::Avx512Narrow,
        InstructionSet::Avx512,
    ];

    /// The name in `RES2LAB_VECTORS` and in records.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Plain => "plain",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512Narrow => "avx512-256",
            InstructionSet::Avx512 => "avx512",
        }
    }

    /// The instruction set of this name.
    pub fn from_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Whether this processor has these instructions.
    pub fn is_available(self) -> bool {
        self <= highest()
    }
}

/// The most demanding instruction set that this processor has.
pub fn highest() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match avx2 {
            true if avx512 => InstructionSet::Avx512,
            true => InstructionSet::Avx2,
            false => InstructionSet::Plain,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    InstructionSet::Plain
}

/// The instruction set in use; 0 before the first call of [`current`].
static IN_USE: AtomicU8 = AtomicU8::new(0);

/// The instruction set in use: the one that [`use_instruction_set`] set, else the one that
/// `RES2LAB_VECTORS` names, else the most demanding one of this processor.
#[inline]
pub fn current() -> InstructionSet {
    match IN_USE.load(Ordering::Relaxed) {
        0 => first(),
        1 => InstructionSet::Plain,
        2 => InstructionSet::Avx2,
        3 => InstructionSet::Avx512Narrow,
        _ => InstructionSet::Avx512,
    }
}

#[cold]
fn first() -> InstructionSet {
    let named =
        std::env::var("RES2LAB_VECTORS").ok().and_then(|name| InstructionSet::from_name(&name));
    use_instruction_set(named.unwrap_or(InstructionSet::Avx512))
}

/// Makes kernels use this instruction set, or [`highest`] if the processor lacks it, and returns
/// the one in use. A computation that runs meanwhile may call functions of both.
pub fn use_instruction_set(set: InstructionSet) -> InstructionSet {
    let set = set.min(highest());
    IN_USE.store(set as u8, Ordering::Relaxed);
    set
}

/// Layers of small and of large networks that are timed: the channels and size of a 3x3
/// convolution, and the output channels of the 1x1 convolution after it.
const SHAPES: [(usize, usize, usize); 4] =
    [(13, 16, 64), (26, 14, 104), (52, 28, 128), (104, 14, 256)];
/// Runs of each shape with each instruction set, in turn.
const ROUNDS: usize = 6;
/// The factor by which the wider vectors must be faster to be chosen.
const CLEARLY: f64 = 1.03;

/// The instruction set to use on this processor, with the images/s of each candidate relative to
/// the first. The two widths of AVX-512 are timed on one thread, which takes about a tenth of a
/// second. Processors without AVX-512 have one candidate, which is not timed.
pub fn fastest() -> (InstructionSet, Vec<(InstructionSet, f64)>) {
    let before = current();
    if highest() < InstructionSet::Avx512 {
        return (highest(), Vec::new());
    }
    let candidates = [InstructionSet::Avx512Narrow, InstructionSet::Avx512];
    let mut logs = [0.0; 2];
    for work in SHAPES.into_iter().flat_map(|(channels, size, out)| {
        let shape = ConvShape {
            channels,
            height: size,
            width: size,
            out,
            kernel: 1,
            stride: 1,
            padding: 0,
            groups: 1,
        };
        [Work::new(ConvShape { out: channels, kernel: 3, padding: 1, ..shape }), Work::new(shape)]
    }) {
        let seconds = work.best_seconds(candidates);
        for (log, seconds) in logs.iter_mut().zip(seconds) {
            *log -= seconds.ln() / (2 * SHAPES.len()) as f64;
        }
    }
    use_instruction_set(before);
    let speeds = logs.map(|log| (log - logs[0]).exp());
    let chosen = if speeds[1] > CLEARLY { candidates[1] } else { candidates[0] };
    (chosen, candidates.into_iter().zip(speeds).collect())
}

/// One convolution's forward and backward pass on two images.
struct Work {
    conv: ConvKernel,
    images: usize,
    memory: [Vec<f32>; 4],
    weights: [Vec<f32>; 3],
    scratch: Vec<f32>,
}

impl Work {
    fn new(shape: ConvShape) -> Self {
        let conv = ConvKernel::new(shape);
        let images = 2;
        let pixels = images * shape.height * shape.width;
        let memory = [shape.channels, shape.out, shape.out, shape.channels]
            .map(|planes| vec![0.01; planes * pixels]);
        let plain = vec![0.01; shape.weights_len()];
        let [mut packed, mut back] = [plain.clone(), plain.clone()];
        conv.pack(&plain, &mut packed);
        conv.pack_backward(&plain, &mut back);
        let scratch = vec![0.0; conv.scratch_len().max(conv.backward_scratch_len())];
        Work { conv, images, memory, weights: [packed, back, plain], scratch }
    }

    /// Seconds of the fastest run with each instruction set.
    fn best_seconds(mut self, sets: [InstructionSet; 2]) -> [f64; 2] {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            for (best, set) in best.iter_mut().zip(sets) {
                use_instruction_set(set);
                let start = Instant::now();
                self.run();
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
        best
    }

    fn run(&mut self) {
        let shape = self.conv.shape();
        let view = |memory: &mut Vec<f32>, channels: usize| View {
            at: memory.as_mut_ptr(),
            image_stride: channels * shape.height * shape.width,
            channels,
            height: shape.height,
            width: shape.width,
        };
        let [x, y, dy, dx] = &mut self.memory;
        let x = view(x, shape.channels);
        let y = view(y, shape.out);
        let gradient = Gradient { of: view(dy, shape.out), norm: None };
        let into = [InputGradient { into: view(dx, shape.channels), add: false, masked_sums: &[] }];
        let [packed, back, dw] = &mut self.weights;
        // SAFETY: each view covers one of the vectors above, which this call borrows exclusively.
        unsafe {
            self.conv.forward(packed, &[x], y, 0..self.images, &mut self.scratch, None);
            self.conv.backward(
                &gradient,
                &[x],
                back,
                Some((dw, true)),
                &into,
                0..self.images,
                &mut self.scratch,
            );
        }
        black_box(dw.first());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for set in InstructionSet::ALL {
            assert_eq!(InstructionSet::from_name(set.name()), Some(set));
        }
        assert_eq!(InstructionSet::from_name("avx"), None);
    }

    #[test]
    fn the_fastest_instruction_set_is_one_that_the_processor_has() {
        let (fastest, speeds) = fastest();
        assert!(fastest.is_available());
        assert!(speeds.iter().all(|(set, speed)| set.is_available() && speed.is_finite()));
    }
}
