//! From a file and overrides to arms: every combination of the axes' points, each a complete and checked trial.

use crate::axes::{Axis, show, show_point};
use crate::budget::{Asked, Budget};
use crate::experiment::{Experiment, Reference, explain};
use crate::trial::TrialSpec;
use crate::{Asha, EarlyStop, SeedRule, SpecError, Value, fields};
use serde_yaml::Mapping;

/// What one command asks for.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The file's name and description.
    pub name: String,
    #[allow(missing_docs)]
    pub description: String,
    /// What is varied, seeds aside.
    pub axes: Vec<Axis>,
    /// Each combination, in the order of the axes (the last moves fastest).
    pub arms: Vec<Arm>,
    /// Every arm is trained with each.
    pub seeds: Vec<u64>,
    /// How seeds are added to those.
    pub seed_rule: Option<SeedRule>,
    /// When trials that fall behind end early.
    pub early_stop: Option<Asha>,
    /// Published results, by arm label.
    pub reference: Reference,
    /// Remarks on what the command changed beyond its words.
    pub notes: Vec<String>,
}

/// One point of the sweep, still without a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// What tells it from the others, e.g. `scale=4 width=26`.
    pub label: String,
    /// Axis and value, as written.
    pub coordinates: Vec<(String, String)>,
    /// The trial with seed 0.
    pub spec: TrialSpec,
    /// What the plan still has to find; the field that it leaves open has the base's value here.
    pub budget: Option<Budget>,
    /// Remarks of the model's resolution.
    pub notes: Vec<String>,
}

/// More trials than this are a slip of the keyboard.
const MOST_ARMS: usize = 1_000_000;

/// One override that an arm makes on the base: axis label, shown value, and the fields it sets.
#[derive(Clone)]
struct Move {
    axis: String,
    shown: String,
    sets: Vec<(String, Value)>,
}

/// Expands `experiment` with the command line's `axes`.
///
/// An axis of one value changes the base. Axes of several values (seed aside) are the sweep: what the file varies gives
/// way to them.
pub fn expand(experiment: &Experiment, command_line: &[Axis]) -> Result<Expansion, SpecError> {
    refuse_repeated(command_line)?;
    let mut notes = Vec::new();
    let mut tree = serde_yaml::to_value(experiment).map_err(|e| explain(&e))?;
    let (fixed, swept): (Vec<_>, Vec<_>) =
        command_line.iter().filter(|a| !a.is_seed()).cloned().partition(|a| a.points.len() == 1);
    let mut asked = Vec::new();
    for (path, value) in in_order(fixed.iter().flat_map(|a| a.paths.iter().cloned().zip(a.points[0].clone()))) {
        if let Some(budget) = Asked::read(&path, &value)? {
            asked.push(budget);
            continue;
        }
        let place = format!("{path}={}", show(&value));
        notes.extend(fields::set(&mut tree, &path, value));
        serde_yaml::from_value::<Experiment>(tree.clone()).map_err(|e| explain(&e).at(&place))?;
    }
    let lines = lines_of_the_sweep(experiment, &fixed, &swept, &mut notes)?;
    let count = lines.iter().try_fold(1_usize, |n, line| n.checked_mul(line.len())).filter(|&n| n <= MOST_ARMS);
    if count.is_none() {
        return Err(SpecError::new(format!("the axes give more than {MOST_ARMS} arms"), "give fewer values"));
    }
    let arms = product(&lines).into_iter().map(|moves| arm(&tree, &moves, &asked)).collect::<Result<Vec<_>, _>>()?;
    // A list on the command line replaces a rule of the file.
    let seed_rule = experiment.seeds.rule().filter(|_| !command_line.iter().any(Axis::is_seed));
    notes.extend(seed_rule.map(explain_rule));
    let axes = if swept.is_empty() { axes_of(&experiment.axes)? } else { swept };
    Ok(Expansion {
        name: experiment.name.clone(),
        description: experiment.description.clone(),
        axes: axes.into_iter().filter(|a| a.points.len() > 1).collect(),
        arms,
        seeds: seeds(experiment, command_line)?,
        seed_rule,
        early_stop: experiment.early_stop.as_ref().map(EarlyStop::rule).transpose()?,
        reference: experiment.reference.clone(),
        notes,
    })
}

fn explain_rule(rule: SeedRule) -> String {
    format!(
        "seeds are added, {} to {}, until each difference from the first arm is known to ±{} points (Stein's two-stage rule: \
         the spread of the first {} decides)",
        rule.min, rule.max, rule.half_width, rule.min
    )
}

