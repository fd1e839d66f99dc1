//! `res2lab plan`: what a sweep would consist of. Writes nothing.

use crate::args::SweepArgs;
use crate::failure::Failure;
use crate::print;
use crate::request::{Purpose, request};
use store::{Met, Plan, PlannedTrial};

/// Plans and prints.
pub fn run(args: &SweepArgs) -> Result<u8, Failure> {
    let request = request(args, Purpose::Look)?;
    if args.json {
        print::json(&request.plan)
    } else {
        show(&request.plan)
    }
    Ok(0)
}

/// Arms with what they cost, and the notes.
pub fn show(plan: &Plan) {
    let seeds: Vec<u64> = seeds(plan);
    let arms: Vec<&PlannedTrial> = plan.trials.iter().take(plan.trials.len() / seeds.len().max(1)).collect();
    print::line(&format!(
        "{}: {} x {} = {}",
        plan.name,
        count(arms.len(), "arm"),
        count(seeds.len(), "seed"),
        count(plan.trials.len(), "trial")
    ));
    let has_budgets = arms.iter().any(|t| t.budget.is_some());
    let rows = arms.iter().map(|t| {
        let mut row = vec![
            t.label.clone(),
            spec::id::readable(&t.spec.model),
            print::short(t.parameters),
            print::short(t.macs),
            print::short(t.activations),
            t.rf_max_px.to_string(),
        ];
        if has_budgets {
            row.extend(t.budget.as_ref().map_or_else(|| vec![String::new(); 3], budget_cells));
        }
        row
    });
    let mut headers = vec!["arm", "network", "parameters", "multiply-adds", "activations", "receptive field"];
    if has_budgets {
        headers.extend(["found", "target", "error %"]);
    }
    print::table(&headers, 2, rows.collect());
    plan.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
}

/// What was found, for which target, and how far off it is.
fn budget_cells(met: &Met) -> Vec<String> {
    let target = format!("{} {} of {}", print::short(met.target), met.quantity, met.of);
    vec![format!("{}={}", met.field, met.value), target, format!("{:+.2}", met.error_percent)]
}

/// `1 thread`, `2 threads`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn seeds(plan: &Plan) -> Vec<u64> {
    let mut seeds: Vec<u64> = plan.trials.iter().map(|t| t.spec.seed).collect();
    seeds.dedup();
    seeds
}
