//! Planning: arms and seeds become trials. Each arm's graph is built once, and arms with the same
//! network and the same recipe are merged.

use crate::{budget, fits};
use res2lab_arch::{Graph, Input, ModelSpec};
use res2lab_error::Error;
use res2lab_experiment::{Arm, Asha, Axis, DataSpec, DatasetInfo, Expansion, TrialSpec, id};
use res2lab_store::{Code, Plan, PlanAxis, PlannedTrial};
use std::collections::HashMap;

/// The planner's access to data sets, to a clock and to earlier plans.
pub struct World<'a> {
    /// Looks up a data set; called once per data set.
    pub describe: &'a dyn Fn(&DataSpec) -> Result<DatasetInfo, Error>,
    /// Times an optimizer step in microseconds; called for budgets of time only.
    pub step_us: &'a dyn Fn(&PlannedTrial) -> Result<u64, Error>,
    /// Trials of an earlier plan of this sweep. Values found for their budgets of time are kept, so
    /// that a new measurement does not change networks.
    pub frozen: &'a [PlannedTrial],
}

/// A `step_us` for plans without budgets of time; always fails.
pub fn no_clock(_: &PlannedTrial) -> Result<u64, Error> {
    Err(Error::input("steps cannot be timed here", "match params or macs"))
}

/// Plans every arm with every seed. Trials are ordered by seed, so that each arm has a first result
/// early. Open fields are set by budget matching. An arm whose cost error exceeds `tolerance` is an
/// error; `tolerance` is a share of the target, and `None` accepts any error.
pub fn plan(
    expansion: &Expansion,
    command: &str,
    code: Code,
    tolerance: Option<f64>,
    world: &World,
) -> Result<Plan, Error> {
    let mut notes = expansion.notes.clone();
    let arms = costed(expansion, tolerance, world, &mut notes)?;
    let seed = |&seed: &u64| arms.iter().map(move |arm| arm.trial(seed));
    let trials: Vec<PlannedTrial> = expansion.seeds.iter().flat_map(seed).collect();
    refuse_clashes(&trials)?;
    Ok(Plan {
        name: expansion.name.clone(),
        description: expansion.description.clone(),
        command: command.to_owned(),
        code,
        axes: expansion.axes.iter().map(plan_axis).collect(),
        contrasts: expansion.contrasts.clone(),
        is_smoke: expansion.is_smoke,
        reference: expansion.reference.clone(),
        seed_rule: expansion.seed_rule,
        early_stop: early_stop(expansion)?,
        keep: expansion.keep,
        notes,
        trials,
        earlier: vec![],
    })
}

/// The early-stopping rule; an error if an arm is not evaluated at the rule's rungs.
fn early_stop(expansion: &Expansion) -> Result<Option<Asha>, Error> {
    let Some(rule) = &expansion.early_stop else { return Ok(None) };
    for arm in &expansion.arms {
        let train = &arm.spec.train;
        let missed = rule
            .rungs
            .iter()
            .find(|rung| !rung.is_multiple_of(train.eval_every) || **rung >= train.epochs);
        if let Some(rung) = missed {
            return Err(Error::input(
                format!(
                    "{}: rung {rung} of early_stop.asha is no evaluation before the end ({} epochs, one every {})",
                    arm.label, train.epochs, train.eval_every
                ),
                "give rungs below epochs that eval_every divides",
            ));
        }
    }
    Ok(Some(rule.clone()))
}

fn plan_axis(axis: &Axis) -> PlanAxis {
    PlanAxis {
        label: axis.label.clone(),
        values: axis.points.iter().map(|p| res2lab_experiment::axes::show_point(p)).collect(),
    }
}

/// An arm with its graph and its trial with seed 0.
struct Priced {
    graph: Graph,
    trial: PlannedTrial,
}

impl Priced {
    fn trial(&self, seed: u64) -> PlannedTrial {
        with_seed(&self.trial, seed)
    }
}

/// The trial of the same arm with another seed.
pub fn with_seed(trial: &PlannedTrial, seed: u64) -> PlannedTrial {
    let spec = TrialSpec { seed, ..trial.spec.clone() };
    PlannedTrial { id: id::trial_id(&spec), spec, ..trial.clone() }
}

