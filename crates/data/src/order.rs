//! The images of each step, as a pure function of (seed, epoch) and of the shard. A resumed run and
//! any number of processes see the same stream.

use res2lab_random::Key;

/// A shard: the images of each step that one process handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Index of this process.
    pub rank: usize,
    /// Number of processes.
    pub world: usize,
    /// Number of batches per process over which gradients are accumulated before a step.
    pub accumulate: usize,
}

impl Shard {
    /// One process, one batch per step.
    pub const WHOLE: Shard = Shard { rank: 0, world: 1, accumulate: 1 };

    /// The number of parts into which the images of a step are divided: processes times accumulated
    /// batches.
    pub fn parts(self) -> usize {
        self.world * self.accumulate
    }
}

/// The number of optimizer steps in one epoch; the last partial step is dropped.
pub fn steps_per_epoch(images: usize, batch_size: usize) -> usize {
    images / batch_size
}

/// The batches of this shard from step `first_step` of `epoch` on: `accumulate` batches per step,
/// each of `batch_size / parts` images.
pub fn training_batches(
    images: usize,
    seed: u64,
    epoch: usize,
    batch_size: usize,
    shard: Shard,
    first_step: usize,
) -> Vec<Vec<u32>> {
    repeated_batches(images, 1, (seed, epoch), batch_size, shard, first_step)
}

/// As [`training_batches`], with repeated augmentation (Hoffer et al. 2020): each image comes
/// `repeats` times in a row, and the epoch ends when it has had as many images as without. Copy k
/// of image i has the index `i + k * images`, so that each copy has random draws of its own.
pub fn repeated_batches(
    images: usize,
    repeats: usize,
    (seed, epoch): (u64, usize),
    batch_size: usize,
    shard: Shard,
    first_step: usize,
) -> Vec<Vec<u32>> {
    let mut order = epoch_key(seed, epoch).named("order").permutation(images);
    if repeats > 1 {
        let copies = |image: &u32| {
            let image = *image as usize;
            (0..repeats).map(move |copy| (image + copy * images) as u32)
        };
        order = order.iter().flat_map(copies).take(images).collect();
    }
    let part = batch_size / shard.parts();
    let steps = order.chunks_exact(batch_size).skip(first_step);
    let of_rank = |step: &[u32]| {
        let parts: Vec<Vec<u32>> = step.chunks_exact(part).map(<[u32]>::to_vec).collect();
        parts.into_iter().skip(shard.rank * shard.accumulate).take(shard.accumulate)
    };
    steps.flat_map(of_rank).collect()
}

/// All images in file order, `batch_size` at a time; the last batch may be smaller. Each process
/// takes every `world`-th batch.
pub fn evaluation_batches(images: usize, batch_size: usize, shard: Shard) -> Vec<Vec<u32>> {
    let all: Vec<u32> = (0..images as u32).collect();
    let mine = all.chunks(batch_size).skip(shard.rank).step_by(shard.world);
    mine.map(<[u32]>::to_vec).collect()
}

/// The random stream of an epoch.
pub fn epoch_key(seed: u64, epoch: usize) -> Key {
    Key::new(seed).named("data").with(epoch as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_each_image_at_most_once_and_resumes_in_its_middle() {
        let all = training_batches(103, 7, 2, 10, Shard::WHOLE, 0);
        assert_eq!(all.len(), 10);
        let mut seen: Vec<u32> = all.concat();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
        assert_eq!(training_batches(103, 7, 2, 10, Shard::WHOLE, 4), all[4..]);
        assert_ne!(training_batches(103, 7, 3, 10, Shard::WHOLE, 0), all);
    }

    #[test]
    fn repeated_images_come_in_a_row_each_with_an_index_of_its_own() {
        let plain = training_batches(100, 7, 2, 10, Shard::WHOLE, 0).concat();
        let all = repeated_batches(100, 3, (7, 2), 10, Shard::WHOLE, 0);
        assert_eq!(all.len(), 10);
        let images: Vec<u32> = all.concat().iter().map(|index| index % 100).collect();
        let expected = plain.iter().flat_map(|image| [*image; 3]).take(100);
        assert!(images.iter().copied().eq(expected));
        let mut seen = all.concat();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
        assert_eq!(repeated_batches(100, 3, (7, 2), 10, Shard::WHOLE, 4), all[4..]);
    }

    #[test]
    fn shards_together_see_what_one_process_sees() {
        let whole = training_batches(64, 1, 0, 16, Shard::WHOLE, 0);
        for (step, batch) in whole.iter().enumerate() {
            let mut together = Vec::new();
            for rank in 0..2 {
                let shard = Shard { rank, world: 2, accumulate: 2 };
                let mine = training_batches(64, 1, 0, 16, shard, 0);
                together.extend(mine[2 * step..2 * step + 2].concat());
            }
            assert_eq!(&together, batch);
        }
        let parts: Vec<_> = (0..3)
            .flat_map(|rank| evaluation_batches(25, 4, Shard { rank, world: 3, accumulate: 1 }))
            .collect();
        let mut seen = parts.concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..25));
    }
}
