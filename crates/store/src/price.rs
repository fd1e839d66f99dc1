//! What a trial will cost on a machine, from a few timed steps.

use serde::{Deserialize, Serialize};

/// A few steps of one network, timed while every slot was busy with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// An optimizer step, seconds.
    pub step_s: f64,
    /// Evaluating one test image, seconds.
    pub evaluation_s: f64,
    /// Writing a checkpoint, seconds.
    pub save_s: f64,
    /// From the start of the process to its first step, seconds.
    pub startup_s: f64,
    /// Largest resident memory, MiB.
    pub memory_mib: f64,
}

/// A trial's predicted cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// What it was worked out from.
    pub timing: Timing,
    /// The device it holds for, in words.
    pub device: String,
    /// Predicted wall time of the whole trial, seconds.
    pub wall_s: f64,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub eval_every: usize,
    pub test_images: usize,
    /// Limit of training time in seconds; 0 is none.
    pub limit_s: f64,
}

impl Timing {
    /// The wall time of a trial, seconds.
    pub fn wall_s(&self, work: Work) -> f64 {
        let steps = (work.epochs * work.steps_per_epoch) as f64 * self.step_s;
        // After every so many epochs, and after the last.
        let evaluations = work.epochs.div_ceil(work.eval_every.max(1)) as f64;
        let evaluation = evaluations * work.test_images as f64 * self.evaluation_s;
        // The last state each epoch, and the best about every other time.
        let saves = 1.5 * work.epochs as f64 * self.save_s;
        let training = steps + evaluation + saves;
        self.startup_s + if work.limit_s > 0.0 { training.min(work.limit_s) } else { training }
    }
}

/// When the last of these trials ends if each free slot takes the next, seconds from now.
pub fn finish_s(walls: impl Iterator<Item = f64>, slots: usize) -> f64 {
    let mut free = vec![0.0_f64; slots.max(1)];
    for wall in walls {
        // There is at least one slot.
        if let Some(first) = free.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *first += wall;
        }
    }
    free.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_adds_up() {
        let timing = Timing {
            step_s: 0.1,
            evaluation_s: 0.01,
            save_s: 2.0,
            startup_s: 1.0,
            memory_mib: 0.0,
        };
        let work =
            Work { epochs: 3, steps_per_epoch: 10, eval_every: 2, test_images: 50, limit_s: 0.0 };
        // 1 + 30 * 0.1 + 2 * 50 * 0.01 + 4.5 * 2
        assert!((timing.wall_s(work) - 14.0).abs() < 1e-12);
        assert!((timing.wall_s(Work { limit_s: 5.0, ..work }) - 6.0).abs() < 1e-12);
    }

    #[test]
    fn slots_take_the_next_trial_when_they_are_free() {
        assert_eq!(finish_s([3.0, 1.0, 1.0, 2.0].into_iter(), 2), 4.0);
        assert_eq!(finish_s([3.0, 1.0].into_iter(), 0), 4.0);
        assert_eq!(finish_s(std::iter::empty(), 3), 0.0);
    }
}
