//! How long trials take, learned from those that have run.

use res2lab_store::PlannedTrial;

/// What a trial costs compared with others: multiply-adds times epochs. Small networks are bound by
/// the number of operators rather than by arithmetic, so a share of the cost is the same for all of
/// equal depth.
pub(crate) fn work(trial: &PlannedTrial) -> f64 {
    let layers = trial.spec.model.blocks.iter().sum::<usize>() * trial.spec.model.scale;
    (trial.macs as f64 + 2e5 * layers as f64) * trial.spec.train.epochs as f64
}

/// Seconds per unit of work, from what has run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pace {
    work: f64,
    seconds: f64,
}

impl Pace {
    /// So much work took so long.
    pub(crate) fn learn(&mut self, work: f64, seconds: f64) {
        self.work += work;
        self.seconds += seconds;
    }

    /// None before anything has run.
    pub(crate) fn seconds_per_work(self) -> Option<f64> {
        (self.work > 0.0).then(|| self.seconds / self.work)
    }
}
