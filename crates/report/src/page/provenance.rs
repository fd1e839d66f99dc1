//! Provenance of the results: commands, versions, machines and times.

use super::context::{Fact, Recipes, TextTable};
use crate::format::{duration, fixed, plural, utc};
use crate::recipe;
use crate::study::{Arm, Study};
use res2lab_store::{Code, Environment, Event, TrialRow};
use std::collections::BTreeSet;

/// Names and values in the page's order; facts without a value are left out.
pub(super) fn facts(study: &Study) -> Vec<Fact> {
    let plan = &study.rows.plan;
    let trials = &study.rows.trials;
    let fact = |name: &str, values: Vec<String>| Fact { name: name.to_owned(), values };
    let facts = vec![
        fact("command", vec![plan.command.clone()]),
        fact("planned by", vec![code(&plan.code)]),
        fact(
            "trained by",
            tally(trials.iter().filter_map(|t| Some(code(&t.result.as_ref()?.code)))),
        ),
        fact("images", images(study)),
        fact("data digest", tally(trials.iter().filter_map(data_digest))),
        fact("seeds", vec![seeds(trials)]),
        fact("hardware", tally(trials.iter().filter_map(|t| t.environment.as_ref()).map(hardware))),
        fact("libtorch", tally(trials.iter().filter_map(|t| t.environment.as_ref()).map(libtorch))),
        fact("device", tally(trials.iter().filter_map(device))),
        fact("time", times(trials).into_iter().collect()),
    ];
    let says = |f: &Fact| f.values.iter().any(|v| !v.trim().is_empty());
    facts.into_iter().filter(says).collect()
}

/// Describes each data set: `mnist5k, 28 × 28 px, 1 channel, 10 classes`.
pub(super) fn images(study: &Study) -> Vec<String> {
    let of = |t: &TrialRow| {
        let p = &t.planned;
        let size = format!("{0} × {0} px, {1}", p.image_px, plural(p.image_channels, "channel"));
        // The helper `plural` would print "classs".
        let classes =
            if p.classes == 1 { "1 class".into() } else { format!("{} classes", p.classes) };
        format!("{}: {size}, {classes}", p.spec.data.name)
    };
    distinct(study.rows.trials.iter().map(of)).into_iter().map(|(text, _)| text).collect()
}

fn code(code: &Code) -> String {
    let commit = if code.commit.is_empty() {
        "outside a git checkout".into()
    } else {
        format!("git {}", code.commit)
    };
    format!("res2lab {}, {commit}", code.version)
}

/// The content digest of a trial's data set; independent of where the data are stored.
fn data_digest(trial: &TrialRow) -> Option<String> {
    trial.result.as_ref().map(|result| result.data_id.clone()).filter(|id| !id.is_empty())
}

fn seeds(trials: &[TrialRow]) -> String {
    let all: BTreeSet<u64> = trials.iter().map(|t| t.planned.spec.seed).collect();
    let shown: Vec<String> = all.iter().take(20).map(u64::to_string).collect();
    let more = if all.len() > 20 { format!(" and {} more", all.len() - 20) } else { String::new() };
    shown.join(", ") + &more
}

fn hardware(e: &Environment) -> String {
    let mut parts = vec![e.host.clone(), e.cpu.clone()];
    parts.extend((e.cores > 0).then(|| plural(e.cores, "core")));
    parts.extend((e.memory_gib > 0.0).then(|| format!("{} GiB", fixed(e.memory_gib, 0))));
    parts.extend(e.gpus.iter().cloned());
    parts.push(e.os.clone());
    parts.retain(|part| !part.trim().is_empty());
    parts.join(", ")
}

fn libtorch(e: &Environment) -> String {
    let cuda = if e.cuda.trim().is_empty() { String::new() } else { format!(", CUDA {}", e.cuda) };
    format!("{}{cuda}", e.libtorch)
}

fn device(trial: &TrialRow) -> Option<String> {
    let result = trial.result.as_ref()?;
    let vectors = Some(&result.vectors)
        .filter(|v| !v.is_empty())
        .map_or(String::new(), |v| format!("{v} vectors"));
    let engine = Some(&result.engine)
        .filter(|e| !e.is_empty())
        .map_or(String::new(), |e| format!("engine {e}"));
    let parts = [
        result.device.clone(),
        plural(result.threads, "thread"),
        result.layout.clone(),
        engine,
        vectors,
    ];
    Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
}

