//! `res2lab plan`: what a sweep would consist of. Writes nothing.

use crate::args::{Format, PlanArgs, RowArgs};
use crate::screen::{self, Stream};
use crate::{print, records};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use res2lab_error::Error;
use res2lab_experiment::ExecutorSpec;
use res2lab_lab::options::Purpose;
use res2lab_lab::request::request;
use res2lab_lab::text::count;
use res2lab_lab::{cluster, cost_estimate, slots, sweep};
use res2lab_nn::Engine;
use res2lab_store::{CostEstimate, MatchedBudget, Plan, PlannedTrial, disk};
use res2lab_sweep::Slot;
use res2lab_sweep::kubernetes::{self, Pods};
use serde::Serialize;
use std::path::Path;
use tch::Device;

/// Cores of each process of a trial in a pod, unless --threads says otherwise.
const CORES_PER_PROCESS: usize = 4;

/// Plans and prints.
pub(crate) fn run(args: &PlanArgs) -> Result<u8, Error> {
    let options = args.sweep.options();
    let mut request = request(&options, Purpose::Look)?;
    let executor = cluster::executor(&options, &request.experiment)?;
    if args.write {
        let folder = request.dir.path().to_owned();
        res2lab_store::atomic::create_dir(&request.dir.runs())?;
        let _held = res2lab_sweep::hold(&request.dir)?;
        sweep::write_plan(request)?;
        print::line(&format!("the plan is in {}", folder.display()));
        return Ok(0);
    }
    if args.sbatch {
        if let Some(idle) = cluster::check(&executor, &request.plan)? {
            print::told(&format!("note: {idle}"));
        }
        let spec = if let ExecutorSpec::Slurm(spec) = executor { spec } else { Default::default() };
        print::raw(
            cluster::script(
                &cluster::jobs(&options, &spec, &request.plan, res2lab_lab::program::find()?)?,
                &request.dir,
                &request.plan,
            )
            .trim_end(),
        );
        return Ok(0);
    }
    if let Some(folder) = &args.k8s {
        let own = format!("/work/{}", request.dir.path().display());
        let pods = Pods {
            folder: if folder.is_empty() { own } else { folder.clone() },
            image: args.image.clone(),
            per_trial: args.pods_per_trial,
            cpus: args.sweep.threads.unwrap_or(CORES_PER_PROCESS).max(1),
            on_gpu: args.sweep.device != "cpu",
        };
        print::json(&kubernetes::manifest(&request.plan, &pods)?);
        return Ok(0);
    }
    let slots = slots::of_plan(&options, &request.plan)?;
    let bar = bar();
    let mut on_timed = |done: usize, of: usize| show_timed(&bar, done, of);
    let on_timed: Option<&mut dyn FnMut(usize, usize)> =
        if args.sweep.no_time { None } else { Some(&mut on_timed) };
    let data = &args.sweep.folders.data;
    cost_estimate::add(&mut request.plan, &slots, data, on_timed)?;
    if args.sweep.output.is_text() {
        show(&request.plan, &slots, data, args.sweep.rows)
    } else {
        let plan = &request.plan;
        match args.sweep.output.format() {
            format @ (Format::Md | Format::Latex) => {
                let rows: Vec<TrialRow> = plan.trials.iter().map(TrialRow::of).collect();
                records::print(format, plan, &rows)?
            }
            format => records::print(format, plan, &plan.trials)?,
        }
    }
    Ok(0)
}

/// A trial as a row of a document. CSV and JSON have every field, too many columns for a page.
#[derive(Serialize)]
struct TrialRow<'a> {
    label: &'a str,
    seed: u64,
    network: String,
    parameters: u64,
    macs: u64,
    activations: u64,
    rf_max_px: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_s: Option<f64>,
}

impl TrialRow<'_> {
    fn of(trial: &PlannedTrial) -> TrialRow<'_> {
        TrialRow {
            label: &trial.label,
            seed: trial.spec.seed,
            network: res2lab_experiment::id::readable(&trial.spec.model),
            parameters: trial.parameters,
            macs: trial.macs,
            activations: trial.activations,
            rf_max_px: trial.rf_max_px,
            predicted_s: trial.cost_estimate.as_ref().map(|cost| cost.wall_s),
        }
    }
}

