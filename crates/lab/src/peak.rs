//! The greatest rate of multiply-adds of this processor, and the share of it that a network reaches.

use res2lab_arch::{Graph, Op};
use res2lab_kernels::peak::{Width, gflops};
use serde::Serialize;
use std::sync::Barrier;

/// A measured peak of some threads together.
#[derive(Clone, Debug, Serialize)]
pub struct Peak {
    /// `float32, 512 bits`
    pub name: &'static str,
    pub gflops: f64,
}

/// The peaks of `threads` threads that work side by side, one for each width that this processor
/// has. Takes some hundredths of a second.
pub fn peaks(threads: usize) -> Vec<Peak> {
    let all = Width::ALL.into_iter().filter(|width| width.is_available());
    all.map(|width| Peak { name: width.name(), gflops: together(width, threads.max(1)) }).collect()
}

fn together(width: Width, threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let one = || {
        barrier.wait();
        gflops(width).unwrap_or(0.0)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        // A thread that panicked adds nothing.
        running.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

/// The greatest of the peaks in float32.
pub fn of_float32(peaks: &[Peak]) -> Option<&Peak> {
    let is_float32 = |peak: &&Peak| peak.name.starts_with("float32");
    peaks.iter().filter(is_float32).max_by(|a, b| a.gflops.total_cmp(&b.gflops))
}

/// Multiplications and additions of convolutions and products for one image: of a forward pass, or
/// of a training step, which computes the gradients of weights and of inputs too, but none of the
/// images.
pub fn operations(graph: &Graph, trains: bool) -> u64 {
    let forward = res2lab_arch::cost(graph).macs;
    let reads_images = |node: &&res2lab_arch::Node| {
        matches!(node.op, Op::Conv(_)) && node.inputs.iter().any(|input| input.0 == 0)
    };
    let of_images: u64 = graph
        .nodes
        .iter()
        .filter(reads_images)
        .map(|node| res2lab_arch::cost::macs(graph, node))
        .sum();
    2 * if trains { 3 * forward - of_images } else { forward }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_step_has_three_passes_but_for_the_first_layer() {
        let entry = res2lab_arch::zoo::find("resnet50").unwrap();
        let graph = res2lab_arch::build(&entry.words.resolve().unwrap().0, entry.input).unwrap();
        let forward = operations(&graph, false);
        // 4.09 G multiply-adds, of which the first layer has 64 * 3 * 49 * 112 * 112.
        assert_eq!(forward / 2 / 10_000_000, 408);
        assert_eq!(operations(&graph, true), 3 * forward - 2 * 64 * 3 * 49 * 112 * 112);
    }
}