fn times(trials: &[TrialRow]) -> Option<String> {
    let finite = |v: f64| (v.is_finite() && v > 0.0).then_some(v);
    let started = trials
        .iter()
        .filter_map(|t| finite(t.environment.as_ref()?.started_s))
        .fold(f64::INFINITY, f64::min);
    let ended =
        trials.iter().filter_map(|t| finite(t.result.as_ref()?.finished_s)).fold(0.0, f64::max);
    let trained: f64 = trials.iter().filter_map(|t| finite(t.result.as_ref()?.wall_s)).sum();
    let mut parts = Vec::new();
    parts.extend(started.is_finite().then(|| format!("first attempt {}", utc(started))));
    parts.extend((ended > 0.0).then(|| format!("last end {}", utc(ended))));
    parts.extend((trained > 0.0).then(|| format!("{} of trials' time in all", duration(trained))));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Each distinct text once, with the number of trials if there are several texts.
fn tally(texts: impl Iterator<Item = String>) -> Vec<String> {
    let counted = distinct(texts);
    let one = counted.len() == 1;
    counted
        .into_iter()
        .map(|(text, n)| if one { text } else { format!("{text} ({})", plural(n, "trial")) })
        .collect()
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for text in texts.filter(|text| !text.trim().is_empty()) {
        match counted.iter_mut().find(|(known, _)| *known == text) {
            Some((_, n)) => *n += 1,
            None => counted.push((text, 1)),
        }
    }
    counted
}

/// The runner's journal as lines.
pub(super) fn history(study: &Study) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Planned { at_s, command, trials, done } => Some(format!(
            "{}: {command} ({} planned, {done} done before)",
            utc(*at_s),
            plural(*trials, "trial")
        )),
        Event::Adopted { at_s, id, .. } => {
            Some(format!("{}: found {id} still running and waited for it", utc(*at_s)))
        }
        Event::SetAside { at_s, slot, reason } => Some(format!(
            "{}: {slot} was set aside after failing trials in a row: {reason}",
            utc(*at_s)
        )),
        Event::Stopped { at_s, why } => Some(format!("{}: {why}", utc(*at_s))),
        Event::Signaled { at_s, why } => Some(format!("{}: told to end: {why}", utc(*at_s))),
        Event::Started { .. } | Event::Ended { .. } => None,
    };
    let lines: Vec<String> = study.rows.events.iter().filter_map(line).collect();
    // The latest 30 lines.
    lines[lines.len().saturating_sub(30)..].to_vec()
}

/// Configuration fields that all arms share.
pub(super) fn recipe(study: &Study) -> Vec<Fact> {
    let (shared, _) = recipe::compare(study.arms.iter().map(|arm| &arm.trials[0].planned));
    shared.into_iter().map(|(name, value)| Fact { name, values: vec![value] }).collect()
}

/// Maximum number of differing fields that have a column each.
const MOST_COLUMNS: usize = 8;
/// Maximum number of arms whose fields are listed.
const MOST_RECIPES: usize = 50;

/// Configuration fields in which arms differ; `None` if there are none, or too many for a table
/// (see [`recipes`]).
pub(super) fn differences(study: &Study) -> Option<TextTable> {
    let (_, differing) = recipe::compare(study.arms.iter().map(|arm| &arm.trials[0].planned));
    if differing.is_empty() || differing.len() > MOST_COLUMNS {
        return None;
    }
    let row = |(i, label): (usize, &str)| {
        std::iter::once(label.to_owned())
            .chain(differing.iter().map(|d| d.values[i].clone()))
            .collect()
    };
    let columns =
        std::iter::once("arm".to_owned()).chain(differing.iter().map(|d| d.path.clone())).collect();
    Some(TextTable::new(
        columns,
        study.arms.iter().map(|arm| arm.label.as_str()).enumerate().map(row).collect(),
    ))
}

/// Sections whose fields depend on their kind: an arm of another kind has fields of its own there.
const KINDS: [&str; 3] = ["train.optimizer", "train.loss", "train.schedule"];

/// Each arm with the fields in which it differs from the baseline, where arms differ in more fields
/// than a table can show: arms that are whole recipes.
pub(super) fn recipes(study: &Study) -> Option<Recipes> {
    let (_, differing) = recipe::compare(study.arms.iter().map(|arm| &arm.trials[0].planned));
    if differing.len() <= MOST_COLUMNS {
        return None;
    }
    let is_baseline = |arm: &Arm| study.baseline().is_some_and(|b| b.id == arm.id);
    let baseline = study.arms.iter().position(is_baseline).unwrap_or_default();
    let field = |of: &recipe::Differing, arm: usize| {
        let value = &of.values[arm];
        if *value == of.values[baseline] {
            return None;
        }
        let is_of_another_kind = KINDS.iter().any(|kind| of.path.starts_with(kind));
        match &value[..] {
            "" if is_of_another_kind => None,
            "" => Some(format!("{} none", of.path)),
            value => Some(format!("{} {value}", of.path)),
        }
    };
    let arm = |(i, arm): (usize, &Arm)| {
        let fields: Vec<String> = differing.iter().filter_map(|of| field(of, i)).collect();
        Fact { name: arm.label.clone(), values: vec![fields.join("; ")] }
    };
    let others = study.arms.iter().enumerate().filter(|(i, _)| *i != baseline);
    Some(Recipes {
        baseline: study.arms[baseline].label.clone(),
        arms: others.take(MOST_RECIPES).map(arm).collect(),
        more: (study.arms.len() - 1).saturating_sub(MOST_RECIPES),
    })
}