/// Arms with what they cost, and the notes.
pub(crate) fn show(plan: &Plan, slots: &[Slot], data: &Path, rows: RowArgs) {
    let seeds: Vec<u64> = seeds(plan);
    let arms: Vec<&PlannedTrial> =
        plan.trials.iter().take(plan.trials.len() / seeds.len().max(1)).collect();
    print::line(&format!(
        "{}: {} x {} = {}",
        plan.name,
        count(arms.len(), "arm"),
        count(seeds.len(), "seed"),
        count(plan.trials.len(), "trial")
    ));
    match rows.most(arms.len(), screen::width(Stream::Out).is_some()) {
        Some(_) => show_ranges(plan, &arms),
        None => show_arms(&arms),
    }
    show_engines(&arms, slots, data);
    show_finish(plan, slots);
    show_disk(plan, slots);
    plan.notes.iter().for_each(|note| print::line(&format!("note: {}", print::one_line(note))));
    let cores = res2lab_sweep::slots::available_cores().len();
    if let Some(slot) = slots.iter().find(|slot| slot.threads > cores) {
        let threads = slot.threads;
        let cores = count(cores, "core");
        print::line(&format!(
            "note: {threads} threads of a trial share {cores}; fewer (--threads) would be faster"
        ));
    }
}

/// The disk space of checkpoints.
fn show_disk(plan: &Plan, slots: &[Slot]) {
    let disk::Checkpoints { running, kept } = disk::of_plan(plan, slots.len());
    print::line(&format!(
        "disk: {} of checkpoints while it runs, {} afterwards (keep: {})",
        print::bytes(running),
        print::bytes(kept),
        plan.keep.name()
    ));
}

/// A row for each arm.
fn show_arms(arms: &[&PlannedTrial]) {
    let has_budgets = arms.iter().any(|t| t.budget.is_some());
    let has_estimates = arms.iter().any(|t| t.cost_estimate.is_some());
    let rows = arms.iter().map(|t| {
        let mut row = vec![
            print::shortened(&t.label),
            res2lab_experiment::id::readable(&t.spec.model),
            print::short(t.parameters),
            print::short(t.macs),
            print::short(t.activations),
            t.rf_max_px.to_string(),
        ];
        if has_budgets {
            row.extend(t.budget.as_ref().map_or_else(|| vec![String::new(); 3], budget_cells));
        }
        if has_estimates {
            row.extend(
                t.cost_estimate.as_ref().map_or_else(|| vec!["-".to_owned(); 3], estimate_cells),
            );
        }
        row
    });
    let mut headers =
        vec!["arm", "network", "parameters", "multiply-adds", "activations", "receptive field"];
    if has_budgets {
        headers.extend(["found", "target", "error %"]);
    }
    if has_estimates {
        headers.extend(["step", "time per trial", "memory"]);
    }
    print::table_of(&print::Table {
        headers: &headers,
        left: 2,
        rows: rows.collect(),
        spare: &["activations", "memory", "step", "network", "receptive field"],
        best: None,
    });
}

/// The axes, and the least and the greatest of each cost, in place of a row for each of many arms.
fn show_ranges(plan: &Plan, arms: &[&PlannedTrial]) {
    for axis in &plan.axes {
        print::line(&format!("  {} = {}", axis.label, axis.values.join(", ")));
    }
    let seconds = |t: &PlannedTrial| t.cost_estimate.as_ref().map(|cost| cost.wall_s);
    let quantities: [Quantity; 5] = [
        ("parameters", &|t| Some(t.parameters as f64), |n| print::short(n as u64)),
        ("multiply-adds", &|t| Some(t.macs as f64), |n| print::short(n as u64)),
        ("activations", &|t| Some(t.activations as f64), |n| print::short(n as u64)),
        ("receptive field", &|t| Some(t.rf_max_px as f64), |n| format!("{n:.0} px")),
        ("time per trial", &seconds, print::duration),
    ];
    let row = |(name, of, shown): &Quantity| {
        let costs = || arms.iter().filter_map(|arm| of(arm));
        let least = costs().min_by(f64::total_cmp)?;
        let greatest = costs().max_by(f64::total_cmp)?;
        Some(vec![(*name).to_owned(), shown(least), shown(greatest)])
    };
    let rows = quantities.iter().filter_map(row).collect();
    print::table(&["of an arm", "least", "greatest"], 1, rows);
    print::line("--rows all prints every arm");
}

