//! Optimizers on flat buffers, divided among threads that end with the pass. The threads of
//! libtorch would keep spinning after it, on cores that the next step needs.

use res2lab_kernels::Real;
use res2lab_kernels::moments::State;
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

/// Runs `work` on parts of the state of an optimizer, for work in which elements do not depend on
/// each other.
pub fn each_part<T: Real>(threads: usize, state: State<T>, work: impl Fn(State<T>) + Sync) {
    let each = each(state.grads.len(), threads);
    let State { values, grads, first, second } = state;
    let chunks = values.chunks_mut(each).zip(grads.chunks(each));
    let chunks = chunks.zip(first.chunks_mut(each).zip(second.chunks_mut(each)));
    let parts =
        chunks.map(|((values, grads), (first, second))| State { values, grads, first, second });
    run(parts, work);
}

/// Runs `work` with the index and the state of each tensor, given by rising offsets and lengths. A
/// tensor belongs to one thread, so that its sums do not depend on their number.
pub fn each_tensor<T: Real>(
    threads: usize,
    mut state: State<T>,
    tensors: &[(usize, usize)],
    work: impl Fn(usize, State<T>) + Sync,
) {
    let each = each(state.grads.len(), threads);
    let mut groups: Vec<Vec<(usize, State<T>)>> = Vec::new();
    let mut at = 0;
    for (index, &(offset, length)) in tensors.iter().enumerate() {
        let [skipped, end] = [offset - at, length];
        let (_, rest) = split(state, skipped);
        let (own, rest) = split(rest, end);
        state = rest;
        let thread = offset / each;
        if groups.len() <= thread {
            groups.resize_with(thread + 1, Vec::new);
        }
        groups[thread].push((index, own));
        at = offset + length;
    }
    run(groups.into_iter(), |group| {
        group.into_iter().for_each(|(index, state)| work(index, state));
    });
}

/// The first elements of a state, and the rest.
fn split<T>(state: State<T>, at: usize) -> (State<T>, State<T>) {
    let (values, values_rest) = state.values.split_at_mut(at);
    let (grads, grads_rest) = state.grads.split_at(at);
    let (first, first_rest) = state.first.split_at_mut(at);
    let (second, second_rest) = state.second.split_at_mut(at);
    (
        State { values, grads, first, second },
        State { values: values_rest, grads: grads_rest, first: first_rest, second: second_rest },
    )
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

    #[test]
    fn every_tensor_is_seen_once_whatever_the_threads() {
        let length = 3 * FEW;
        let tensors = [(0, 10), (16, FEW), (16 + FEW, 5), (2 * FEW + 16, FEW - 16)];
        for threads in [1, 2, 3] {
            let mut values = vec![0.0; length];
            let grads = vec![0.0; length];
            let [mut first, mut second] = [grads.clone(), grads.clone()];
            let state = State {
                values: &mut values,
                grads: &grads,
                first: &mut first,
                second: &mut second,
            };
            each_tensor(threads, state, &tensors, |index, state| {
                assert_eq!(state.values.len(), tensors[index].1);
                state.values.iter_mut().for_each(|v| *v += 1.0 + index as f64);
            });
            let sum: f64 = values.iter().sum();
            let expected = tensors.iter().zip(1..).map(|(tensor, one)| (tensor.1 * one) as f64);
            assert_eq!(sum, expected.sum::<f64>());
            assert_eq!((values[9], values[10], values[16]), (1.0, 0.0, 2.0));
        }
    }
}
