//! What finished trials of a sweep were trained on, beside what the same command would train on
//! now.

use crate::failure::Failure;
use res2lab_store::{Plan, PlannedTrial, SweepDir, TrialResult, atomic};

/// The first finished trial whose data set or weights are others now; None if there is none. A
/// result that cannot be read says nothing here.
pub(crate) fn changed(plan: &Plan, dir: &SweepDir) -> Option<Failure> {
    plan.trials.iter().find_map(|trial| {
        let run = dir.run(&trial.id);
        let result: TrialResult = atomic::read_json(&run.result()).ok().flatten()?;
        let what = difference(trial, &result)?;
        let cause = format!(
            "{} seed {} is done, but was trained on other {what}",
            trial.label, trial.spec.seed
        );
        let help = format!(
            "give another --name for the new ones, or remove {} to train it anew",
            run.path().display()
        );
        Some(Failure::input(cause, help))
    })
}

fn difference(trial: &PlannedTrial, result: &TrialResult) -> Option<String> {
    let differ = |then: &str, now: &str| !then.is_empty() && !now.is_empty() && then != now;
    let data = &trial.spec.data;
    if differ(&result.data_id, &trial.data_id) {
        let name = data.path.as_ref().unwrap_or(&data.name);
        return Some(format!(
            "data: {name} had digest {} and has {}",
            result.data_id, trial.data_id
        ));
    }
    let weights = trial.spec.init.weights.as_deref().unwrap_or_default();
    differ(&result.weights_id, &trial.weights_id).then(|| {
        format!("weights: {weights} had digest {} and has {}", result.weights_id, trial.weights_id)
    })
}
