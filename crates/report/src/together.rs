//! Several sweeps on one page: the sweep becomes an additional axis.

use res2lab_store::{PlanAxis, PlannedTrial, SweepRows, TrialRow};

/// The label of the axis whose values are the sweeps.
pub const AXIS: &str = "sweep";

/// Merges the rows of all sweeps under one plan. Names of trials and arms are prefixed with the
/// sweep's name, since two sweeps may hold the same trial.
pub fn together(sweeps: Vec<SweepRows>) -> SweepRows {
    let names: Vec<String> = sweeps.iter().map(|rows| rows.plan.name.clone()).collect();
    let commands: Vec<&str> = sweeps.iter().map(|rows| rows.plan.command.as_str()).collect();
    let mut plan = sweeps.first().map(|rows| rows.plan.clone()).unwrap_or_default();
    plan.name = names.join(" + ");
    plan.description = format!("How do the sweeps {} compare?", names.join(" and "));
    plan.command = commands.join("; ");
    plan.notes = sweeps
        .iter()
        .flat_map(|rows| rows.plan.notes.iter().map(|n| format!("{}: {n}", rows.plan.name)))
        .collect();
    // A seed rule applies within its own sweep only.
    plan.seed_rule = None;
    plan.axes = axes(&sweeps);
    let damaged = sweeps.iter().flat_map(|rows| rows.damaged.clone()).collect();
    let trials: Vec<TrialRow> = sweeps
        .into_iter()
        .flat_map(|rows| rows.trials.into_iter().map(move |trial| of_sweep(&rows.plan.name, trial)))
        .collect();
    SweepRows {
        plan,
        trials,
        events: Vec::new(),
        history: Vec::new(),
        effective: None,
        damaged,
        author_notes: String::new(),
    }
}

/// The sweep axis, and every axis of any sweep with the union of its values.
fn axes(sweeps: &[SweepRows]) -> Vec<PlanAxis> {
    let names = sweeps.iter().map(|rows| rows.plan.name.clone()).collect();
    let mut axes = vec![PlanAxis { label: AXIS.into(), values: names }];
    for axis in sweeps.iter().flat_map(|rows| &rows.plan.axes) {
        match axes.iter_mut().find(|known| known.label == axis.label) {
            Some(known) => {
                let new = axis
                    .values
                    .iter()
                    .filter(|value| !known.values.contains(value))
                    .cloned()
                    .collect::<Vec<_>>();
                known.values.extend(new);
            }
            None => axes.push(axis.clone()),
        }
    }
    axes
}

fn of_sweep(name: &str, mut trial: TrialRow) -> TrialRow {
    let planned: &mut PlannedTrial = &mut trial.planned;
    planned.id = format!("{name}/{}", planned.id);
    planned.arm = format!("{name}/{}", planned.arm);
    let label = |label: &str| {
        // An arm without coordinates has no label to keep.
        if planned.coordinates.is_empty() {
            format!("{AXIS}={name}")
        } else {
            format!("{AXIS}={name} {label}")
        }
    };
    (planned.label, planned.same_as) =
        (label(&planned.label), planned.same_as.iter().map(|l| label(l)).collect());
    planned.coordinates.insert(0, (AXIS.into(), name.into()));
    trial
}