/// What is compared over arms: its name, its value, and the value in words.
type Quantity<'a> = (&'static str, &'a dyn Fn(&PlannedTrial) -> Option<f64>, fn(f64) -> String);

/// The engine that trains the arms, and why. A cluster's devices are not known here.
fn show_engines(arms: &[&PlannedTrial], slots: &[Slot], data: &Path) {
    let Some(slot) = slots.first() else { return };
    let device = if slot.gpus.is_empty() { Device::Cpu } else { Device::Cuda(0) };
    let mut found: Vec<((Engine, &str), usize)> = Vec::new();
    for arm in arms {
        let processes = arm.spec.train.devices_per_trial;
        let choice = Engine::choose(&res2lab_train::conditions(&arm.spec, device, processes, data));
        match found.iter_mut().find(|(known, _)| *known == choice) {
            Some((_, n)) => *n += 1,
            None => found.push((choice, 1)),
        }
    }
    let is_one = found.len() == 1;
    for ((engine, reason), n) in found {
        let of = if is_one { String::new() } else { format!(" for {}", count(n, "arm")) };
        print::line(&format!("engine: {}{of} ({reason})", engine.name()));
    }
}

/// Step, wall time and memory of a trial.
fn estimate_cells(estimate: &CostEstimate) -> Vec<String> {
    let step = 1e3 * estimate.timing.step_s;
    let step = if step < 1e4 { format!("{step:.1} ms") } else { format!("{:.1} s", step / 1e3) };
    let timing = &estimate.timing;
    // On a GPU its own memory is what runs out.
    let memory = timing
        .gpu_memory_mib
        .map_or_else(|| format!("{:.0} MiB", timing.memory_mib), |mib| format!("{mib:.0} MiB GPU"));
    vec![step, print::duration(estimate.wall_s), memory]
}

/// The whole sweep, if each trial has an estimate.
fn show_finish(plan: &Plan, slots: &[Slot]) {
    let Some(finish_s) = cost_estimate::finish_s(plan, slots) else { return };
    let total: f64 =
        plan.trials.iter().filter_map(|t| Some(t.cost_estimate.as_ref()?.wall_s)).sum();
    let names: Vec<_> = slots.iter().map(|s| s.name.as_str()).collect();
    print::line(&format!(
        "predicted: {} of work on {}, done in {}",
        print::duration(total),
        names.join(", "),
        print::duration(finish_s)
    ));
}

/// What was found, for which target, and how far off it is.
fn budget_cells(met: &MatchedBudget) -> Vec<String> {
    let target = match met.quantity.as_str() {
        "time" => format!("{:.2} ms a step of {}", met.target as f64 / 1e3, met.of),
        quantity => format!("{} {quantity} of {}", print::short(met.target), met.of),
    };
    vec![format!("{}={}", met.field, met.value), target, format!("{:+.2}", met.error_percent)]
}

fn seeds(plan: &Plan) -> Vec<u64> {
    let mut seeds: Vec<u64> = plan.trials.iter().map(|t| t.spec.seed).collect();
    seeds.dedup();
    seeds
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::hidden();
    if let Ok(style) = ProgressStyle::with_template("timing networks {bar:30} {pos} of {len}") {
        bar.set_style(style);
    }
    bar
}

fn show_timed(bar: &ProgressBar, done: usize, of: usize) {
    if done == 0 && of > 0 {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar.set_length(of as u64);
    bar.set_position(done as u64);
    if done == of {
        bar.finish_and_clear();
    }
}
