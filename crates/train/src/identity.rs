//! Whether a trial starts from the data and weights that were planned, and goes on with those that
//! it began with. Digests are of the content, so a copy on another disk is the same; where one of
//! the two is unknown, nothing is compared.
use crate::checkpoint::State;
use res2lab_error::Error;
use res2lab_store::{PlannedTrial, RunDir};
use std::path::Path;

/// An error if the data set in `dir` is another one than was planned, or than the checkpoint's.
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

/// An error if the weights of a resumed trial are not those that it began with.
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

/// An error if the file that a trial is about to start from is not the one that was planned.
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

/// Whether both are known and not the same.
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
