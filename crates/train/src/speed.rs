//! How fast an attempt is: clocks of its steps, evaluation and checkpoints left out.

use std::time::Instant;

/// Times of this attempt.
pub(crate) struct Speed {
    started: Instant,
    interval: Instant,
    pub interval_steps: usize,
    /// Steps of this attempt.
    pub steps: usize,
    step_times_s: Vec<f64>,
    train_s: f64,
    trained_images: usize,
    pub last_checkpoint: Instant,
}

impl Speed {
    /// Starts all clocks.
    pub(crate) fn start() -> Speed {
        let now = Instant::now();
        Speed {
            started: now,
            interval: now,
            interval_steps: 0,
            steps: 0,
            step_times_s: vec![],
            train_s: 0.0,
            trained_images: 0,
            last_checkpoint: now,
        }
    }

    /// Since the attempt began, seconds.
    pub(crate) fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Training images per second, evaluation and checkpoints left out; None before any.
    pub(crate) fn images_per_s(&self) -> Option<f64> {
        (self.train_s > 0.0).then(|| self.trained_images as f64 / self.train_s)
    }

    /// Median time of a step, milliseconds; None before the first.
    pub(crate) fn step_ms(&self) -> Option<f64> {
        let mut times = self.step_times_s.clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).map(|s| s * 1e3)
    }

    /// Starts the next interval.
    pub(crate) fn resume(&mut self) {
        self.interval = Instant::now();
        self.interval_steps = 0;
    }

    /// Called where the device is waited for anyway, so that the times are of finished work.
    pub(crate) fn lap(&mut self, images_per_step: usize) {
        if self.interval_steps == 0 {
            return;
        }
        let elapsed = self.interval.elapsed().as_secs_f64();
        self.train_s += elapsed;
        self.trained_images += self.interval_steps * images_per_step;
        self.step_times_s.push(elapsed / self.interval_steps as f64);
        self.resume();
    }
}
