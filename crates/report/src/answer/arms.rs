//! The answer: which arms differ from the baseline, by how much, and how sure that is.

use super::{difference, evidence, value_with_spread};
use crate::format::{capital, fixed, plural};
use crate::stats::{self, ALPHA};
use crate::study::{Arm, Study};
use store::Status::{Diverged, Done, Failed};

/// Arms that get a sentence of their own; the rest are named or counted.
const MOST_SENTENCES: usize = 6;
/// Arms without a difference that get one each.
const MOST_WITHOUT: usize = 3;
/// Names in one sentence.
const MOST_NAMES: usize = 12;
/// Arms with the same mean that are named with it each.
const MOST_SHARING: usize = 3;
/// Seeds beyond which nobody would repeat a trial.
const MOST_SEEDS: usize = 100;

pub fn of(study: &Study) -> Vec<String> {
    let Some(baseline) = study.baseline() else { return vec![nothing_yet(study)] };
    let measured: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    if measured.len() == 1 {
        return vec![single(study, baseline)];
    }
    if study.tested() == 0 {
        return untested(study, &measured);
    }
    tested(study, &measured, baseline)
}

fn nothing_yet(study: &Study) -> String {
    let n = study.rows.trials.len();
    match (study.count(&[Done]), study.count(&[Failed, Diverged])) {
        _ if n == 0 => "The plan has no trials.".into(),
        (0, 0) => format!("No trial has finished yet: {} planned.", plural(n, "trial")),
        (0, bad) if bad == n => {
            let all = if n == 1 { "the only one".to_owned() } else { format!("all {n}") };
            format!("No trial ended well: {all} failed or diverged. There is nothing to compare.")
        }
        (0, bad) => format!("No trial has finished: {bad} of {n} failed or diverged, the rest are not over yet."),
        (done, _) => format!("{} finished, but none carries a known metric.", plural(done, "trial")),
    }
}

fn single(study: &Study, arm: &Arm) -> String {
    let value = value_with_spread(study, arm);
    let name = capital(&study.metric.name);
    match arm.sample.and_then(|s| Some((s.n, s.interval()?))) {
        Some((n, interval)) => {
            let (low, high) = study.metric.possible(interval);
            let cut = if (low, high) == interval { "" } else { ", cut at what a percentage can be: too few seeds" };
            format!(
                "{name} of {} is {value} (mean ± standard deviation over {}; 95 % confidence interval of the mean \
                 {} to {}{cut}).",
                arm.label,
                plural(n, "seed"),
                fixed(low, study.decimals),
                fixed(high, study.decimals),
            )
        }
        None => format!("{name} of {} is {value}, from one seed: nothing can be said of its spread.", arm.label),
    }
}

/// Several arms, but no two seeds shared with the baseline.
fn untested(study: &Study, measured: &[&Arm]) -> Vec<String> {
    let why = if measured.iter().any(|arm| arm.values.len() > 1) {
        "No test was made: the arms share fewer than two seeds, or their differences do not vary. \
         What differs may be chance."
    } else {
        "No test can be made with one seed per arm: what differs may be chance. More seeds (seed=0..4) would tell."
    };
    vec![why.into(), best(study, measured)]
}

fn tested(study: &Study, measured: &[&Arm], baseline: &Arm) -> Vec<String> {
    let is_different = |arm: &&&Arm| arm.p_holm().is_some_and(|p| p < ALPHA);
    let (mut differ, mut same): (Vec<&Arm>, Vec<&Arm>) =
        measured.iter().filter(|arm| arm.p_holm().is_some()).partition(is_different);
    // The surest first.
    let p = |arm: &Arm| arm.against.and_then(|c| c.paired.p).unwrap_or(1.0);
    differ.sort_by(|a, b| p(a).total_cmp(&p(b)));
    same.sort_by(|a, b| p(a).total_cmp(&p(b)));

    let mut sentences = Vec::new();
    sentences.extend((study.tested() > 1).then(|| headline(study, &differ, &same, baseline)));
    sentences.extend(differ.iter().take(MOST_SENTENCES).map(|arm| different(study, arm, baseline)));
    if differ.len() > MOST_SENTENCES {
        sentences.push(format!("The table of arms has the other {}.", differ.len() - MOST_SENTENCES));
    }
    if same.len() <= MOST_WITHOUT {
        sentences.extend(same.iter().map(|arm| not_different(study, arm, baseline)));
    } else {
        sentences.push(none_different(study, &same, baseline));
    }
    sentences.extend(without_test(measured, baseline));
    sentences.push(best(study, measured));
    sentences.extend(crate::sizes::sentences(study));
    sentences
}

/// How many arms are better, worse, or not to be told from the baseline.
fn headline(study: &Study, differ: &[&Arm], same: &[&Arm], baseline: &Arm) -> String {
    let n = study.tested();
    let better = differ.iter().filter(|arm| is_better(study, arm)).count();
    let worse = differ.len() - better;
    let seeds = seeds_of(&[differ, same].concat());
    if differ.is_empty() {
        return format!("{seeds} show no difference between {} and any of the other {n} arms.", baseline.label);
    }
    let verb = |count: usize, one: &str, more: &str| if count == 1 { one.to_owned() } else { more.to_owned() };
    let mut parts = Vec::new();
    if better > 0 {
        parts.push(format!("{better} of {n} arms {} {}", verb(better, "beats", "beat"), baseline.label));
    }
    if worse > 0 {
        let of = if better > 0 { String::new() } else { format!(" of {n} arms") };
        let than = if better > 0 { String::new() } else { format!(" than {}", baseline.label) };
        parts.push(format!("{worse}{of} {} worse{than}", verb(worse, "is", "are")));
    }
    if !same.is_empty() {
        let rest = if same.len() == 1 { "one".to_owned() } else { same.len().to_string() };
        parts.push(format!("{} show no difference for the other {rest}", lower(&seeds)));
    }
    format!("{}.", parts.join("; "))
}

