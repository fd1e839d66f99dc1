//! Changes since an earlier run: each arm before and now, compared over the seeds that both runs
//! have.

use crate::format::{fixed, p_cell, plural, signed, utc};
use crate::recipe;
use crate::stats::{self, ALPHA, Paired, Sample};
use crate::study::{Arm, Study};
use crate::together;
use res2lab_store::history::{Found, FoundArm};
use std::collections::BTreeMap;

/// A comparison of two runs of the same arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The names of the two runs.
    pub before: String,
    pub now: String,
    /// The conclusion in one sentence.
    pub sentence: String,
    /// Column titles of [`Changes::rows`].
    pub columns: Vec<String>,
    /// One row per arm.
    pub rows: Vec<Vec<String>>,
}

/// The results of a study in the form in which the sweep's history stores them. `at_s` is a Unix
/// time in seconds.
pub fn found(study: &Study, at_s: f64) -> Found {
    let plan = &study.rows.plan;
    let with_values = study.arms.iter().filter(|arm| !arm.values.is_empty());
    let arm = |arm: &Arm| FoundArm {
        arm: arm.id.into(),
        label: arm.label.clone(),
        values: arm.values.clone(),
    };
    Found {
        at_s,
        command: plan.command.clone(),
        code: plan.code.clone(),
        metric: study.metric.path.clone(),
        arms: with_values.map(arm).collect(),
    }
}

/// The values of one arm by seed, before and now.
struct Change {
    label: String,
    before: BTreeMap<u64, f64>,
    now: BTreeMap<u64, f64>,
    paired: Option<Paired>,
    p_holm: Option<f64>,
}

/// The changes between the sweeps of a combined page, or since the last command whose results
/// differ. `None` if there is nothing to compare with.
pub fn of(study: &Study) -> Option<Changes> {
    between_sweeps(study).or_else(|| since_the_last_command(study))
}

fn between_sweeps(study: &Study) -> Option<Changes> {
    let axis = study.axes.iter().position(|axis| axis.label == together::AXIS)?;
    let sweep = |arm: &Arm| arm.places.first().and_then(|place| place[axis].clone());
    let first = study.arms.iter().find_map(sweep)?;
    let recipes: Vec<_> =
        study.arms.iter().map(|arm| recipe::fields(&arm.trials[0].planned)).collect();
    let mut changes = Vec::new();
    for (i, arm) in study
        .arms
        .iter()
        .enumerate()
        .filter(|(_, arm)| sweep(arm).is_some_and(|name| name != first))
    {
        let same = (0..study.arms.len())
            .find(|&j| sweep(&study.arms[j]).as_ref() == Some(&first) && recipes[j] == recipes[i]);
        if let Some(j) = same {
            changes.push(Change::new(
                arm.label.clone(),
                study.arms[j].values.clone(),
                arm.values.clone(),
            ));
        }
    }
    changes.retain(|change| !change.before.is_empty() && !change.now.is_empty());
    finish(study, first, "the other".into(), changes)
}

fn since_the_last_command(study: &Study) -> Option<Changes> {
    let now: BTreeMap<&str, &BTreeMap<u64, f64>> =
        study.arms.iter().map(|arm| (arm.id, &arm.values)).collect();
    let differs = |found: &&Found| {
        found.metric == study.metric.path
            && found
                .arms
                .iter()
                .any(|arm| now.get(arm.arm.as_str()).is_some_and(|values| **values != arm.values))
    };
    let last = study.rows.history.iter().rev().find(differs)?;
    let arms = last.arms.iter().filter_map(|past| {
        let arm = study.arms.iter().find(|arm| arm.id == past.arm && arm.values != past.values)?;
        Some(Change::new(arm.label.clone(), past.values.clone(), arm.values.clone()))
    });
    finish(study, utc(last.at_s), "now".into(), arms.collect())
}

impl Change {
    fn new(label: String, before: BTreeMap<u64, f64>, now: BTreeMap<u64, f64>) -> Change {
        let pairs: Vec<(f64, f64)> =
            before.iter().filter_map(|(seed, a)| Some((*a, *now.get(seed)?))).collect();
        Change { paired: stats::paired(&pairs), label, before, now, p_holm: None }
    }

    fn is_same(&self) -> bool {
        self.paired.is_some()
            && self.before.iter().all(|(seed, a)| self.now.get(seed).is_none_or(|b| a == b))
    }
}

fn finish(study: &Study, before: String, now: String, mut changes: Vec<Change>) -> Option<Changes> {
    if changes.is_empty() {
        return None;
    }
    let tested: Vec<usize> = (0..changes.len())
        .filter(|&i| changes[i].paired.is_some_and(|p| p.p().is_some()))
        .collect();
    let raw: Vec<f64> = tested.iter().filter_map(|&i| changes[i].paired?.p()).collect();
    for (&i, p) in tested.iter().zip(stats::holm(&raw)) {
        changes[i].p_holm = Some(p);
    }
    let columns = [
        "arm".to_owned(),
        before.clone(),
        "n".into(),
        now.clone(),
        "n".into(),
        "change over shared seeds".into(),
        "p".into(),
    ];
    let sentence = sentence(&changes, tested.len());
    Some(Changes {
        before,
        now,
        sentence,
        columns: columns.into(),
        rows: changes.iter().map(|c| cells(study, c)).collect(),
    })
}

fn sentence(changes: &[Change], tested: usize) -> String {
    let same = changes.iter().filter(|change| change.is_same()).count();
    if same == changes.len() {
        return format!(
            "{} compared: all the same to the bit in every shared seed.",
            plural(same, "arm")
        );
    }
    let clear = changes.iter().filter(|change| change.p_holm.is_some_and(|p| p < ALPHA)).count();
    let said = match (tested, clear) {
        (0, _) => "nothing can be tested: too few seeds are shared, or their changes do not vary"
            .to_owned(),
        (_, 0) => "no change is resolved".to_owned(),
        (_, 1) => "1 has changed".to_owned(),
        (_, n) => format!("{n} have changed"),
    };
    let test = if tested > 0 { " (paired t-tests, Holm-adjusted p < 0.05)" } else { "" };
    let rest = if same > 0 {
        format!("; {same} are the same to the bit in every shared seed")
    } else {
        String::new()
    };
    format!("{} compared: {said}{test}{rest}.", plural(changes.len(), "arm"))
}

fn cells(study: &Study, change: &Change) -> Vec<String> {
    let value = |values: &BTreeMap<u64, f64>| {
        let sample = Sample::of(&values.values().copied().collect::<Vec<_>>());
        let spread = |s: Sample| {
            s.std.map(|s| format!(" ± {}", fixed(s, study.decimals))).unwrap_or_default()
        };
        sample.map_or("–".into(), |s| format!("{}{}", fixed(s.mean, study.decimals), spread(s)))
    };
    let decimals = study.difference_decimals;
    let by = match change.paired {
        None => "no shared seed".into(),
        Some(_) if change.is_same() => "the same to the bit".into(),
        Some(p) => {
            let interval =
                |(low, high)| format!(" ({} to {})", fixed(low, decimals), fixed(high, decimals));
            format!(
                "{}{}",
                signed(p.difference.mean, decimals),
                p.interval().map(interval).unwrap_or_default()
            )
        }
    };
    vec![
        change.label.clone(),
        value(&change.before),
        change.before.len().to_string(),
        value(&change.now),
        change.now.len().to_string(),
        by,
        change.p_holm.map_or("–".into(), p_cell),
    ]
}
