//! What earlier runs of a sweep left behind: damaged results, diverged trials, seeds to add.

use res2lab_error::Error;
use res2lab_store::{Outcome, Plan, SweepDir, TrialResult, atomic};
use std::collections::BTreeSet;

/// The plan with the seeds that its rule asks for; None if it has them all.
pub(super) fn with_more_seeds(plan: &Plan, dir: &SweepDir) -> Result<Option<Plan>, Error> {
    if plan.seed_rule.is_none() {
        return Ok(None);
    }
    let wanted = res2lab_report::seeds::wanted(&res2lab_store::rows::read(dir, false)?);
    let mut trials = plan.trials.clone();
    let known: BTreeSet<String> = trials.iter().map(|t| t.id.clone()).collect();
    for first in plan.trials.iter().filter(|t| t.spec.seed == 0) {
        let count = wanted.get(&first.arm).copied().unwrap_or(0) as u64;
        let more = (0..count).map(|seed| res2lab_sweep::plan::with_seed(first, seed));
        trials.extend(more.filter(|trial| !known.contains(&trial.id)));
    }
    // Seed by seed, as all plans are.
    trials.sort_by_key(|trial| trial.spec.seed);
    Ok((trials.len() > plan.trials.len()).then(|| Plan { trials, ..plan.clone() }))
}

/// A result that cannot be read is moved aside, so that its trial counts as not done: it goes on
/// from its last checkpoint.
pub(super) fn set_damaged_aside(plan: &Plan, dir: &SweepDir) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for trial in &plan.trials {
        let path = dir.run(&trial.id).result();
        if let Err(e) = atomic::read_json::<TrialResult>(&path) {
            let aside = path.with_extension("json.damaged");
            std::fs::rename(&path, &aside)
                .map_err(|e| res2lab_store::error::io("rename", &path, e))?;
            let moved =
                format!("moved to {}; the trial goes on from its last checkpoint", aside.display());
            warnings.push(format!("{}; {moved}", e.cause));
        }
    }
    Ok(warnings)
}

/// Diverged trials lose their results and checkpoints, so that they start again.
pub(super) fn forget_diverged(plan: &Plan, dir: &SweepDir) -> Result<(), Error> {
    for trial in &plan.trials {
        let run = dir.run(&trial.id);
        let result: Option<TrialResult> = atomic::read_json(&run.result())?;
        if result.is_some_and(|r| r.status == Outcome::Diverged) {
            let on_the_way = run.kept_epochs().into_iter().map(|epoch| run.epoch_weights(epoch));
            for path in [run.last_checkpoint(), run.best_weights(), run.result()]
                .into_iter()
                .chain(on_the_way)
            {
                if path.exists() {
                    std::fs::remove_file(&path)
                        .map_err(|e| res2lab_store::error::io("remove", &path, e))?;
                }
            }
        }
    }
    Ok(())
}
