//! The optimizer on flat buffers, divided among threads that end with the pass. The threads of
//! libtorch would keep spinning after it, on cores that the next step needs.

use res2lab_kernels::Real;
use res2lab_kernels::sgd::{SgdStep, sgd};

/// The fewest elements for which another thread is worth its start.
const FEW: usize = 1 << 18;

/// Runs one SGD step over buffers of equal length.
pub fn step<T: Real>(
    threads: usize,
    step: &SgdStep<T>,
    values: &mut [T],
    grads: &[T],
    momentum: &mut [T],
) {
    let each = each(grads.len(), threads);
    let chunks = values.chunks_mut(each).zip(grads.chunks(each)).zip(momentum.chunks_mut(each));
    run(chunks, |((values, grads), momentum)| sgd(step, values, grads, momentum));
}

/// The elements of one thread.
fn each(length: usize, threads: usize) -> usize {
    length.div_ceil(threads.clamp(1, length / FEW + 1)).max(1)
}

/// Runs `work` for each chunk on a thread of its own; the calling thread takes the first.
fn run<P: Send>(chunks: impl Iterator<Item = P>, work: impl Fn(P) + Sync) {
    let mut chunks = chunks;
    let Some(first) = chunks.next() else { return };
    let work = &work;
    std::thread::scope(|scope| {
        chunks.for_each(|chunk| _ = scope.spawn(move || work(chunk)));
        work(first);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_stepped_once_whatever_the_threads() {
        for (length, threads) in [(0, 2), (5, 3), (3 * FEW + 1, 2), (4 * FEW + 3, 3)] {
            let mut values = vec![1.0; length];
            let mut momentum = vec![1.0; length];
            let grads = vec![2.0; length];
            let constants =
                SgdStep { lr: 0.5, momentum: 0.5, weight_decay: 1.0, nesterov: true, first: false };
            step(threads, &constants, &mut values, &grads, &mut momentum);
            // d = 2 + 1, m = 0.5 + 3, change = 3 + 1.75.
            assert!(
                momentum.iter().all(|m| *m == 3.5) && values.iter().all(|v| *v == 1.0 - 0.5 * 4.75)
            );
        }
    }
}