fn costed(
    expansion: &Expansion,
    tolerance: Option<f64>,
    world: &World,
    notes: &mut Vec<String>,
) -> Result<Vec<Priced>, Error> {
    let mut known: Vec<(DataSpec, DatasetInfo)> = Vec::new();
    let mut arms: Vec<Priced> = Vec::new();
    // Equal networks have equal costs, so only arms of equal cost are compared node by node.
    let mut by_cost: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
    for arm in &expansion.arms {
        let facts = match known.iter().find(|(data, _)| *data == arm.spec.data) {
            Some((_, facts)) => *facts,
            None => {
                let facts = (world.describe)(&arm.spec.data)?;
                known.push((arm.spec.data.clone(), facts));
                facts
            }
        };
        let costed = with_cost(arm, facts, (tolerance, world), notes)?;
        let alike = by_cost.entry((costed.trial.parameters, costed.trial.macs)).or_default();
        let same = alike.iter().copied().find(|&i| is_same(&arms[i], &costed));
        if let Some(i) = same {
            notes.push(format!(
                "{} is the same network and recipe as {}; it is trained once",
                arm.label, arms[i].trial.label
            ));
            arms[i].trial.same_as.push(arm.label.clone());
        } else {
            alike.push(arms.len());
            arms.push(costed);
        }
        arm.notes.iter().for_each(|note| add_note(notes, note));
    }
    Ok(arms)
}

/// Whether two arms train alike: same network, initial weights, data and recipe.
fn is_same(a: &Priced, b: &Priced) -> bool {
    let one = &a.trial.spec;
    let other = &b.trial.spec;
    a.graph == b.graph
        && one.init == other.init
        && one.data == other.data
        && one.train == other.train
}

fn with_cost(
    arm: &Arm,
    facts: DatasetInfo,
    (tolerance, world): (Option<f64>, &World),
    notes: &mut Vec<String>,
) -> Result<Priced, Error> {
    let in_arm = |e: Error| e.at(&arm.label);
    let mut spec = arm.spec.clone();
    spec.check_task().map_err(in_arm)?;
    fits::recipe(&spec, &facts).map_err(in_arm)?;
    let side = facts.height.max(facts.width);
    let multiple = spec.model.input_multiple();
    let fits = facts.height == facts.width && side.is_multiple_of(multiple);
    if spec.data.pad_to.is_none() && !fits {
        let padded = side.div_ceil(multiple) * multiple;
        spec.data.pad_to = Some(padded);
        let sizes = format!("{}x{}", facts.height, facts.width);
        add_note(
            notes,
            &format!(
                "images of {sizes} px are padded with black to {padded}x{padded} px, which this family needs"
            ),
        );
    }
    let px = spec.data.pad_to.unwrap_or(side);
    if px < side {
        let cause = format!("data.pad_to {px} is smaller than the images ({side} px)");
        return Err(in_arm(Error::input(cause, format!("give at least {side}"))));
    }
    fits::sizes(&spec, px).map_err(in_arm)?;
    let input = Input { channels: facts.channels, height: px, width: px, classes: facts.classes };
    let mut met = None;
    if let Some(budget) = &arm.budget {
        // Each candidate network of the search is timed as a trial of its own.
        let step_us = |model: &ModelSpec| {
            let graph = res2lab_arch::build(model, input)?;
            (world.step_us)(&planned(
                arm,
                TrialSpec { model: model.clone(), ..spec.clone() },
                facts,
                &graph,
            ))
        };
        let (model, found) =
            match budget::frozen(&spec.model, budget, &arm.coordinates, world.frozen) {
                Some(found) => found,
                None => {
                    budget::meet(&spec.model, budget, input, tolerance, &step_us).map_err(in_arm)?
                }
            };
        (spec.model, met) = (model, Some(found));
    }
    let graph = res2lab_arch::build(&spec.model, input).map_err(in_arm)?;
    let trial = PlannedTrial { budget: met, ..planned(arm, spec, facts, &graph) };
    Ok(Priced { graph, trial })
}

