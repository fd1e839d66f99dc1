//! Early stopping by asynchronous successive halving (ASHA), from the metrics that trials have
//! written so far.

use res2lab_experiment::Asha;
use res2lab_store::{PlannedTrial, SweepDir, metrics};
use std::collections::{HashMap, HashSet};

/// For each rung, the accuracies of all trials that reached the rung.
pub struct Rungs {
    rule: Asha,
    values: Vec<HashMap<String, f64>>,
    /// Trials that were stopped by the rule.
    stopped: HashSet<String>,
}

impl Rungs {
    /// Creates the rungs with the accuracies that trials reached under earlier commands.
    pub fn new(rule: Asha, dir: &SweepDir, trials: &[PlannedTrial]) -> Rungs {
        let mut rungs =
            Rungs { values: vec![HashMap::new(); rule.rungs.len()], rule, stopped: HashSet::new() };
        for trial in trials {
            rungs.note(dir, &trial.id, f64::INFINITY);
        }
        rungs
    }

    /// Decides whether a trial at `epoch` must end, and returns the reason in words. `None` means
    /// that the trial goes on, or was stopped before.
    pub fn look(&mut self, dir: &SweepDir, id: &str, epoch: f64) -> Option<String> {
        if self.stopped.contains(id) {
            return None;
        }
        let reason = self.note(dir, id, epoch)?;
        self.stopped.insert(id.to_owned());
        Some(reason)
    }

    /// Reads the trial's accuracy at each rung that it has reached since the last call.
    fn note(&mut self, dir: &SweepDir, id: &str, epoch: f64) -> Option<String> {
        let reached =
            self.rule.rungs.iter().copied().enumerate().filter(|&(_, rung)| epoch >= rung as f64);
        let new: Vec<(usize, usize)> =
            reached.filter(|&(i, _)| !self.values[i].contains_key(id)).collect();
        if new.is_empty() {
            return None;
        }
        // An incomplete last line is read at the next call.
        let curve = metrics::read(&dir.run(id).metrics()).unwrap_or_default();
        let mut reason = None;
        for (i, rung) in new {
            let at_rung = curve
                .iter()
                .find(|p| p.epoch == rung as f64)
                .and_then(|p| p.values.get("val/acc1"));
            let Some(value) = at_rung else { continue };
            self.values[i].insert(id.to_owned(), value);
            reason = reason.or_else(|| self.is_behind(i, value));
        }
        reason
    }

    fn is_behind(&self, i: usize, value: f64) -> Option<String> {
        let values = &self.values[i];
        let reduction = self.rule.reduction;
        // Fewer trials than the reduction factor give no ranking.
        if values.len() < reduction {
            return None;
        }
        let place = 1 + values.values().filter(|&&other| other > value).count();
        let go_on = values.len() / reduction;
        (place > go_on).then(|| {
            format!(
                "accuracy {value:.2} % after epoch {} was number {place} of {}",
                self.rule.rungs[i],
                values.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_store::{Metrics, Point};
    use std::collections::BTreeMap;

    fn write(dir: &SweepDir, id: &str, accuracies: &[f64]) {
        std::fs::create_dir_all(dir.run(id).path()).unwrap();
        let mut metrics = Metrics::open(&dir.run(id).metrics(), 0).unwrap();
        for (i, &accuracy) in accuracies.iter().enumerate() {
            let values = BTreeMap::from([("val/acc1".to_owned(), accuracy)]);
            metrics
                .append(&Point { step: i as u64, epoch: (i + 1) as f64, values: values.into() })
                .unwrap();
        }
    }

    #[test]
    fn one_of_three_goes_on_once_three_have_come() {
        let folder = tempfile::tempdir().unwrap();
        let dir = SweepDir::new(folder.path());
        let mut rungs = Rungs::new(Asha { rungs: vec![1, 2], reduction: 3 }, &dir, &[]);
        write(&dir, "a", &[50.0, 60.0]);
        write(&dir, "b", &[40.0]);
        write(&dir, "c", &[30.0]);
        write(&dir, "d", &[70.0, 55.0]);
        assert_eq!(rungs.look(&dir, "a", 0.9), None, "not there yet");
        assert_eq!(rungs.look(&dir, "b", 1.2), None, "the first to come");
        assert_eq!(rungs.look(&dir, "a", 1.0), None);
        let reason = rungs.look(&dir, "c", 1.0).unwrap();
        assert_eq!(reason, "accuracy 30.00 % after epoch 1 was number 3 of 3");
        assert_eq!(rungs.look(&dir, "c", 1.5), None, "told once");
        // The best of four goes on. Only two trials have reached the second rung, which is too few.
        assert_eq!(rungs.look(&dir, "d", 2.0), None);
        assert_eq!(rungs.look(&dir, "a", 2.0), None);
    }
}
