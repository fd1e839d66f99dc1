//! Buffers packed into one arena: two share memory where they are never needed at the same time.

use std::ops::RangeInclusive;

/// One buffer's need of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Elements.
    pub length: usize,
    /// First and last instruction that touch it; None if none does.
    pub life: Option<RangeInclusive<usize>>,
}

/// Where each buffer starts, and the arena's length. Largest first, each at the lowest offset where
/// nothing lies that lives at the same time: within a few per cent of what is alive at the worst
/// moment, for networks.
pub fn pack(needs: &[Need]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..needs.len()).filter(|i| needs[*i].life.is_some()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(needs[*i].length));
    let mut offsets = vec![0; needs.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let mut neighbors: Vec<usize> =
            placed.iter().copied().filter(|j| meet(&needs[i], &needs[*j])).collect();
        neighbors.sort_by_key(|j| offsets[*j]);
        let mut start = 0;
        for j in neighbors {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn need(length: usize, life: RangeInclusive<usize>) -> Need {
        Need { length, life: Some(life) }
    }

    #[test]
    fn buffers_share_memory_only_when_they_never_live_together() {
        let needs =
            [need(10, 0..=2), need(6, 1..=4), need(10, 3..=5), need(4, 3..=3), need(4, 6..=6)];
        let (offsets, end) = pack(&needs);
        for (i, a) in needs.iter().enumerate() {
            for (j, b) in needs.iter().enumerate().skip(i + 1) {
                let apart =
                    offsets[i] + a.length <= offsets[j] || offsets[j] + b.length <= offsets[i];
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
