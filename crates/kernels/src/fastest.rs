//! The instruction set that is the fastest on this processor, as measured.

use std::hint::black_box;
use std::time::Instant;

use crate::conv::{ConvKernel, ConvShape, Epilogue, Gradient, InputGradient};
use crate::instruction_set::{InstructionSet, current, highest, use_instruction_set};
use crate::share::Share;
use crate::view::View;

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
            dilation: 1,
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
    // AMX tiles come on top of the wide vectors, and change nothing but products of bfloat16.
    let wide = highest().max(candidates[1]);
    let chosen = if speeds[1] > CLEARLY { wide } else { candidates[0] };
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
        conv.pack::<f32>(&plain, &mut packed);
        conv.pack_backward::<f32>(&plain, &mut back);
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
        let into = view(dx, shape.channels);
        let mut into = [InputGradient { into, epilogue: Epilogue::Store }];
        let [packed, back, dw] = &mut self.weights;
        // SAFETY: each view covers one of the vectors above, which this call borrows exclusively.
        unsafe {
            let images = 0..self.images;
            let store = Epilogue::Store;
            self.conv.forward(packed, &[x], y, store, images, &mut self.scratch, Share::WHOLE);
            self.conv.backward(
                &gradient,
                &[x],
                back,
                Some((dw, true)),
                &mut into,
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
    fn the_fastest_instruction_set_is_one_that_the_processor_has() {
        let (fastest, speeds) = fastest();
        assert!(fastest.is_available());
        assert!(speeds.iter().all(|(set, speed)| set.is_available() && speed.is_finite()));
    }
}
