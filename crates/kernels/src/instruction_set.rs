//! The instruction sets that kernels are compiled for, and which of them run.
//!
//! Levels differ in the order in which sums across positions are added (a weight's gradient, a
//! norm's sums), so their results differ in the last bits: whoever promises equal bits records the
//! level.

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use crate::conv::{ConvPlan, ConvShape, Gradient, InputGradient};
use crate::view::View;

/// The instructions that kernels are compiled for, from the least to the most that they ask of a
/// processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InstructionSet {
    /// What every processor of the kind has.
    Plain = 1,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512, with register tiles of 256 bits.
    Avx512Narrow,
    /// AVX-512, with register tiles of 512 bits.
    Avx512,
}

impl InstructionSet {
    /// All levels, from the least to the most demanding.
    pub const ALL: [InstructionSet; 4] = [
        InstructionSet::Plain,
        InstructionSet::Avx2,
        InstructionSet::Avx512Narrow,
        InstructionSet::Avx512,
    ];

    /// As `RES2LAB_VECTORS` and records name it.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Plain => "plain",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512Narrow => "avx512-256",
            InstructionSet::Avx512 => "avx512",
        }
    }

    /// The level that has this name.
    pub fn from_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Whether this processor has the level's instructions.
    pub fn is_available(self) -> bool {
        self <= highest()
    }
}

/// The highest level that this processor has.
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

/// The level in use; 0 before it was first asked for.
static IN_USE: AtomicU8 = AtomicU8::new(0);

/// The level in use: what [`use_instruction_set`] set, else what `RES2LAB_VECTORS` names, else the
/// highest, and never more than the processor has.
#[inline]
pub fn level() -> InstructionSet {
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

/// Runs this level's functions from now on, or the highest of the processor if that is less.
/// Returns which. A computation that is under way may take functions of both.
pub fn use_instruction_set(level: InstructionSet) -> InstructionSet {
    let level = level.min(highest());
    IN_USE.store(level as u8, Ordering::Relaxed);
    level
}

/// Channels and size of 3x3 convolutions, outputs of a 1x1 convolution behind each: layers of small
/// and of large networks.
const SHAPES: [(usize, usize, usize); 4] =
    [(13, 16, 64), (26, 14, 104), (52, 28, 128), (104, 14, 256)];
/// How often each shape is run at each level, in turn.
const ROUNDS: usize = 6;
/// A level must be faster by this factor than the one before it to be taken instead.
const CLEARLY: f64 = 1.03;

/// The level to use on this processor, with images/s of each relative to the first that was timed.
/// The two widths of AVX-512 are timed on one thread, which takes about a tenth of a second; other
/// processors have no choice.
pub fn fastest() -> (InstructionSet, Vec<(InstructionSet, f64)>) {
    let before = level();
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
    let level = if speeds[1] > CLEARLY { candidates[1] } else { candidates[0] };
    (level, candidates.into_iter().zip(speeds).collect())
}

/// One convolution's forward and backward pass on two images.
struct Work {
    plan: ConvPlan,
    images: usize,
    memory: [Vec<f32>; 4],
    weights: [Vec<f32>; 3],
    scratch: Vec<f32>,
}

impl Work {
    fn new(shape: ConvShape) -> Self {
        let plan = ConvPlan::new(shape);
        let images = 2;
        let pixels = images * shape.height * shape.width;
        let memory = [shape.channels, shape.out, shape.out, shape.channels]
            .map(|planes| vec![0.01; planes * pixels]);
        let plain = vec![0.01; shape.weights_len()];
        let [mut packed, mut back] = [plain.clone(), plain.clone()];
        plan.pack(&plain, &mut packed);
        plan.pack_backward(&plain, &mut back);
        let scratch = vec![0.0; plan.scratch_len().max(plan.backward_scratch_len())];
        Work { plan, images, memory, weights: [packed, back, plain], scratch }
    }

    /// Seconds of the fastest run at each level.
    fn best_seconds(mut self, levels: [InstructionSet; 2]) -> [f64; 2] {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            for (best, level) in best.iter_mut().zip(levels) {
                use_instruction_set(level);
                let start = Instant::now();
                self.run();
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
        best
    }

    fn run(&mut self) {
        let shape = self.plan.shape();
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
        let into = [InputGradient { into: view(dx, shape.channels), add: false, last: &[] }];
        let [packed, back, dw] = &mut self.weights;
        // SAFETY: the views are those of the vectors above, of which each is one tensor.
        unsafe {
            self.plan.forward(packed, &[x], y, 0..self.images, &mut self.scratch, None);
            self.plan.backward(
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
        for level in InstructionSet::ALL {
            assert_eq!(InstructionSet::from_name(level.name()), Some(level));
        }
        assert_eq!(InstructionSet::from_name("avx"), None);
    }

    #[test]
    fn the_fastest_level_is_one_that_the_processor_has() {
        let (level, speeds) = fastest();
        assert!(level.is_available());
        assert!(speeds.iter().all(|(level, speed)| level.is_available() && speed.is_finite()));
    }
}
