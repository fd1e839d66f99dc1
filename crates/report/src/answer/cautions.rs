//! Limits of the conclusions, listed beside the findings.

use crate::findings::Kind;
use crate::format::{count, fixed, p_value, plural};
use crate::recipe;
use crate::stats::{ALPHA, bartlett};
use crate::study::Study;
use res2lab_store::Status::Done;
use std::collections::BTreeSet;

/// One sentence per limit.
pub(super) fn of(study: &Study) -> Vec<String> {
    let mut said = Vec::new();
    said.extend(study.baseline.and_then(|_| missing_metric(study)));
    said.extend(baseline_is_not_first(study));
    said.extend(unbalanced(study));
    said.extend(spread(study));
    said.extend(unequal_cost(study));
    said.extend(same_receptive_field(study));
    said.extend(other_code(study));
    said.extend(how_it_was_tested(study));
    said
}

/// The family, its correction and the margin; `None` if nothing was tested.
fn how_it_was_tested(study: &Study) -> Option<String> {
    let findings = &study.findings;
    let n = findings.tested();
    if n == 0 || study.rows.plan.is_smoke {
        return None;
    }
    let test = match findings.kind {
        Kind::Pairs if study.rows.plan.seed_rule.is_some() => {
            "Two-sided tests by Stein's two-stage rule over shared seeds"
        }
        Kind::Pairs => "Two-sided paired t-tests over shared seeds",
        _ => "Least squares of all cells with seeds as blocks, the error pooled over the cells",
    };
    let family = if n > 1 {
        format!(
            "; p-values are Holm-adjusted over the family of {n} ({}), intervals are not",
            findings.family
        )
    } else {
        String::new()
    };
    let margin = study.margin().map_or(String::new(), |margin| {
        format!(
            " Equal means nearer than {margin}{} (two one-sided tests).",
            study.metric.difference_unit
        )
    });
    let recipe = if is_of_recipes(study) { "these recipes" } else { "this recipe" };
    Some(format!(
        "{test}{family}.{margin} The results hold for this data set, {recipe} and these seeds."
    ))
}

/// Whether named arms differ in their recipe.
fn is_of_recipes(study: &Study) -> bool {
    if !study.axes.iter().any(|axis| axis.label == "arm") {
        return false;
    }
    let (_, differing) = recipe::compare(study.arms.iter().map(|arm| &arm.trials[0].planned));
    differing.iter().any(|field| field.path.starts_with("train."))
}

/// Arms with different numbers of seeds, in a grid or along axes.
fn unbalanced(study: &Study) -> Option<String> {
    if study.findings.kind != Kind::Axes {
        return None;
    }
    let counts: BTreeSet<usize> =
        study.arms.iter().map(|arm| arm.values.len()).filter(|&n| n > 0).collect();
    let least = counts.first()?;
    let most = counts.last()?;
    (least < most)
        .then(|| format!("Arms have {least} to {most} seeds; effects are adjusted for the seeds that are missing."))
}

/// Arms whose standard deviations differ clearly. A pooled error is too small for the noisier arms.
fn spread(study: &Study) -> Option<String> {
    if study.findings.kind != Kind::Axes {
        return None;
    }
    let groups: Vec<Vec<f64>> =
        study.arms.iter().map(|arm| arm.values.values().copied().collect()).collect();
    let p = bartlett(&groups).filter(|p| *p < ALPHA)?;
    let deviations = study.arms.iter().filter_map(|arm| arm.sample?.std);
    let (least, most) = deviations.fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
    let digits = study.decimals + 1;
    Some(format!(
        "The spread over seeds differs between arms (standard deviations {} to {}, Bartlett's test {}); as the error is \
         pooled, claims about the arms that scatter most are less sure than their p-values say.",
        fixed(least, digits),
        fixed(most, digits),
        p_value(p),
    ))
}

fn baseline_is_not_first(study: &Study) -> Option<String> {
    let baseline = study.baseline?;
    let first = study.arms.first()?;
    if let Some(chosen) = &study.rows.plan.contrasts.baseline {
        let is_it = study.arms[baseline].trials[0].planned.label == *chosen;
        let stands_in = &study.arms[baseline].label;
        return (!is_it).then(|| {
            format!("The baseline, {chosen}, has no value; {stands_in} stands in for it.")
        });
    }
    (baseline != 0).then(|| {
        let label = &study.arms[baseline].label;
        format!("The first arm, {}, has no value; {label} stands in as the baseline.", first.label)
    })
}

fn missing_metric(study: &Study) -> Option<String> {
    let without = study
        .rows
        .trials
        .iter()
        .filter(|t| t.status == Done && t.metric(&study.metric.path).is_none());
    let n = without.count();
    (n > 0)
        .then(|| format!("{} finished without a usable {}.", plural(n, "trial"), study.metric.path))
}

/// Arms whose costs differ by more than 5 %. Budget matching by whole channels causes smaller
/// differences.
fn unequal_cost(study: &Study) -> Option<String> {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some());
    let sizes: Vec<u64> = measured.map(|arm| arm.trials[0].planned.parameters).collect();
    let least = *sizes.iter().min()?;
    let most = *sizes.iter().max()?;
    (most as f64 > 1.05 * least as f64).then(|| {
        let range = format!("{} to {} parameters", count(least), count(most));
        format!("The arms differ in size ({range}); they are not compared at equal cost.")
    })
}

/// Arms with different scales but the same receptive field. In the paper, scale acts through
/// receptive fields; blocks that do not join their splits leave the receptive field unchanged.
fn same_receptive_field(study: &Study) -> Option<String> {
    let scales: BTreeSet<usize> =
        study.arms.iter().map(|arm| arm.trials[0].planned.spec.model.scale).collect();
    let fields: BTreeSet<u64> =
        study.arms.iter().map(|arm| arm.trials[0].planned.rf_max_px).collect();
    let has_one_block = study
        .arms
        .iter()
        .all(|arm| arm.trials[0].planned.spec.model.blocks.iter().all(|&n| n == 1));
    (scales.len() > 1 && fields.len() == 1 && has_one_block).then(|| {
        format!(
            "All arms have the same receptive field ({} px): a stage's first block keeps its splits apart, and these stages \
             have one block each. Scale cannot widen their receptive field; at a greater depth it can.",
            fields.iter().next().unwrap_or(&0)
        )
    })
}

fn other_code(study: &Study) -> Option<String> {
    let planned = &study.rows.plan.code;
    let n = study
        .rows
        .trials
        .iter()
        .filter(|t| t.result.as_ref().is_some_and(|r| r.code != *planned))
        .count();
    (n > 0).then(|| {
        let (were, they) = if n == 1 { ("was", "it is") } else { ("were", "they are") };
        format!(
            "{} {were} trained by another build than the plan's; {they} marked †.",
            plural(n, "trial")
        )
    })
}
