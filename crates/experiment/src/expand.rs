//! Expansion of a file and overrides to arms: every combination of the axes' points, each a
//! complete and checked trial.

use crate::axes::{Axis, show, show_point};
use crate::budget::{Asked, Budget};
use crate::experiment::{Experiment, Reference, explain};
use crate::moves::{Move, free, lines_of_the_sweep, product};
use crate::trial::TrialSpec;
use crate::{Asha, Contrasts, EarlyStop, Keep, SeedRule, Value, fields};
use res2lab_error::Error;

/// The sweep that one command describes.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The file's name.
    pub name: String,
    /// The file's question; empty if the command line varies other axes, or uses other data or
    /// networks.
    pub description: String,
    /// The comparisons of the report.
    pub contrasts: Contrasts,
    /// Whether the sweep is a smoke test.
    pub is_smoke: bool,
    /// Varied axes, without the seed.
    pub axes: Vec<Axis>,
    /// One arm per combination of points; the last axis varies fastest.
    pub arms: Vec<Arm>,
    /// Every arm is trained with each seed.
    pub seeds: Vec<u64>,
    /// The rule that adds seeds to `seeds`.
    pub seed_rule: Option<SeedRule>,
    /// The early-stopping rule.
    pub early_stop: Option<Asha>,
    /// Which checkpoints finished trials keep.
    pub keep: Keep,
    /// Published results by arm label.
    pub reference: Reference,
    /// Remarks on changes that the command caused beyond its words.
    pub notes: Vec<String>,
}

/// One combination of values, without a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Distinguishes the arm from the others, e.g. `scale=4 width=26`.
    pub label: String,
    /// Axis and value, as written.
    pub coordinates: Vec<(String, String)>,
    /// The trial with seed 0.
    pub spec: TrialSpec,
    /// The budget that the plan has to match. In `spec`, its open field has the base network's
    /// value.
    pub budget: Option<Budget>,
    /// Remarks from resolving the model.
    pub notes: Vec<String>,
}

/// Larger numbers of arms are refused as typing errors.
const MOST_ARMS: usize = 1_000_000;

/// Expands `experiment` with the command line's `axes`.
///
/// An axis with one value changes the base. Axes with several values, other than the seed, replace
/// the axes of the file.
pub fn expand(experiment: &Experiment, command_line: &[Axis]) -> Result<Expansion, Error> {
    refuse_repeated(command_line)?;
    let mut notes = Vec::new();
    let mut tree = serde_yaml::to_value(experiment).map_err(|e| explain(&e))?;
    let (fixed, swept): (Vec<_>, Vec<_>) =
        command_line.iter().filter(|a| !a.is_seed()).cloned().partition(|a| a.points.len() == 1);
    let mut asked = Vec::new();
    for (path, value) in
        in_order(fixed.iter().flat_map(|a| a.paths.iter().cloned().zip(a.points[0].clone())))
    {
        if let Some(budget) = Asked::read(&path, &value)? {
            asked.push(budget);
            continue;
        }
        let place = format!("{path}={}", show(&value));
        notes.extend(replaced(&tree, &path, &value));
        notes.extend(fields::set(&mut tree, &path, value));
        serde_yaml::from_value::<Experiment>(tree.clone()).map_err(|e| explain(&e).at(&place))?;
    }
    let lines = lines_of_the_sweep(experiment, &fixed, &swept, &mut notes)?;
    let count = lines
        .iter()
        .try_fold(1_usize, |n, line| n.checked_mul(line.len()))
        .filter(|&n| n <= MOST_ARMS);
    if count.is_none() {
        return Err(Error::input(
            format!("the axes give more than {MOST_ARMS} arms"),
            "give fewer values",
        ));
    }
    let base = Base {
        tree,
        asked,
        has_own_path: fixed.iter().any(|axis| axis.paths.contains(&DATA_PATH.to_owned())),
    };
    let arms = product(&lines)
        .into_iter()
        .map(|moves| arm(&base, &moves))
        .collect::<Result<Vec<_>, _>>()?;
    // A list of seeds on the command line replaces a rule of the file.
    let seed_rule = experiment.seeds.rule().filter(|_| !command_line.iter().any(Axis::is_seed));
    notes.extend(seed_rule.map(explain_rule));
    let is_own = swept.is_empty() && free(&experiment.axes, &fixed)?.len() == experiment.axes.len();
    let contrasts = Contrasts::find(experiment, &arms, is_own, &mut notes)?;
    let description = if is_files_question(experiment, &fixed, &swept)? {
        &experiment.description[..]
    } else {
        ""
    };
    let axes = if swept.is_empty() { free(&experiment.axes, &fixed)? } else { swept };
    Ok(Expansion {
        name: experiment.name.clone(),
        description: description.to_owned(),
        contrasts,
        is_smoke: false,
        axes: axes.into_iter().filter(|a| a.points.len() > 1).collect(),
        arms,
        seeds: seeds(experiment, command_line)?,
        seed_rule,
        early_stop: experiment.early_stop.as_ref().map(EarlyStop::rule).transpose()?,
        keep: experiment.keep,
        reference: experiment.reference.clone(),
        notes,
    })
}

