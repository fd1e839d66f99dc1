//! Buffers packed into one arena: two share memory where they are never needed at the same time.

use kernels::Real;
use nix::sys::mman::{MmapAdvise, madvise};
use std::ops::RangeInclusive;
use std::ptr::NonNull;

/// One buffer's need of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Elements.
    pub length: usize,
    /// First and last instruction that touch it; None if none does.
    pub life: Option<RangeInclusive<usize>>,
}

/// Where each buffer starts, and the arena's length. Largest first, each at the lowest offset where nothing lies that
/// lives at the same time: within a few per cent of what is alive at the worst moment, for networks.
pub fn pack(needs: &[Need]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..needs.len()).filter(|i| needs[*i].life.is_some()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(needs[*i].length));
    let mut offsets = vec![0; needs.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let mut neighbours: Vec<usize> = placed.iter().copied().filter(|j| meet(&needs[i], &needs[*j])).collect();
        neighbours.sort_by_key(|j| offsets[*j]);
        let mut start = 0;
        for j in neighbours {
            if start + needs[i].length <= offsets[j] {
                break;
            }
            start = start.max(offsets[j] + needs[j].length);
        }
        offsets[i] = start;
        placed.push(i);
    }
    let end = placed.iter().map(|i| offsets[*i] + needs[*i].length).max().unwrap_or(0);
    (offsets, end)
}

fn meet(a: &Need, b: &Need) -> bool {
    match (&a.life, &b.life) {
        (Some(a), Some(b)) => a.start() <= b.end() && b.start() <= a.end(),
        _ => false,
    }
}

/// Zeros, on huge pages where the system gives them: reading 16 to 32 MiB is up to twice as fast there. The allocator's own
/// failure would end the process without a word.
pub fn zeros<T: Real>(length: usize) -> Vec<T> {
    let mut zeros = Vec::new();
    if zeros.try_reserve_exact(length).is_err() {
        panic!("out of memory: {} bytes for the planned step", length * size_of::<T>());
    }
    ask_for_huge_pages(&mut zeros);
    zeros.resize(length, T::ZERO);
    zeros
}

/// Before a vector's memory is touched. Only pages that lie in it whole are asked for; a system that has none says no, and
/// nothing is lost.
fn ask_for_huge_pages<T>(memory: &mut Vec<T>) {
    const PAGE: usize = 4096;
    let start = memory.as_mut_ptr().cast::<u8>();
    let (skip, bytes) = (start.align_offset(PAGE), memory.capacity() * size_of::<T>());
    let length = bytes.saturating_sub(skip) / PAGE * PAGE;
    if let (Some(at), true) = (NonNull::new(start.wrapping_add(skip)), length > 0) {
        // SAFETY: the range is the vector's own, and the advice changes no contents.
        let _ = unsafe { madvise(at.cast(), length, MmapAdvise::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(length: usize, life: RangeInclusive<usize>) -> Need {
        Need { length, life: Some(life) }
    }

    #[test]
    fn buffers_share_memory_only_when_they_never_live_together() {
        let needs = [need(10, 0..=2), need(6, 1..=4), need(10, 3..=5), need(4, 3..=3), need(4, 6..=6)];
        let (offsets, end) = pack(&needs);
        for (i, a) in needs.iter().enumerate() {
            for (j, b) in needs.iter().enumerate().skip(i + 1) {
                let apart = offsets[i] + a.length <= offsets[j] || offsets[j] + b.length <= offsets[i];
                assert!(apart || !meet(a, b), "{i} and {j}");
            }
        }
        assert_eq!(end, 20, "what lives at instruction 3");
    }

    #[test]
    fn a_buffer_that_nobody_touches_needs_nothing() {
        assert_eq!(pack(&[Need { length: 7, life: None }]), (vec![0], 0));
    }
}
