//! Checks that a trial starts with the data and weights of its plan, and resumes with those of its
//! checkpoint. Digests depend on content only, so a copy on another disk is the same data. An
//! unknown digest is not compared.
use crate::checkpoint::State;
use res2lab_error::Error;
use res2lab_store::{PlannedTrial, RunDir};
use std::path::Path;

/// Returns an error if the data set in `dir` is not that of the plan, or not that of the
/// checkpoint.
pub(crate) fn check_data(
    trial: &PlannedTrial,
    saved: Option<&State>,
    (here, dir): (&str, &Path),
    run: &RunDir,
) -> Result<(), Error> {
    if differ(&trial.data_id, here) {
        let cause = format!("the data set in {} is not the one that was planned", dir.display());
        let digests = format!("{cause} (digest {here}, planned {})", trial.data_id);
        let help = "run the same command again, which looks at the data anew; every machine needs the same data";
        return Err(Error::input(digests, help));
    }
    match saved {
        Some(state) if differ(&state.data_id, here) => {
            Err(changed(&format!("the data set in {}", dir.display()), &state.data_id, here, run))
        }
        _ => Ok(()),
    }
}

/// Returns an error if the weights of a resumed trial are not those of its checkpoint.
pub(crate) fn check_weights(
    trial: &PlannedTrial,
    saved: Option<&State>,
    run: &RunDir,
) -> Result<(), Error> {
    let given = trial.spec.init.weights.as_deref().unwrap_or_default();
    match saved {
        Some(state) if differ(&state.weights_id, &trial.weights_id) => {
            Err(changed(&format!("weights={given}"), &state.weights_id, &trial.weights_id, run))
        }
        _ => Ok(()),
    }
}

/// Returns an error if the file of initial weights is not that of the plan.
pub(crate) fn check_planned_weights(
    trial: &PlannedTrial,
    here: &str,
    path: &Path,
) -> Result<(), Error> {
    if !differ(&trial.weights_id, here) {
        return Ok(());
    }
    let cause = format!(
        "{} is not the file that was planned (digest {here}, planned {})",
        path.display(),
        trial.weights_id
    );
    Err(Error::input(cause, "run the same command again, which looks at the weights anew"))
}

/// Whether both digests are known and differ.
fn differ(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && a != b
}

fn changed(what: &str, then: &str, now: &str, run: &RunDir) -> Error {
    let cause = format!("{what} changed since this trial began (digest {then}, now {now})");
    let help = format!(
        "put back what it was, give another --name, or remove {} to train anew",
        run.path().display()
    );
    Error::input(cause, help)
}