/// Whether the sweep still answers the file's question: it has the same axes, data and kind of
/// network.
fn is_files_question(
    experiment: &Experiment,
    fixed: &[Axis],
    swept: &[Axis],
) -> Result<bool, Error> {
    const SUBJECT: [&str; 5] =
        ["data.name", "data.path", "model.zoo", "model.family", "model.block"];
    let is_subject = |axis: &Axis| axis.paths.iter().any(|path| SUBJECT.contains(&path.as_str()));
    let files = free(&experiment.axes, &[])?;
    let labels = |axes: &[Axis]| {
        axes.iter().map(|a| a.label.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    let has_given_way = free(&experiment.axes, fixed)?.len() < files.len();
    let is_same = swept.is_empty()
        || (labels(swept) == labels(&files) && experiment.one_at_a_time.is_empty());
    Ok(is_same && !has_given_way && !fixed.iter().any(is_subject))
}

const DATA_PATH: &str = "data.path";

/// A remark if the command line replaces the data folder or the weights of the file.
fn replaced(tree: &Value, path: &str, value: &Value) -> Option<String> {
    // A changed data set is reported together with the fields that it resets.
    if ![DATA_PATH, "init.weights"].contains(&path) {
        return None;
    }
    let before = fields::get(tree, path).filter(|before| !before.is_null() && *before != value)?;
    let field = fields::written(path);
    Some(format!("{field}={} replaces the file's {field}={}", show(value), show(before)))
}

fn explain_rule(rule: SeedRule) -> String {
    format!(
        "seeds are added, {} to {}, until each difference that is asked for is known to ±{} points (Stein's two-stage rule: \
         the spread of the first {} decides)",
        rule.min, rule.max, rule.half_width, rule.min
    )
}

fn refuse_repeated(axes: &[Axis]) -> Result<(), Error> {
    let paths: Vec<_> = axes.iter().flat_map(|a| &a.paths).collect();
    let is_same = |a: &str, b: &str| a == b || (fields::is_lr(a) && fields::is_lr(b));
    match (1..paths.len()).find(|&i| paths[..i].iter().any(|before| is_same(before, paths[i]))) {
        Some(i) => Err(Error::input(
            format!("{} is given twice", paths[i]),
            "give each field once, all its values separated by commas",
        )),
        None => Ok(()),
    }
}

/// The base configuration of all arms.
struct Base {
    /// The file with the single values of the command line.
    tree: Value,
    /// Budgets that apply to every arm.
    asked: Vec<Asked>,
    /// Whether the command line sets the data folder, for any data set.
    has_own_path: bool,
}

fn arm(base: &Base, moves: &[Move]) -> Result<Arm, Error> {
    let mut tree = base.tree.clone();
    let mut notes = Vec::new();
    let mut asked = base.asked.clone();
    for (path, value) in in_order(moves.iter().flat_map(|m| m.sets.iter().cloned())) {
        match Asked::read(&path, &value)? {
            Some(budget) => asked.push(budget),
            None if path == "data.name" && base.has_own_path => {
                fields::put(&mut tree, &path, value)
            }
            None => notes.extend(fields::set(&mut tree, &path, value)),
        }
    }
    let label = moves
        .iter()
        .map(|m| if m.axis == "arm" { m.shown.clone() } else { format!("{}={}", m.axis, m.shown) });
    let label = label.collect::<Vec<_>>().join(" ");
    let (spec, remarks) = complete(tree).map_err(|e| {
        // An error in the base is not attributed to the arm.
        let is_the_arms =
            complete(base.tree.clone()).err().is_none_or(|of_base| of_base.cause != e.cause);
        if is_the_arms && !label.is_empty() { e.at(&label) } else { e }
    })?;
    notes.extend(remarks);
    let coordinates = moves.iter().map(|m| (m.axis.clone(), m.shown.clone())).collect();
    let budget = budget(&base.tree, asked)?;
    Ok(Arm {
        label: if label.is_empty() { "base".into() } else { label },
        coordinates,
        spec,
        budget,
        notes,
    })
}

/// The only budget of an arm, against the experiment's base network or the network that it names.
fn budget(base: &Value, mut asked: Vec<Asked>) -> Result<Option<Budget>, Error> {
    if asked.len() > 1 {
        let help = "one budget determines one field; give the other a value";
        return Err(Error::input("two fields of an arm are matched", help));
    }
    let Some(asked) = asked.pop() else { return Ok(None) };
    let base: Experiment = serde_yaml::from_value(base.clone()).map_err(|e| explain(&e))?;
    asked.resolve(&base.model).map(Some)
}

/// Sorts overrides: names of networks and data sets first, then the family, then the rest, and the
/// optimizer's learning rate last. The former reset what was set before them.
fn in_order(sets: impl Iterator<Item = (String, Value)>) -> Vec<(String, Value)> {
    let mut sets: Vec<_> = sets.collect();
    sets.sort_by_key(|(path, _)| match path.as_str() {
        "model.zoo" | "data.name" => 0,
        "model.family" => 1,
        "train.optimizer.lr" => 3,
        _ => 2,
    });
    sets
}

fn complete(tree: Value) -> Result<(TrialSpec, Vec<String>), Error> {
    let experiment: Experiment = serde_yaml::from_value(tree).map_err(|e| explain(&e))?;
    let (model, notes) = experiment.model.resolve()?;
    experiment.data.check()?;
    experiment.train.check()?;
    if experiment.train.drop_path > 0.0 && model.family == res2lab_arch::Family::Dla {
        return Err(Error::input(
            "train.drop_path does not go with family dla, whose blocks form trees",
            "leave it out, or give train.dropout",
        ));
    }
    let Experiment { init, data, train, .. } = experiment;
    Ok((TrialSpec { model, init, data, train, seed: 0 }, notes))
}

fn seeds(experiment: &Experiment, command_line: &[Axis]) -> Result<Vec<u64>, Error> {
    let Some(axis) = command_line.iter().find(|a| a.is_seed()) else {
        experiment.seeds.check()?;
        return Ok(experiment.seeds.first());
    };
    let seed = |point: &Vec<Value>| {
        let bad = || {
            Error::input(
                format!("seed {} is impossible", show_point(point)),
                "give whole numbers, e.g. seed=0..4",
            )
        };
        point[0].as_u64().ok_or_else(bad)
    };
    axis.points.iter().map(seed).collect()
}