/// `3 seeds`, or `The seeds` where arms share different numbers of them.
fn seeds_of(arms: &[&Arm]) -> String {
    let mut counts = arms.iter().filter_map(|arm| Some(arm.against?.paired.difference.n));
    match counts.next() {
        Some(first) if counts.all(|n| n == first) => plural(first, "seed"),
        _ => "The seeds".into(),
    }
}

fn lower(text: &str) -> String {
    text.replace("The", "the")
}

fn is_better(study: &Study, arm: &Arm) -> bool {
    arm.against.is_some_and(|c| (c.paired.difference.mean > 0.0) == study.metric.higher_is_better)
}

fn best(study: &Study, measured: &[&Arm]) -> String {
    let higher = study.metric.higher_is_better;
    let sign = if higher { -1.0 } else { 1.0 };
    let key = |arm: &Arm| arm.sample.map_or(f64::INFINITY, |s| sign * s.mean);
    let first = measured.iter().map(|arm| key(arm)).fold(f64::INFINITY, f64::min);
    let leaders: Vec<&&Arm> = measured.iter().filter(|arm| key(arm) <= first).collect();
    let one_seed = measured.iter().all(|arm| arm.values.len() == 1);
    let what = if one_seed { study.metric.name.clone() } else { format!("mean {}", study.metric.name) };
    if leaders.len() > MOST_SHARING {
        let names: Vec<&str> = leaders.iter().take(MOST_SENTENCES).map(|arm| arm.label.as_str()).collect();
        let more = leaders.len() - names.len();
        let names = names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
        let most = if higher { "highest" } else { "lowest" };
        let value = leaders[0].sample.map_or(f64::NAN, |sample| sample.mean);
        let value = format!("{}{}", fixed(value, study.decimals), study.metric.unit);
        return format!("{} share the {most} {what}, {value}: {names}.", plural(leaders.len(), "arm"));
    }
    let values: Vec<String> = leaders
        .iter()
        .take(MOST_NAMES)
        .map(|arm| format!("{} with {}", arm.label, value_with_spread(study, arm)))
        .collect();
    format!("{} {what}: {}.", if higher { "Highest" } else { "Lowest" }, values.join(" and "))
}

fn different(study: &Study, arm: &Arm, baseline: &Arm) -> String {
    let Some(comparison) = arm.against else { return String::new() };
    format!(
        "{} {} {} by {}{} ({}).",
        arm.label,
        if is_better(study, arm) { "beats" } else { "is worse than" },
        baseline.label,
        fixed(comparison.paired.difference.mean.abs(), study.difference_decimals),
        study.metric.difference_unit,
        evidence(study, arm),
    )
}

fn not_different(study: &Study, arm: &Arm, baseline: &Arm) -> String {
    let Some(comparison) = arm.against else { return String::new() };
    format!(
        "{}: no difference from {} that {} can show ({}, {}){}.",
        arm.label,
        baseline.label,
        plural(comparison.paired.difference.n, "seed"),
        difference(study, arm),
        evidence(study, arm),
        seeds_for(study, arm),
    )
}

/// One sentence for many arms, with the evidence for the one that comes nearest to a difference.
fn none_different(study: &Study, same: &[&Arm], baseline: &Arm) -> String {
    let names: Vec<&str> = same.iter().take(MOST_NAMES).map(|arm| arm.label.as_str()).collect();
    let more = if same.len() > MOST_NAMES { format!(" and {} more", same.len() - MOST_NAMES) } else { String::new() };
    let nearest = same[0];
    format!(
        "No difference from {} that the seeds can show: {}{more}. Nearest to one is {} ({}, {}){}.",
        baseline.label,
        names.join(", "),
        nearest.label,
        difference(study, nearest),
        evidence(study, nearest),
        seeds_for(study, nearest),
    )
}

/// How many seeds would show a difference as large as the one seen, if the seeds really scatter as these did.
fn seeds_for(study: &Study, arm: &Arm) -> String {
    let Some(found) = arm.against.map(|c| c.paired.difference) else { return String::new() };
    let shown = fixed(found.mean.abs(), study.difference_decimals);
    if shown.chars().all(|c| c == '0' || c == '.') {
        return String::new();
    }
    // The first step of Holm's correction, which the strongest of the comparisons has to pass.
    let alpha = ALPHA / study.tested().max(1) as f64;
    let effect = found.mean / found.std.unwrap_or(f64::NAN);
    let wanted = match stats::pairs_needed(effect, alpha, MOST_SEEDS) {
        Some(n) => format!("about {n} seeds"),
        None => format!("more than {MOST_SEEDS} seeds"),
    };
    format!("; {wanted} would be needed to show {shown}{}", study.metric.difference_unit)
}

/// Arms whose differences do not vary, or that share fewer than two seeds with the baseline.
fn without_test(measured: &[&Arm], baseline: &Arm) -> Option<String> {
    let names: Vec<&str> = measured
        .iter()
        .filter(|arm| arm.id != baseline.id && arm.p_holm().is_none())
        .map(|arm| arm.label.as_str())
        .collect();
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > MOST_NAMES { format!(" and {} more", names.len() - MOST_NAMES) } else { String::new() };
    (!names.is_empty()).then(|| {
        let why = format!("fewer than two seeds are shared with {}, or the differences do not vary", baseline.label);
        format!("No test of {shown}{more}: {why}.")
    })
}