fn planned(arm: &Arm, spec: TrialSpec, facts: DatasetInfo, graph: &Graph) -> PlannedTrial {
    let cost = res2lab_arch::cost(graph);
    let extent = res2lab_rf::extent(graph);
    PlannedTrial {
        id: id::trial_id(&spec),
        arm: id::arm_id(&spec),
        label: arm.label.clone(),
        same_as: vec![],
        coordinates: arm.coordinates.clone(),
        image_channels: facts.channels,
        image_px: spec.data.pad_to.unwrap_or(facts.height.max(facts.width)),
        classes: facts.classes,
        parameters: cost.parameters,
        macs: cost.macs,
        activations: cost.activations,
        rf_min_px: extent.min_px,
        rf_max_px: extent.max_px,
        data_id: if facts.identity == 0 {
            String::new()
        } else {
            format!("{:016x}", facts.identity)
        },
        weights_id: String::new(),
        train_images: facts.train_images,
        test_images: facts.test_images,
        cost_estimate: None,
        budget: None,
        spec,
    }
}

fn add_note(notes: &mut Vec<String>, note: &str) {
    if !notes.iter().any(|n| n == note) {
        notes.push(note.to_owned());
    }
}

/// Refuses a plan in which two trials have the same id. The eight hex digits of an id can collide,
/// and the trials would share a folder.
fn refuse_clashes(trials: &[PlannedTrial]) -> Result<(), Error> {
    let mut seen: HashMap<&str, &PlannedTrial> = HashMap::new();
    for trial in trials {
        if let Some(other) = seen.insert(&trial.id, trial) {
            return Err(Error::input(
                format!("{} and {} would share the folder {}", other.label, trial.label, trial.id),
                "list each point once, or change another field of one of them a little",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_experiment::Experiment;

    fn planned(file: &str, line: &str) -> Result<Plan, Error> {
        let experiment: Experiment =
            res2lab_experiment::experiment::parse(file, "test.yaml").unwrap();
        let axes: Vec<Axis> = line.split_whitespace().map(|w| Axis::parse(w).unwrap()).collect();
        let expansion = res2lab_experiment::expand(&experiment, &axes).unwrap();
        let facts = DatasetInfo {
            channels: 1,
            height: 28,
            width: 28,
            classes: 10,
            train_images: 4000,
            test_images: 1000,
            identity: 0,
        };
        let world = World { describe: &|_| Ok(facts), step_us: &no_clock, frozen: &[] };
        plan(&expansion, "sweep", Code::default(), Some(0.03), &world)
    }

    const FILE: &str = "
name: t
model: {stem: cifar, stem_stride: 2, depth: 11, planes: 8}
seeds: [0, 1]
axes: {scale: [2, 4]}
";

    #[test]
    fn each_seed_visits_all_arms_before_the_next() {
        let plan = planned(FILE, "").unwrap();
        let order: Vec<_> = plan.trials.iter().map(|t| (t.spec.seed, t.label.as_str())).collect();
        assert_eq!(order, [(0, "scale=2"), (0, "scale=4"), (1, "scale=2"), (1, "scale=4")]);
        assert_eq!(plan.trials[0].arm, plan.trials[2].arm);
        assert_eq!(plan.trials[1].parameters, 31_624);
    }

    #[test]
    fn equal_networks_are_trained_once() {
        let plan = planned(FILE, "downsample=conv,avg first_block=pool,grouped scale=1").unwrap();
        // With scale 1 the form of the first block has no effect; the form of the shortcut has.
        assert_eq!(plan.trials.len(), 2 * 2);
        assert_eq!(plan.trials[0].same_as, ["downsample=conv first_block=grouped"]);
        assert!(plan.notes.iter().any(|n| n.contains("trained once")));
    }

    #[test]
    fn arms_that_start_from_other_weights_are_others() {
        let plan = planned(FILE, "weights=none,./a.pth,./b.pth scale=4").unwrap();
        let starts: Vec<_> =
            plan.trials.iter().take(3).map(|t| t.spec.init.weights.as_deref()).collect();
        assert_eq!(
            (plan.trials.len(), &starts[..]),
            (6, &[None, Some("./a.pth"), Some("./b.pth")][..])
        );
        assert!(!plan.notes.iter().any(|n| n.contains("trained once")), "{:?}", plan.notes);
    }

    #[test]
    fn a_dla_pads_digits_to_32_pixels_and_says_so() {
        let plan = planned(FILE, "family=dla block=res2 stem=cifar").unwrap();
        assert_eq!((plan.trials[0].image_px, plan.trials[0].spec.data.pad_to), (32, Some(32)));
        assert!(plan.notes.iter().any(|n| n.contains("32x32")), "{:?}", plan.notes);
    }

    #[test]
    fn a_side_of_training_images_that_the_network_does_not_take_is_refused() {
        let e = planned(FILE, "family=dla block=res2 stem=cifar train.sizes=[32,36]").unwrap_err();
        assert!(e.cause.contains("train.sizes 36") && e.help.contains("e.g. 40"), "{e:?}");
        let plan = planned(FILE, "train.sizes=[],[16,28] scale=2").unwrap();
        assert_eq!(plan.trials.len(), 4);
        assert_eq!(plan.trials[1].image_px, 28, "what it is evaluated at");
    }

    #[test]
    fn a_batch_larger_than_the_data_is_refused() {
        let e = planned(FILE, "batch=5000").unwrap_err();
        assert!(
            e.kind == res2lab_error::Kind::Input
                && e.cause.contains("5000")
                && e.help.contains("4000"),
            "{e:?}"
        );
    }

    fn imagenet(line: &str) -> Result<Plan, Error> {
        let experiment = res2lab_experiment::experiment::parse(
            "name: t\nmodel: {zoo: res2net50_26w_4s}\nseeds: [0]\n",
            "t.yaml",
        )
        .unwrap();
        let axes: Vec<Axis> = line.split_whitespace().map(|w| Axis::parse(w).unwrap()).collect();
        let facts = DatasetInfo {
            channels: 3,
            height: 224,
            width: 224,
            classes: 1000,
            train_images: 1_281_167,
            test_images: 50_000,
            identity: 0,
        };
        let world = World { describe: &|_| Ok(facts), step_us: &no_clock, frozen: &[] };
        plan(
            &res2lab_experiment::expand(&experiment, &axes).unwrap(),
            "plan",
            Code::default(),
            Some(0.03),
            &world,
        )
    }

    #[test]
    fn at_resnet50s_parameters_the_papers_widths_are_found() {
        let plan = imagenet("scale=2,3,4,5,6,8 width=match:params@resnet50").unwrap();
        let widths: Vec<_> = plan.trials.iter().map(|t| t.spec.model.width).collect();
        assert_eq!(widths, [48, 33, 26, 21, 18, 14]);
        for trial in &plan.trials {
            let met = trial.budget.as_ref().unwrap();
            assert_eq!((met.target, met.found), (25_557_032, trial.parameters));
            assert!(met.error_percent.abs() < 3.0, "{met:?}");
        }
    }

    #[test]
    fn other_fields_other_costs_and_cifar_nets_are_matched_too() {
        let macs = imagenet("scale=2,8 width=match:macs").unwrap();
        assert!(
            macs.trials
                .iter()
                .all(|t| t.budget.as_ref().is_some_and(|b| b.of == "the base network"))
        );
        let planned = |line: &str| {
            let axes: Vec<Axis> =
                line.split_whitespace().map(|w| Axis::parse(w).unwrap()).collect();
            let file = "name: t\nmodel: {zoo: resnext29_8c64w}\nseeds: [0]\n";
            let experiment = res2lab_experiment::experiment::parse(file, "t.yaml").unwrap();
            let facts = DatasetInfo {
                channels: 3,
                height: 32,
                width: 32,
                classes: 100,
                train_images: 50_000,
                test_images: 10_000,
                identity: 0,
            };
            let world = World { describe: &|_| Ok(facts), step_us: &no_clock, frozen: &[] };
            plan(
                &res2lab_experiment::expand(&experiment, &axes).unwrap(),
                "plan",
                Code::default(),
                Some(0.03),
                &world,
            )
        };
        let cardinality = planned("width=32,48 cardinality=match:params").unwrap();
        let found: Vec<_> = cardinality.trials.iter().map(|t| t.spec.model.cardinality).collect();
        assert!(found[0] > found[1] && found[1] > 8, "{found:?}");
        // Depth changes in steps of nine layers, which is too coarse for three per cent. The error
        // states the nearest cost.
        let e = planned("cardinality=6,10 depth=match:params").unwrap_err();
        assert!(
            e.cause.contains("depth=")
                && e.cause.contains("tolerance")
                && e.help.contains("--keep-going"),
            "{e:?}"
        );
        let e = res2lab_experiment::expand(
            &res2lab_experiment::experiment::parse("name: t\n", "t.yaml").unwrap(),
            &[Axis::parse("width=match:macs").unwrap(), Axis::parse("depth=match:macs").unwrap()],
        );
        assert!(e.unwrap_err().cause.contains("two fields"));
    }
}