fn refuse_repeated(axes: &[Axis]) -> Result<(), SpecError> {
    let paths: Vec<_> = axes.iter().flat_map(|a| &a.paths).collect();
    match (1..paths.len()).find(|&i| paths[..i].contains(&paths[i])) {
        Some(i) => Err(SpecError::new(
            format!("{} is given twice", paths[i]),
            "give each field once, all its values separated by commas",
        )),
        None => Ok(()),
    }
}

/// The lists of moves whose product is the sweep.
fn lines_of_the_sweep(
    experiment: &Experiment,
    fixed: &[Axis],
    swept: &[Axis],
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<Vec<Move>>>, SpecError> {
    let of_axis = |axis: &Axis| axis.points.iter().map(|p| vec![axis_move(axis, p)]).collect::<Vec<_>>();
    if !swept.is_empty() {
        let given_way: Vec<_> = [&experiment.axes, &experiment.arms, &experiment.one_at_a_time]
            .into_iter()
            .flat_map(|map| map.keys().filter_map(Value::as_str))
            .filter(|key| !swept.iter().any(|axis| axis.label == *key))
            .collect();
        if !given_way.is_empty() {
            notes.push(format!("the file varies {} too; the command line's axes replace that", given_way.join(", ")));
        }
        return Ok(swept.iter().map(of_axis).collect());
    }
    let is_fixed = |axis: &Axis| axis.paths.iter().any(|path| fixed.iter().any(|f| f.paths.contains(path)));
    let mut lines: Vec<_> = axes_of(&experiment.axes)?.iter().filter(|a| !is_fixed(a)).map(of_axis).collect();
    if !experiment.arms.is_empty() {
        lines.push(named_arms(&experiment.arms)?);
    }
    if !experiment.one_at_a_time.is_empty() {
        let axes = axes_of(&experiment.one_at_a_time)?;
        let base = vec![Vec::new()];
        lines.push(base.into_iter().chain(axes.iter().filter(|a| !is_fixed(a)).flat_map(of_axis)).collect());
    }
    Ok(lines)
}

fn axes_of(map: &Mapping) -> Result<Vec<Axis>, SpecError> {
    map.iter().map(|(key, value)| Axis::from_yaml(key.as_str().unwrap_or_default(), value)).collect()
}

fn axis_move(axis: &Axis, point: &[Value]) -> Move {
    let sets = axis.paths.iter().cloned().zip(point.iter().cloned()).collect();
    Move { axis: axis.label.clone(), shown: show_point(point), sets }
}

fn named_arms(arms: &Mapping) -> Result<Vec<Vec<Move>>, SpecError> {
    let one = |(name, overrides): (&Value, &Value)| {
        let shown = name.as_str().unwrap_or_default().to_owned();
        let map = overrides.as_mapping().cloned().unwrap_or_default();
        let set = |(key, value): (Value, Value)| {
            Ok((fields::path_of(key.as_str().unwrap_or_default()).map_err(|e| e.at(&format!("arm {shown}")))?, value))
        };
        let sets = map.into_iter().map(set).collect::<Result<_, SpecError>>()?;
        Ok(vec![Move { axis: "arm".into(), shown, sets }])
    };
    arms.iter().map(one).collect()
}

fn product(lines: &[Vec<Vec<Move>>]) -> Vec<Vec<Move>> {
    lines.iter().fold(vec![Vec::new()], |so_far, line| {
        let longer = |head: &Vec<Move>| {
            let head = head.clone();
            line.iter().map(move |tail| head.iter().chain(tail).cloned().collect::<Vec<_>>())
        };
        so_far.iter().flat_map(longer).collect()
    })
}

/// `asked` are the budgets that hold for every arm.
fn arm(base: &Value, moves: &[Move], asked: &[Asked]) -> Result<Arm, SpecError> {
    let mut tree = base.clone();
    let mut notes = Vec::new();
    let mut asked = asked.to_vec();
    for (path, value) in in_order(moves.iter().flat_map(|m| m.sets.iter().cloned())) {
        match Asked::read(&path, &value)? {
            Some(budget) => asked.push(budget),
            None => notes.extend(fields::set(&mut tree, &path, value)),
        }
    }
    let label = moves.iter().map(|m| if m.axis == "arm" { m.shown.clone() } else { format!("{}={}", m.axis, m.shown) });
    let label = label.collect::<Vec<_>>().join(" ");
    let (spec, remarks) = complete(tree).map_err(|e| {
        // What is wrong with the base is not the arm's fault.
        let is_the_arms = complete(base.clone()).err().is_none_or(|of_base| of_base.cause != e.cause);
        if is_the_arms && !label.is_empty() { e.at(&label) } else { e }
    })?;
    notes.extend(remarks);
    let coordinates = moves.iter().map(|m| (m.axis.clone(), m.shown.clone())).collect();
    let budget = budget(base, asked)?;
    Ok(Arm { label: if label.is_empty() { "base".into() } else { label }, coordinates, spec, budget, notes })
}

/// The one budget of an arm, against the experiment's base network or the one that it names.
fn budget(base: &Value, mut asked: Vec<Asked>) -> Result<Option<Budget>, SpecError> {
    if asked.len() > 1 {
        let help = "one budget determines one field; give the other a value";
        return Err(SpecError::new("two fields of an arm are matched", help));
    }
    let Some(asked) = asked.pop() else { return Ok(None) };
    let base: Experiment = serde_yaml::from_value(base.clone()).map_err(|e| explain(&e))?;
    asked.resolve(&base.model).map(Some)
}

/// The zoo name first, then the family, then the rest: the former two clear what came before them.
fn in_order(sets: impl Iterator<Item = (String, Value)>) -> Vec<(String, Value)> {
    let mut sets: Vec<_> = sets.collect();
    sets.sort_by_key(|(path, _)| match path.as_str() {
        "model.zoo" => 0,
        "model.family" => 1,
        _ => 2,
    });
    sets
}

fn complete(tree: Value) -> Result<(TrialSpec, Vec<String>), SpecError> {
    let experiment: Experiment = serde_yaml::from_value(tree).map_err(|e| explain(&e))?;
    let (model, notes) = experiment.model.resolve()?;
    experiment.data.check()?;
    experiment.train.check()?;
    let Experiment { init, data, train, .. } = experiment;
    Ok((TrialSpec { model, init, data, train, seed: 0 }, notes))
}

fn seeds(experiment: &Experiment, command_line: &[Axis]) -> Result<Vec<u64>, SpecError> {
    let Some(axis) = command_line.iter().find(|a| a.is_seed()) else {
        experiment.seeds.check()?;
        return Ok(experiment.seeds.first());
    };
    let seed = |point: &Vec<Value>| {
        let bad = || {
            SpecError::new(format!("seed {} is impossible", show_point(point)), "give whole numbers, e.g. seed=0..4")
        };
        point[0].as_u64().ok_or_else(bad)
    };
    axis.points.iter().map(seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;
    use crate::id::{arm_id, trial_id};

    const FILE: &str = "
name: quickstart
model: {family: resnet, block: res2, stem: cifar, stem_stride: 2, depth: 11, planes: 8, width: 26, scale: 4}
train: {epochs: 6, optimizer: {sgd: {lr: 0.1, nesterov: true, weight_decay: 5e-4}}, schedule: one_cycle}
seeds: [0, 1, 2]
axes: {scale: [2, 4, 6, 8]}
";

    fn expansion(file: &str, line: &str) -> Result<Expansion, SpecError> {
        let experiment = parse(file, "test.yaml")?;
        expand(&experiment, &line.split_whitespace().map(Axis::parse).collect::<Result<Vec<_>, _>>()?)
    }

    fn labels(file: &str, line: &str) -> Vec<String> {
        expansion(file, line).unwrap().arms.into_iter().map(|a| a.label).collect()
    }

    #[test]
    fn the_files_axes_hold_until_the_command_line_sweeps() {
        assert_eq!(labels(FILE, ""), ["scale=2", "scale=4", "scale=6", "scale=8"]);
        assert_eq!(labels(FILE, "epochs=2"), ["scale=2", "scale=4", "scale=6", "scale=8"]);
        assert_eq!(labels(FILE, "scale=4"), ["base"]);
        assert_eq!(labels(FILE, "depth=11,20 scale=2"), ["depth=11", "depth=20"]);
        assert_eq!(labels(FILE, "depth=11,20 width=26,40").len(), 4);
        assert_eq!(expansion(FILE, "seed=0..4").unwrap().seeds.len(), 5);
        assert_eq!(labels(FILE, "seed=0..4").len(), 4);
    }

    #[test]
    fn named_arms_and_one_at_a_time() {
        let arms = format!("{FILE}arms: {{plain: {{scale: 1}}, wide: {{width: 40, scale: 4}}}}").replace("axes:", "#");
        assert_eq!(labels(&arms, ""), ["plain", "wide"]);
        let lines = format!("{FILE}one_at_a_time: {{scale: [2, 3], depth: 20..29:9}}").replace("axes:", "#");
        assert_eq!(labels(&lines, ""), ["base", "scale=2", "scale=3", "depth=20", "depth=29"]);
    }

    #[test]
    fn a_zoo_name_replaces_the_files_network_and_a_family_what_does_not_fit_it() {
        let zoo = expansion(FILE, "zoo=res2net50_26w_4s scale=2,3").unwrap();
        assert_eq!(zoo.arms[0].spec.model.blocks, [3, 4, 6, 3]);
        assert_eq!((zoo.arms[1].spec.model.scale, zoo.arms[1].spec.model.planes), (3, 64));
        let dla = expansion(FILE, "family=dla block=res2 stem=cifar scale=4").unwrap();
        assert_eq!(dla.arms[0].spec.model.blocks, [1, 2, 3, 1]);
        assert!(dla.notes[0].contains("depth"), "{:?}", dla.notes);
    }

    #[test]
    fn impossible_requests_name_the_arm_and_the_field() {
        let text = |line: &str| {
            expansion(FILE, line).map(|_| String::new()).unwrap_or_else(|e| format!("{} | {}", e.cause, e.help))
        };
        insta::assert_snapshot!(
            ["scale=0", "scale=4 width=1", "lr=nan", "depth=21", "seed=-1", "scale=2,x", "scale=2 scale=4", "train.epoch=2", "model.foo=1",
             "lr=0.1,-1", "train.schedule=linear", "epochs=0", "data.augment.flip=3"].map(text).join("\n"),
            @r#"
        scale 0 is impossible | give scale a whole number from 1 to 512
        width 1 with planes 8 gives splits of zero channels | give width at least 8
        train.optimizer.sgd.lr NaN is impossible | give a number above 0, e.g. 0.1
        depth 21 is not 9n + 2, which the cifar stem needs | use depth 20 or 29, or give blocks per stage, e.g. blocks: [2, 2, 2]
        seed -1 is impossible | give whole numbers, e.g. seed=0..4
        scale=x: invalid type: string "x" | give a whole number
        model.scale is given twice | give each field once, all its values separated by commas
        train.epoch=2: unknown field epoch | use one of epochs, batch_size, accumulate, devices_per_trial, sync_bn, optimizer, schedule, label_smoothing, clip_norm, mixup, cutmix, ema, eval_every, log_every, precision, plain, cuda_graph, max_minutes
        model.foo=1: unknown field foo | use one of zoo, family, block, stem, stem_stride, depth, blocks, planes, width, cardinality, scale, downsample, first_block, se
        lr=-1: train.optimizer.sgd.lr -1 is impossible | give a number above 0, e.g. 0.1
        train.schedule=linear: invalid value: string "linear" | give constant, one_cycle, cosine, {step: {every: 30}}, {multi_step: {at: [150, 225]}} or {cosine: {warmup_epochs: 5}}
        train.epochs 0 is impossible | give a whole number of at least 1
        data.augment.flip=3: invalid type: integer 3 | give a boolean
        "#
        );
    }

    #[test]
    fn broken_files_name_the_line() {
        let text = |file: &str| {
            parse(file, "x.yaml").map(|_| String::new()).unwrap_or_else(|e| format!("{} | {}", e.cause, e.help))
        };
        insta::assert_snapshot!(
            ["name: a\nmodle: {}\n", "name: a\nmodel:\n  scle: 4\n", "name: a\nmodel: [1\n", "name: a/b\n", "model: {}\n",
             "name: a\ntrain: {schedule: linear}\n", "name: a\ntrain: {optimizer: {adam: {}}}\n", "name: a\nmodel: {scale: four}\n"].map(text).join("\n"),
            @r#"
        x.yaml: unknown field modle at line 2 column 1 | use one of name, description, model, init, data, train, seeds, axes, arms, one_at_a_time, early_stop, executor, reference
        x.yaml: model: unknown field scle at line 3 column 3 | use one of zoo, family, block, stem, stem_stride, depth, blocks, planes, width, cardinality, scale, downsample, first_block, se
        x.yaml: model: invalid type: sequence at line 2 column 8 | give fields
        x.yaml: name "a/b" cannot name a folder | use letters, digits, hyphens, underscores and dots
        x.yaml: missing field name | add it; experiments/quickstart.yaml shows a whole file
        x.yaml: train.schedule: invalid value: string "linear" at line 2 column 19 | give constant, one_cycle, cosine, {step: {every: 30}}, {multi_step: {at: [150, 225]}} or {cosine: {warmup_epochs: 5}}
        x.yaml: train.optimizer: unknown variant adam at line 2 column 21 | use sgd
        x.yaml: model.scale: invalid type: string "four" at line 2 column 16 | give a whole number
        "#
        );
    }

    #[test]
    fn ids_tell_specs_apart_and_survive_what_does_not_matter() {
        let first = &expansion(FILE, "scale=4").unwrap().arms[0].spec;
        let other = TrialSpec { seed: 1, ..first.clone() };
        assert_ne!(trial_id(first), trial_id(&other));
        assert_eq!(arm_id(first), arm_id(&other));
        assert_ne!(arm_id(first), arm_id(&expansion(FILE, "scale=4 epochs=7").unwrap().arms[0].spec));
        // Frozen: a change here renames every finished trial of every user.
        assert_eq!(trial_id(first), "res2net11-26w-4s-seed0-c4d5aa71");
    }
}
