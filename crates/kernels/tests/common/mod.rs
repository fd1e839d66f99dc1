//! Tensors with gaps between images, comparisons of results, and runs with other instruction sets.
#![allow(dead_code)] // Each test uses its part.

pub(crate) mod convolution;

use res2lab_kernels::instruction_set::InstructionSet;
use res2lab_kernels::{Real, View};
use std::io::Write;

/// Pseudorandom numbers from -1 to 1.
pub(crate) fn values<T: Real>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::from_f64((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

pub(crate) struct Tensor<T> {
    memory: Vec<T>,
    images: usize,
    gap: usize,
    view: View<T>,
}

impl<T: Real> Tensor<T> {
    pub(crate) fn random(
        images: usize,
        channels: usize,
        height: usize,
        width: usize,
        gap: usize,
        seed: u64,
    ) -> Self {
        let image_stride = channels * height * width + gap;
        let mut memory = values(images * image_stride, seed);
        for image in memory.chunks_mut(image_stride) {
            image[image_stride - gap..].fill(T::from_f64(f64::NAN));
        }
        let view = View { at: std::ptr::null_mut(), image_stride, channels, height, width };
        Tensor { memory, images, gap, view }
    }

    pub(crate) fn view(&mut self) -> View<T> {
        View { at: self.memory.as_mut_ptr(), ..self.view }
    }

    pub(crate) fn dense(&self) -> Vec<f64> {
        let len = self.view.image_len();
        self.memory
            .chunks(self.view.image_stride)
            .flat_map(|image| &image[..len])
            .map(|value| value.to_f64())
            .collect()
    }

    /// Checks that no gap between images was written.
    pub(crate) fn check_gaps(&self) {
        let gaps = self
            .memory
            .chunks(self.view.image_stride)
            .flat_map(|image| &image[self.view.image_len()..]);
        let values: Vec<f64> = gaps.map(|value| value.to_f64()).collect();
        assert_eq!(values.len(), self.images * self.gap);
        assert!(values.iter().all(|value| value.is_nan()), "something was written between images");
    }
}

/// Compares with a tolerance relative to the largest expected number. For sums of many products.
pub(crate) fn close<T: Real>(found: &[T], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1e-30f64, |most, value| most.max(value.abs()));
    near(found, expected, scale * tolerance);
}

/// Compares with an absolute error. For results of a few terms of size one, which may almost cancel
/// in every element.
pub(crate) fn near<T: Real>(found: &[T], expected: &[f64], error: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found.to_f64() - expected).abs() <= error,
            "element {i}: {found:?} instead of {expected}"
        );
    }
}

/// Runs the other tests of this program with each other instruction set, and reports those that the
/// machine lacks.
pub(crate) fn run_with_other_instruction_sets(itself: &str) {
    for set in InstructionSet::ALL
        .into_iter()
        .filter(|&set| set != res2lab_kernels::instruction_set::current())
    {
        if !set.is_available() {
            // Written past the test harness, which shows the output of a test only if it fails.
            let _ = writeln!(
                std::io::stderr(),
                "not run, as this processor lacks it: kernels with {}",
                set.name()
            );
            continue;
        }
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output =
            again.args(["--skip", itself]).env("RES2LAB_VECTORS", set.name()).output().unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            set.name(),
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
