//! Defects of the sweep. The banner stands above the answer, because the defects limit what the
//! answer is worth.

use crate::format::{plural, shortened};
use crate::recipe;
use crate::study::{Arm, Study};
use res2lab_store::Status::{Diverged, Done, Failed, Interrupted, Pending, Running, Stopped};
use res2lab_store::TrialRow;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of names in one sentence.
const MOST_NAMES: usize = 6;

/// One sentence per defect.
pub(super) fn of(study: &Study) -> Vec<String> {
    let mut said = Vec::new();
    said.extend(smoke(study));
    said.extend(damaged(study));
    said.extend(failed(study));
    said.extend(unfinished(study));
    said.extend(without_values(study));
    said.extend(stopped(study));
    said.extend(out_of_time(study));
    said.extend(other_recipes(study));
    said.extend(other_bases(study));
    said.extend(mixed_recipes(study));
    said.extend(other_data(study));
    said.extend(super::conditions::of(study));
    said.extend(chosen_on_test_images(study));
    said.extend(pictures_left_out(study));
    said
}

fn smoke(study: &Study) -> Option<String> {
    study.rows.plan.is_smoke.then(|| {
        "Smoke test: networks, images and epochs are shrunk and the images are generated. No number on this page is a \
         result."
            .into()
    })
}

/// The first few unreadable files, and the number of the others.
fn damaged(study: &Study) -> Vec<String> {
    const SHOWN: usize = 3;
    let all = &study.rows.damaged;
    let mut said: Vec<String> =
        all.iter().take(SHOWN).map(|what| format!("Left out: {what}.")).collect();
    said.extend(
        (all.len() > SHOWN).then(|| format!("{} more files are damaged.", all.len() - SHOWN)),
    );
    said
}

fn unfinished(study: &Study) -> Option<String> {
    let n = study.rows.trials.len();
    (study.count(&[Running, Interrupted, Pending]) > 0).then(|| {
        format!(
            "Not finished: {} of {} done. The numbers will change.",
            study.count(&[Done]),
            plural(n, "trial")
        )
    })
}

fn failed(study: &Study) -> Option<String> {
    let failed = study.count(&[Failed]);
    let diverged = study.count(&[Diverged]);
    let bad = failed + diverged;
    let arms: Vec<_> = study.arms.iter().filter(|arm| arm.count(&[Failed, Diverged]) > 0).collect();
    let what = match (failed, diverged) {
        (0, 0) => return None,
        (_, 0) => "failed",
        (0, _) => "diverged",
        _ => "failed or diverged",
    };
    let of_arm = |arm: &&Arm| {
        format!("{} {} of {}", arm.label, arm.count(&[Failed, Diverged]), arm.trials.len())
    };
    let is_partly = arms.iter().any(|arm| arm.sample.is_some());
    let bias = if is_partly {
        " Means of arms with failures are biased if failing depends on what is measured."
    } else {
        ""
    };
    Some(format!(
        "{bad} of {} {what} ({}{}) and {} in no mean.{bias}",
        plural(study.rows.trials.len(), "trial"),
        arms.iter().take(MOST_NAMES).map(of_arm).collect::<Vec<_>>().join(", "),
        more(arms.len()),
        if bad == 1 { "is" } else { "are" },
    ))
}

fn more(n: usize) -> String {
    if n > MOST_NAMES { format!(" and {} more arms", n - MOST_NAMES) } else { String::new() }
}

/// Arms without conclusions, because all their trials have ended and none has a value.
fn without_values(study: &Study) -> Option<String> {
    let is_over = |arm: &&Arm| arm.count(&[Running, Interrupted, Pending]) == 0;
    let without: Vec<&str> = study
        .arms
        .iter()
        .filter(|arm| arm.sample.is_none())
        .filter(is_over)
        .map(|arm| arm.label.as_str())
        .collect();
    let has_some = study.arms.iter().any(|arm| arm.sample.is_some());
    (!without.is_empty() && has_some).then(|| {
        let names = without.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
        let has = if without.len() == 1 { "has" } else { "have" };
        format!(
            "{names}{} {has} no value: nothing below is about {}.",
            more(without.len()),
            pronoun(without.len())
        )
    })
}

fn pronoun(n: usize) -> &'static str {
    if n == 1 { "it" } else { "them" }
}

/// Stopped trials. They were selected by accuracy, so the rest is a biased sample.
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

