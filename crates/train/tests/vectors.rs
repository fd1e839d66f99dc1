//! A resumed trial keeps the instruction set with which it began, even if the resuming process
//! selects another one.

mod common;

use common::{folder, options, short, trial};
use res2lab_kernels::instruction_set::InstructionSet;
use res2lab_store::{PlannedTrial, RunDir, TrialResult, atomic};
use res2lab_train::{Ended, TrialOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn run_at(
    set: InstructionSet,
    trial: &PlannedTrial,
    run: &RunDir,
    stop_at: Option<usize>,
) -> Ended {
    run.create(&trial.spec).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut on_progress = |p: &res2lab_store::Progress| {
        if stop_at == Some(p.step) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    res2lab_train::run(
        trial,
        run,
        &TrialOptions { vectors: set, ..options(&stop) },
        &mut on_progress,
    )
    .unwrap()
}

fn bytes(run: &RunDir) -> [Vec<u8>; 3] {
    [run.last_checkpoint(), run.best_weights(), run.metrics()]
        .map(|path| std::fs::read(path).unwrap())
}

// This is a single test, because the instruction set is a setting of the whole process.
#[test]
fn a_resumed_trial_uses_the_recorded_level() {
    let trial = trial(short());
    let sets: Vec<InstructionSet> =
        InstructionSet::ALL.into_iter().filter(|set| set.is_available()).collect();
    for &set in &sets {
        let other = *sets.iter().rev().find(|&&other| other != set).unwrap_or(&set);
        let (_a, whole) = folder();
        assert_eq!(run_at(set, &trial, &whole, None), Ended::Done);
        let (_b, pieces) = folder();
        assert_eq!(run_at(set, &trial, &pieces, Some(3)), Ended::Preempted);
        assert_eq!(run_at(other, &trial, &pieces, None), Ended::Done);
        assert!(
            bytes(&whole) == bytes(&pieces),
            "{} resumed where {} is chosen",
            set.name(),
            other.name()
        );
        let log = std::fs::read_to_string(pieces.log(2)).unwrap();
        assert!(
            other == set
                || log.contains(&format!("vectors: {}, as the checkpoint says", set.name())),
            "{log}"
        );
        let result: TrialResult = atomic::read_json(&pieces.result()).unwrap().unwrap();
        assert_eq!(result.vectors, set.name());
    }
}
