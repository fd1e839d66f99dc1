//! What a reader must know beside the findings.

use crate::format::{count, plural};
use crate::study::Study;
use std::collections::{BTreeMap, BTreeSet};
use store::Status::{Diverged, Done, Failed, Interrupted, Pending, Running, Stopped};

pub fn of(study: &Study) -> Vec<String> {
    let mut said = damaged(study);
    if study.baseline.is_some() {
        said.extend(unfinished(study));
        said.extend(failed(study));
        said.extend(stopped(study));
        said.extend(out_of_time(study));
        said.extend(missing_metric(study));
    }
    said.extend(baseline_is_not_first(study));
    said.extend(unequal_cost(study));
    said.extend(same_receptive_field(study));
    said.extend(other_code(study));
    said.extend(other_data(study));
    if study.tested() > 0 {
        said.push(
            "Tests are two-sided paired t-tests over shared seeds; p-values are corrected for the number of arms, \
             intervals are not. They speak of this data set, this recipe and these seeds."
                .into(),
        );
    }
    if study.metric.path == "best/acc1" {
        said.push("The best epoch was picked by the test images themselves, so the accuracy flatters.".into());
    }
    said
}

/// The first few files that could not be read, and how many more.
fn damaged(study: &Study) -> Vec<String> {
    const SHOWN: usize = 3;
    let all = &study.rows.damaged;
    let mut said: Vec<String> = all.iter().take(SHOWN).map(|what| format!("Left out: {what}.")).collect();
    said.extend((all.len() > SHOWN).then(|| format!("{} more files are damaged.", all.len() - SHOWN)));
    said
}

fn unfinished(study: &Study) -> Option<String> {
    let n = study.rows.trials.len();
    (study.count(&[Running, Interrupted, Pending]) > 0).then(|| {
        format!("Not finished: {} of {} done. The numbers will change.", study.count(&[Done]), plural(n, "trial"))
    })
}

fn failed(study: &Study) -> Option<String> {
    let bad = study.count(&[Failed, Diverged]);
    let arms = study.arms.iter().filter(|arm| arm.count(&[Failed, Diverged]) > 0).count();
    (bad > 0).then(|| {
        format!(
            "{} in {} failed or diverged and {} in no mean; if failing depends on the arm, its mean flatters it.",
            plural(bad, "trial"),
            plural(arms, "arm"),
            if bad == 1 { "is" } else { "are" },
        )
    })
}

/// Who is stopped was chosen by accuracy, so what is left is not a fair sample.
fn stopped(study: &Study) -> Option<String> {
    let n = study.count(&[Stopped]);
    (n > 0).then(|| {
        let (were, are) = if n == 1 { ("was", "is") } else { ("were", "are") };
        format!(
            "{} {were} stopped early, behind the others, and {are} in no mean; means of what was left are no fair comparison.",
            plural(n, "trial")
        )
    })
}

/// A data set that changed between trials: what they reach cannot be compared.
fn other_data(study: &Study) -> Option<String> {
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for trial in &study.rows.trials {
        let data = &trial.planned.spec.data;
        let id = trial.result.as_ref().map(|r| r.data_id.as_str()).filter(|id| !id.is_empty());
        ids.entry(data.path.clone().unwrap_or_else(|| data.name.clone())).or_default().extend(id);
    }
    let (name, states) = ids.iter().find(|(_, ids)| ids.len() > 1)?;
    let digests: Vec<&str> = states.iter().copied().collect();
    Some(format!(
        "The data set {name} changed between trials (digests {}); trials on different data cannot be compared.",
        digests.join(", ")
    ))
}

/// Which of its steps a trial made then depends on the machine.
fn out_of_time(study: &Study) -> Option<String> {
    let is_limited = |t: &&store::TrialRow| t.status == Done && !t.reason.is_empty();
    let n = study.rows.trials.iter().filter(is_limited).count();
    let (was, its) = if n == 1 { ("was", "its") } else { ("were", "their") };
    (n > 0).then(|| format!("{} {was} ended by {its} time limit, before the last epoch.", plural(n, "trial")))
}

fn baseline_is_not_first(study: &Study) -> Option<String> {
    let (baseline, first) = (study.baseline?, study.arms.first()?);
    (baseline != 0).then(|| {
        let label = &study.arms[baseline].label;
        format!("The first arm, {}, has no value; {label} stands in as the baseline.", first.label)
    })
}

fn missing_metric(study: &Study) -> Option<String> {
    let without = study.rows.trials.iter().filter(|t| t.status == Done && t.metric(&study.metric.path).is_none());
    let n = without.count();
    (n > 0).then(|| format!("{} finished without a usable {}.", plural(n, "trial"), study.metric.path))
}

/// Differences of more than 5 % in size are said; smaller ones come with matching budgets by whole channels.
fn unequal_cost(study: &Study) -> Option<String> {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some());
    let sizes: Vec<u64> = measured.map(|arm| arm.trials[0].planned.parameters).collect();
    let (least, most) = (*sizes.iter().min()?, *sizes.iter().max()?);
    (most as f64 > 1.05 * least as f64).then(|| {
        let range = format!("{} to {} parameters", count(least), count(most));
        format!("The arms differ in size ({range}); they are not compared at equal cost.")
    })
}

/// Scale works through receptive fields, as the paper has it. Where no block joins its splits there is nothing to see.
fn same_receptive_field(study: &Study) -> Option<String> {
    let scales: BTreeSet<usize> = study.arms.iter().map(|arm| arm.trials[0].planned.spec.model.scale).collect();
    let fields: BTreeSet<u64> = study.arms.iter().map(|arm| arm.trials[0].planned.rf_max_px).collect();
    let has_one_block = study.arms.iter().all(|arm| arm.trials[0].planned.spec.model.blocks.iter().all(|&n| n == 1));
    (scales.len() > 1 && fields.len() == 1 && has_one_block).then(|| {
        format!(
            "All arms have the same receptive field ({} px): a stage's first block keeps its splits apart, and these stages \
             have one block each. Scale cannot widen what they see; at a greater depth it can.",
            fields.iter().next().unwrap_or(&0)
        )
    })
}

fn other_code(study: &Study) -> Option<String> {
    let planned = &study.rows.plan.code;
    let n = study.rows.trials.iter().filter(|t| t.result.as_ref().is_some_and(|r| r.code != *planned)).count();
    (n > 0).then(|| {
        let (were, they) = if n == 1 { ("was", "it is") } else { ("were", "they are") };
        format!("{} {were} trained by another build than the plan's; {they} marked †.", plural(n, "trial"))
    })
}
