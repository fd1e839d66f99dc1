//! The disk space of checkpoints: predicted for a plan, and what finished trials no longer need.

use crate::layout::MOST_KEPT_BYTES;
use crate::{Outcome, Plan, PlannedTrial, RunDir, SweepDir, TrialResult, atomic, error};
use res2lab_error::Error;
use res2lab_experiment::{Keep, Precision};
use std::fs;
use std::path::PathBuf;

/// The bytes of checkpoints of a trial: the most while it runs, and what stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    pub running: u64,
    pub kept: u64,
}

/// The bytes of a trial's checkpoints by its number of parameters. Running statistics and headers,
/// about a hundredth, are left out.
pub fn checkpoints(trial: &PlannedTrial, keep: Keep) -> Checkpoints {
    let train = &trial.spec.train;
    let size = if train.precision == Precision::F64 { 8 } else { 4 };
    let weights = trial.parameters * size;
    let averages = if train.ema > 0.0 { weights } else { 0 };
    let squares = if train.optimizer.keeps_squares() { weights } else { 0 };
    // The last state has momentum beside the weights. Files are replaced by complete ones.
    let last = 2 * weights + squares + averages;
    let is_small = weights <= MOST_KEPT_BYTES as u64;
    // After epochs 1, 2, 4, ... but the last.
    let on_the_way = match train.epochs {
        0 | 1 => 0,
        epochs => u64::from(is_small) * u64::from((epochs - 1).ilog2() + 1),
    };
    let all = last + weights + on_the_way * weights;
    let kept = match keep {
        Keep::All => all,
        Keep::Best => weights,
        Keep::Last => last,
        Keep::None => 0,
    };
    Checkpoints { running: all + last, kept }
}

/// The same for a whole plan, with so many trials side by side.
pub fn of_plan(plan: &Plan, slots: usize) -> Checkpoints {
    let each: Vec<Checkpoints> =
        plan.trials.iter().map(|trial| checkpoints(trial, plan.keep)).collect();
    let kept: u64 = each.iter().map(|c| c.kept).sum();
    let mut extra: Vec<u64> = each.iter().map(|c| c.running.saturating_sub(c.kept)).collect();
    extra.sort_unstable_by(|a, b| b.cmp(a));
    Checkpoints { running: kept + extra.iter().take(slots.max(1)).sum::<u64>(), kept }
}

/// A checkpoint that is not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unneeded {
    pub path: PathBuf,
    pub bytes: u64,
}

/// The checkpoints of a finished trial that `keep` does not name; none of a trial that may go on.
///
/// # Errors
/// A result that cannot be read.
pub fn unneeded(run: &RunDir, keep: Keep) -> Result<Vec<Unneeded>, Error> {
    let ended = atomic::read_json::<TrialResult>(&run.result())?.map(|result| result.status);
    let is_final = matches!(ended, Some(Outcome::Done | Outcome::Diverged | Outcome::Stopped));
    if !is_final || keep.is_all() {
        return Ok(vec![]);
    }
    let mut paths: Vec<PathBuf> =
        run.kept_epochs().into_iter().map(|epoch| run.epoch_weights(epoch)).collect();
    if keep != Keep::Last {
        paths.push(run.last_checkpoint());
    }
    if keep != Keep::Best {
        paths.push(run.best_weights());
    }
    let found = |path: PathBuf| {
        let bytes = fs::metadata(&path).ok()?.len();
        Some(Unneeded { path, bytes })
    };
    Ok(paths.into_iter().filter_map(found).collect())
}

/// The same for every trial of a sweep, in the order of its plan.
///
/// # Errors
/// A plan or a result that cannot be read.
pub fn unneeded_of_sweep(dir: &SweepDir, keep: Keep) -> Result<Vec<Unneeded>, Error> {
    let plan = Plan::read(dir)?;
    let trials = plan.trials.iter().chain(&plan.earlier);
    let of_trials: Result<Vec<Vec<Unneeded>>, Error> =
        trials.map(|trial| unneeded(&dir.run(&trial.id), keep)).collect();
    Ok(of_trials?.into_iter().flatten().collect())
}

/// Removes these files. One that is gone already is no error.
pub fn remove(files: &[Unneeded]) -> Result<(), Error> {
    files.iter().try_for_each(|file| match fs::remove_file(&file.path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(error::io("remove", &file.path, e))
        }
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::row;

    fn trial(parameters: u64, epochs: usize) -> PlannedTrial {
        let mut trial = row("a", 7).planned;
        trial.parameters = parameters;
        trial.spec.train.epochs = epochs;
        trial
    }

    #[test]
    fn a_plan_needs_what_its_trials_keep_and_what_runs_at_a_time() {
        // 25 million weights: 100 MB of weights, 200 MB of state, nothing on the way.
        let large = trial(25_000_000, 90);
        let all = checkpoints(&large, Keep::All);
        assert_eq!(all, Checkpoints { running: 500_000_000, kept: 300_000_000 });
        assert_eq!(checkpoints(&large, Keep::Best).kept, 100_000_000);
        assert_eq!(checkpoints(&large, Keep::Last).kept, 200_000_000);
        assert_eq!(checkpoints(&large, Keep::None).kept, 0);
        // A small one also keeps the weights after epochs 1, 2 and 4 of 6.
        assert_eq!(checkpoints(&trial(1000, 6), Keep::All).kept, 4000 * (2 + 1 + 3));
        let plan = Plan { trials: vec![large; 10], keep: Keep::Best, ..Plan::default() };
        let two = of_plan(&plan, 2);
        assert_eq!(two, Checkpoints { running: 1_800_000_000, kept: 1_000_000_000 });
    }

    #[test]
    fn only_finished_trials_lose_checkpoints() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path());
        fs::create_dir(dir.path().join("checkpoints")).unwrap();
        for path in [run.last_checkpoint(), run.best_weights(), run.epoch_weights(1)] {
            fs::write(path, "12345").unwrap();
        }
        assert!(unneeded(&run, Keep::None).unwrap().is_empty());
        let result = TrialResult { status: Outcome::Done, ..TrialResult::default() };
        atomic::write_json(&run.result(), &result).unwrap();
        assert!(unneeded(&run, Keep::All).unwrap().is_empty());
        assert_eq!(unneeded(&run, Keep::None).unwrap().len(), 3);
        let more_than_best = unneeded(&run, Keep::Best).unwrap();
        assert_eq!(more_than_best.iter().map(|file| file.bytes).sum::<u64>(), 10);
        remove(&more_than_best).unwrap();
        assert!(run.best_weights().is_file() && !run.last_checkpoint().is_file());
        remove(&more_than_best).unwrap();
    }
}
