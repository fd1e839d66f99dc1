//! `res2lab plan`: what a sweep would consist of. Writes nothing.

use crate::args::SweepArgs;
use crate::failure::Failure;
use crate::request::{Purpose, request};
use crate::{cluster, price, print};
use res2lab_experiment::ExecutorSpec;
use res2lab_store::{MatchedBudget, Plan, PlannedTrial, Price};
use res2lab_sweep::Slot;

/// Plans and prints.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Failure> {
    let mut request = request(args, Purpose::Look)?;
    let executor = cluster::executor(args, &request.experiment)?;
    if args.write {
        let folder = request.dir.path().to_owned();
        res2lab_store::atomic::create_dir(&request.dir.runs())?;
        let _held = res2lab_sweep::hold(&request.dir)?;
        super::sweep::write_plan(request)?;
        print::line(&format!("the plan is in {}", folder.display()));
        return Ok(0);
    }
    if args.sbatch {
        let spec = if let ExecutorSpec::Slurm(spec) = executor { spec } else { Default::default() };
        print::line(
            cluster::script(
                &cluster::jobs(args, &spec, &request.plan)?,
                &request.dir,
                &request.plan,
            )
            .trim_end(),
        );
        return Ok(0);
    }
    if let Some(folder) = &args.k8s {
        let own = format!("/work/{}", request.dir.path().display());
        let folder = if folder.is_empty() { &own } else { folder };
        print::json(&res2lab_sweep::kubernetes::manifest(&request.plan, folder));
        return Ok(0);
    }
    let slots = super::sweep::slots(args, &request.plan)?;
    price::add(&mut request.plan, &slots, &args.folders.data, !args.no_time)?;
    if args.json {
        print::json(&request.plan)
    } else {
        show(&request.plan, &slots)
    }
    Ok(0)
}

/// Arms with what they cost, and the notes.
pub(crate) fn show(plan: &Plan, slots: &[Slot]) {
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
    let has_budgets = arms.iter().any(|t| t.budget.is_some());
    let has_prices = arms.iter().any(|t| t.price.is_some());
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
        if has_prices {
            row.extend(t.price.as_ref().map_or_else(|| vec!["-".to_owned(); 3], price_cells));
        }
        row
    });
    let mut headers =
        vec!["arm", "network", "parameters", "multiply-adds", "activations", "receptive field"];
    if has_budgets {
        headers.extend(["found", "target", "error %"]);
    }
    if has_prices {
        headers.extend(["step", "time per trial", "memory"]);
    }
    print::table(&headers, 2, rows.collect());
    show_finish(plan, slots);
    plan.notes.iter().for_each(|note| print::line(&format!("note: {}", print::one_line(note))));
    let cores = res2lab_sweep::local::available_cores().len();
    if let Some(slot) = slots.iter().find(|slot| slot.threads > cores) {
        let threads = slot.threads;
        let cores = count(cores, "core");
        print::line(&format!(
            "note: {threads} threads of a trial share {cores}; fewer (--threads) would be faster"
        ));
    }
}

/// Step, wall time and memory of a trial.
fn price_cells(price: &Price) -> Vec<String> {
    let step = 1e3 * price.timing.step_s;
    let step = if step < 1e4 { format!("{step:.1} ms") } else { format!("{:.1} s", step / 1e3) };
    vec![step, print::duration(price.wall_s), format!("{:.0} MiB", price.timing.memory_mib)]
}

/// The whole sweep, if each trial has a price.
fn show_finish(plan: &Plan, slots: &[Slot]) {
    let Some(finish_s) = price::finish_s(plan, slots) else { return };
    let total: f64 = plan.trials.iter().filter_map(|t| Some(t.price.as_ref()?.wall_s)).sum();
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

/// `1 thread`, `2 threads`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn seeds(plan: &Plan) -> Vec<u64> {
    let mut seeds: Vec<u64> = plan.trials.iter().map(|t| t.spec.seed).collect();
    seeds.dedup();
    seeds
}
