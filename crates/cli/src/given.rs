//! Weights that a sweep's trials start from, looked at before anything trains: whether they are
//! there, whether they fit each arm's network, and what is to be told of them.

use crate::failure::Failure;
use crate::network;
use crate::request::Purpose;
use res2lab_arch::Input;
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_store::PlannedTrial;
use std::collections::HashMap;
use std::path::Path;

/// Notes for the plan; each trial is told the digest of its weights. Missing files are notes as
/// well where the plan is only looked at.
pub(crate) fn check(
    trials: &mut [PlannedTrial],
    data: &Path,
    purpose: Purpose,
) -> Result<Vec<String>, Failure> {
    let mut digests: HashMap<String, String> = HashMap::new();
    let notes = look(trials, data, purpose, &mut digests)?;
    for trial in trials {
        let given = trial.spec.init.weights.as_ref();
        trial.weights_id = given.and_then(|given| digests.get(given).cloned()).unwrap_or_default();
    }
    Ok(notes)
}

fn look(
    trials: &[PlannedTrial],
    data: &Path,
    purpose: Purpose,
    digests: &mut HashMap<String, String>,
) -> Result<Vec<String>, Failure> {
    let mut notes = vec![];
    let mut seen: Vec<&PlannedTrial> = vec![];
    let mut opened: Option<(&str, WeightsFile)> = None;
    for trial in trials {
        let Some(given) = trial.spec.init.weights.as_deref() else { continue };
        if seen.iter().any(|other| is_same(other, trial)) {
            continue;
        }
        seen.push(trial);
        let path = match crate::published::find_weights(given, data) {
            Ok(path) => path,
            Err(missing) if purpose == Purpose::Look => {
                add(&mut notes, format!("{}; {}", missing.cause, missing.help));
                continue;
            }
            Err(missing) => return Err(missing),
        };
        let file = match opened.take().filter(|(name, _)| *name == given) {
            Some((_, file)) => file,
            None => WeightsFile::open(&path).map_err(network::input)?,
        };
        digests.insert(given.to_owned(), file.digest.clone());
        for note in fit(trial, &file)? {
            add(&mut notes, format!("weights={given}: {note}"));
        }
        opened = Some((given, file));
    }
    Ok(notes)
}

/// Whether two trials ask the same of a file.
fn is_same(a: &PlannedTrial, b: &PlannedTrial) -> bool {
    a.spec.init == b.spec.init
        && a.spec.model == b.spec.model
        && (a.image_channels, a.classes) == (b.image_channels, b.classes)
}

fn fit(trial: &PlannedTrial, file: &WeightsFile) -> Result<Vec<String>, Failure> {
    let px = trial.image_px;
    let channels = trial.image_channels;
    let classes = trial.classes;
    let graph =
        res2lab_arch::build(&trial.spec.model, Input { channels, height: px, width: px, classes })?;
    let loaded = weights::check(&graph.state, file, Fit::Start);
    loaded
        .map(|loaded| loaded.notes)
        .map_err(|e| Failure::input(format!("{}: {}", trial.label, e.cause), e.help))
}

fn add(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}