/// Trials that ran out of time. How many steps such a trial completed depends on the machine.
fn out_of_time(study: &Study) -> Option<String> {
    let is_limited = |t: &&TrialRow| t.status == Done && !t.reason.is_empty();
    let n = study.rows.trials.iter().filter(is_limited).count();
    let (was, its) = if n == 1 { ("was", "its") } else { ("were", "their") };
    (n > 0).then(|| {
        format!("{} {was} ended by {its} time limit, before the last epoch.", plural(n, "trial"))
    })
}

/// Sweeps with different recipes. The differences between the recipes are confounded with the
/// varied axes.
fn other_recipes(study: &Study) -> Option<String> {
    let differing = recipe::between_sweeps(study.rows);
    if differing.is_empty() {
        return None;
    }
    let field = |(path, values): &(String, Vec<(String, String)>)| {
        let values: Vec<String> =
            values.iter().map(|(sweep, value)| format!("{sweep}: {value}")).collect();
        format!("{path} ({})", values.join(", "))
    };
    let fields: Vec<String> = differing.iter().map(field).collect();
    Some(format!(
        "The sweeps differ in {}. Every comparison between them mixes this with what was varied.",
        shortened(&fields, MOST_NAMES)
    ))
}

/// Trials of commands with another base. Their arms are distinguished by the configuration fields
/// that differ.
fn other_bases(study: &Study) -> Option<String> {
    let variants: BTreeSet<&str> = study
        .arms
        .iter()
        .map(|arm| arm.variant.as_str())
        .filter(|variant| !variant.is_empty())
        .collect();
    (variants.len() > 1).then(|| {
        let names: Vec<&str> = variants.into_iter().take(MOST_NAMES).collect();
        format!(
            "Arms were trained by different recipes ({}); their names say which.",
            names.join("; ")
        )
    })
}

/// Named arms that differ from their partner in the recipe as well as in the network.
fn mixed_recipes(study: &Study) -> Option<String> {
    let is_named =
        |arm: &Arm| arm.trials[0].planned.coordinates.iter().any(|(axis, _)| axis == "arm");
    let mixed = study.pairs.iter().find_map(|pair| {
        let arms = [&study.arms[pair.arm], &study.arms[pair.partner]];
        let (_, differing) = recipe::compare(arms.iter().map(|arm| &arm.trials[0].planned));
        let (of_recipe, rest): (Vec<_>, Vec<_>) = differing
            .into_iter()
            .partition(|d| d.path.starts_with("train.") || d.path.starts_with("data."));
        let is_mixed =
            arms.iter().all(|arm| is_named(arm)) && !of_recipe.is_empty() && !rest.is_empty();
        is_mixed.then_some((arms, of_recipe))
    });
    mixed.map(|([arm, partner], fields)| {
        let field = |d: &recipe::Differing| format!("{} ({} against {})", d.path, d.values[0], d.values[1]);
        let fields: Vec<String> = fields.iter().take(MOST_NAMES).map(field).collect();
        format!(
            "{} and {} differ in their recipe as well as in their network: {}. What they differ by may come from either.",
            arm.label,
            partner.label,
            fields.join(", ")
        )
    })
}

/// A data set that changed between trials, which makes their results incomparable.
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

fn chosen_on_test_images(study: &Study) -> Option<String> {
    (study.metric.path == "best/acc1").then(|| {
        "The epoch of each trial was chosen on the test images that its accuracy is measured on, so all accuracies are too \
         high."
            .into()
    })
}

/// Requested pictures that could not be read.
fn pictures_left_out(study: &Study) -> Vec<String> {
    let mut said = Vec::new();
    let kinds = [
        ("val/left_out", "test", "they count nowhere"),
        ("train/left_out", "training", "others stood in for them"),
    ];
    for (metric, kind, remark) in kinds {
        let lost =
            |t: &TrialRow| t.result.as_ref()?.metrics.get(metric).copied().filter(|n| *n > 0.0);
        let counts: Vec<f64> = study.rows.trials.iter().filter_map(lost).collect();
        let most = counts.iter().copied().fold(0.0, f64::max);
        said.extend((!counts.is_empty()).then(|| {
            format!(
                "Up to {most} {kind} pictures could not be read in {}; {remark}.",
                plural(counts.len(), "trial")
            )
        }));
    }
    said.extend(
        study
            .rows
            .plan
            .notes
            .iter()
            .filter(|note| note.contains(" left out, as "))
            .map(|note| format!("{note}.")),
    );
    said
}
