//! Sentences on single arms: the only one, the best one, or none yet.

use super::value_with_spread;
use crate::format::{capital, fixed, plural, shortened};
use crate::study::{Arm, Study};
use res2lab_store::Status::{Diverged, Done, Failed};

/// Maximum number of names in one sentence.
const MOST_NAMES: usize = 6;
/// Maximum number of arms that are named with their shared mean.
const MOST_SHARING: usize = 3;

/// The sentence for a sweep in which no trial has a value.
pub(super) fn nothing_yet(study: &Study) -> String {
    let n = study.rows.trials.len();
    match (study.count(&[Done]), study.count(&[Failed, Diverged])) {
        _ if n == 0 => "The plan has no trials.".into(),
        (0, 0) => format!("No trial has finished yet: {} planned.", plural(n, "trial")),
        (0, bad) if bad == n => {
            let all = if n == 1 { "the only one".to_owned() } else { format!("all {n}") };
            format!("No trial ended well: {all} failed or diverged. There is nothing to compare.")
        }
        (0, bad) => format!(
            "No trial has finished: {bad} of {n} failed or diverged, the rest are not over yet."
        ),
        (done, _) => {
            format!("{} finished, but none carries a known metric.", plural(done, "trial"))
        }
    }
}

/// The sentence for the only arm that has a value.
pub(super) fn single(study: &Study) -> String {
    let Some(arm) = study.arms.iter().find(|arm| arm.sample.is_some()) else {
        return String::new();
    };
    let value = value_with_spread(study, arm);
    let name = capital(&study.metric.name);
    match arm.sample.and_then(|s| Some((s.n, s.interval()?))) {
        Some((n, interval)) => {
            let (low, high) = study.metric.possible(interval);
            let cut = if (low, high) == interval {
                ""
            } else {
                ", cut at what a percentage can be: too few seeds"
            };
            format!(
                "{name} of {} is {value} (mean ± standard deviation over {}; 95 % confidence interval of the mean \
                 {} to {}{cut}).",
                arm.label,
                plural(n, "seed"),
                fixed(low, study.decimals),
                fixed(high, study.decimals),
            )
        }
        None => format!(
            "{name} of {} is {value}, from one seed: nothing is known of its spread.",
            arm.label
        ),
    }
}

/// The sentence for a smoke test, which shows whether trials run but nothing about networks.
pub(super) fn smoke(study: &Study) -> String {
    let n = study.rows.trials.len();
    let done = study.count(&[Done]);
    let ran = if done == n {
        format!("all {} ran to the end", plural(n, "trial"))
    } else {
        format!("{done} of {n} trials ran to the end")
    };
    format!(
        "Smoke test: {ran}. Its numbers are of shrunk networks on generated images and say nothing about the experiment."
    )
}

/// The sentence for several arms of which no pair could be tested.
pub(super) fn untested(study: &Study) -> String {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some());
    if measured.clone().any(|arm| arm.values.len() > 1) {
        "No test was made: arms share fewer than two seeds, or their differences do not vary. What differs may be chance."
            .into()
    } else {
        "Nothing is resolved: each arm has one seed, and what differs may be chance. More seeds (seed=0..4) would tell."
            .into()
    }
}

/// The sentence on the arm with the highest mean, or the arms that share it.
pub(super) fn best(study: &Study) -> String {
    let measured: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    let higher = study.metric.higher_is_better;
    let sign = if higher { -1.0 } else { 1.0 };
    let key = |arm: &Arm| arm.sample.map_or(f64::INFINITY, |s| sign * s.mean);
    let first = measured.iter().map(|arm| key(arm)).fold(f64::INFINITY, f64::min);
    let leaders: Vec<&&Arm> = measured.iter().filter(|arm| key(arm) <= first).collect();
    let one_seed = measured.iter().all(|arm| arm.values.len() == 1);
    let what =
        if one_seed { study.metric.name.clone() } else { format!("mean {}", study.metric.name) };
    if leaders.len() > MOST_SHARING {
        let names: Vec<&str> = leaders.iter().map(|arm| arm.label.as_str()).collect();
        let names = shortened(&names, MOST_NAMES);
        let most = if higher { "highest" } else { "lowest" };
        let value = leaders[0].sample.map_or(f64::NAN, |sample| sample.mean);
        let value = format!("{}{}", fixed(value, study.decimals), study.metric.unit);
        return format!(
            "{} share the {most} {what}, {value}: {names}.",
            plural(leaders.len(), "arm")
        );
    }
    let values: Vec<String> = leaders
        .iter()
        .take(MOST_NAMES)
        .map(|arm| format!("{} with {}", arm.label, value_with_spread(study, arm)))
        .collect();
    format!("{} {what}: {}.", if higher { "Highest" } else { "Lowest" }, values.join(" and "))
}
