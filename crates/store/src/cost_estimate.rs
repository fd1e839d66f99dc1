//! Prediction of a trial's cost on a machine, from a few timed steps.

use serde::{Deserialize, Serialize};

/// Times of a few steps of one network, measured while every slot had the same load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Duration of an optimizer step, seconds.
    pub step_s: f64,
    /// Duration of evaluating one test image, seconds.
    pub evaluation_s: f64,
    /// Duration of writing a checkpoint, seconds.
    pub save_s: f64,
    /// From process start to the first step, seconds.
    pub startup_s: f64,
    /// Peak resident memory, MiB.
    pub memory_mib: f64,
    /// Peak memory of tensors on a GPU, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_mib: Option<f64>,
    /// The longest step of a slot divided by the shortest, where slots differ, as on GPUs of two
    /// kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_ratio: Option<f64>,
}

/// A trial's predicted cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostEstimate {
    /// The measurement on which the prediction is based.
    pub timing: Timing,
    /// The device in words.
    pub device: String,
    /// Predicted wall time of the whole trial, seconds.
    pub wall_s: f64,
}

/// The amount of work of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub eval_every: usize,
    pub test_images: usize,
    /// Limit of training time in seconds; 0 is no limit.
    pub limit_s: f64,
}

impl Timing {
    /// The predicted wall time of a trial, seconds.
    pub fn wall_s(&self, work: Work) -> f64 {
        let steps = (work.epochs * work.steps_per_epoch) as f64 * self.step_s;
        // One evaluation per `eval_every` epochs, and one at the end.
        let evaluations = work.epochs.div_ceil(work.eval_every.max(1)) as f64;
        let evaluation = evaluations * work.test_images as f64 * self.evaluation_s;
        // The last state is saved each epoch, the best state about every other epoch.
        let saves = 1.5 * work.epochs as f64 * self.save_s;
        let training = steps + evaluation + saves;
        self.startup_s + if work.limit_s > 0.0 { training.min(work.limit_s) } else { training }
    }
}

/// The time until the last trial ends, in seconds, if each free slot takes the next trial. `walls`
/// are the trials' wall times in seconds.
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
            gpu_memory_mib: None,
            slot_ratio: None,
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
