//! Training speed, estimated from the trials that have run.

use res2lab_store::PlannedTrial;

/// The relative cost of a trial: multiply-adds times epochs. Small networks are limited by the
/// number of operators rather than by arithmetic, so each layer adds a constant cost.
pub(crate) fn work(trial: &PlannedTrial) -> f64 {
    let layers = trial.spec.model.blocks.iter().sum::<usize>() * trial.spec.model.scale;
    (trial.macs as f64 + 2e5 * layers as f64) * trial.spec.train.epochs as f64
}

/// Seconds per unit of work, averaged over the trials that have run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pace {
    work: f64,
    seconds: f64,
}

impl Pace {
    /// Adds a measurement: `work` took `seconds`.
    pub(crate) fn learn(&mut self, work: f64, seconds: f64) {
        self.work += work;
        self.seconds += seconds;
    }

    /// Seconds per unit of work; `None` before the first measurement.
    pub(crate) fn seconds_per_work(self) -> Option<f64> {
        (self.work > 0.0).then(|| self.seconds / self.work)
    }
}
