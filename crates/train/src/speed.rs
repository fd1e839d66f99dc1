//! The speed of an attempt: times of its steps, without evaluation and checkpoints.

use std::time::Instant;

/// The clocks of an attempt.
pub(crate) struct Speed {
    started: Instant,
    interval: Instant,
    pub interval_steps: usize,
    /// The steps of this attempt so far.
    pub steps: usize,
    /// When the first step was done.
    pub first_step: Option<Instant>,
    /// After how many steps processes ask each other whether to stop.
    pub agree_every: usize,
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
            first_step: None,
            agree_every: 1,
            step_times_s: vec![],
            train_s: 0.0,
            trained_images: 0,
            last_checkpoint: now,
        }
    }

    /// The seconds since the attempt began.
    pub(crate) fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Training images per second, without evaluation and checkpoints; None before the first step.
    pub(crate) fn images_per_s(&self) -> Option<f64> {
        (self.train_s > 0.0).then(|| self.trained_images as f64 / self.train_s)
    }

    /// The median time of a step in milliseconds; None before the first step.
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

    /// Ends an interval. To be called right after the loop has waited for the device, so that the
    /// work of the interval is finished.
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
