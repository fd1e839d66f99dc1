//! Arms whose seeds were trained under different conditions. Equal bits are promised within one
//! build on one kind of processor only, so such a spread may hold more than chance.

use crate::format::shortened;
use crate::study::{Arm, Study};
use res2lab_store::TrialResult;
use std::collections::BTreeSet;

/// Maximum number of names in one sentence.
const MOST_NAMES: usize = 6;

/// What a condition is called, and its value in a result; empty if it is not known.
type Condition = (&'static str, fn(&TrialResult) -> String);

const CONDITIONS: [Condition; 4] = [
    ("builds of res2lab", |result| {
        let code = &result.code;
        if code.commit.is_empty() { code.version.clone() } else { code.commit.clone() }
    }),
    ("engines", |result| result.engine.clone()),
    ("instruction sets", |result| result.vectors.clone()),
    // `cuda:1` is as good as `cuda:0`.
    ("kinds of device", |result| result.device.split(':').next().unwrap_or_default().to_owned()),
];

/// One sentence per condition in which the seeds of an arm differ.
pub(super) fn of(study: &Study) -> Vec<String> {
    let sentence = |(what, of): Condition| {
        let mut names = Vec::new();
        let mut all = BTreeSet::new();
        for arm in &study.arms {
            let values = values(arm, of);
            if values.len() > 1 {
                names.push(arm.label.as_str());
                all.extend(values);
            }
        }
        let values: Vec<String> = all.into_iter().collect();
        (!names.is_empty()).then(|| {
            format!(
                "The seeds of {} were trained by different {what} ({}); what they differ by may \
                 hold more than chance.",
                shortened(&names, MOST_NAMES),
                shortened(&values, MOST_NAMES)
            )
        })
    };
    CONDITIONS.into_iter().filter_map(sentence).collect()
}

fn values(arm: &Arm, of: fn(&TrialResult) -> String) -> BTreeSet<String> {
    let known = arm.trials.iter().filter_map(|trial| trial.result.as_ref()).map(of);
    known.filter(|value| !value.is_empty()).collect()
}
