//! Budget matching: finds the value of the open field at which a network's cost is nearest to the
//! target, the smallest such value on a tie.
use res2lab_arch::{Input, ModelSpec};
use res2lab_error::Error;
use res2lab_experiment::{Budget, Quantity};
use res2lab_store::{MatchedBudget, PlannedTrial};

mod time;

/// Largest value of the open field that is tried.
const MOST: usize = 4096;

/// Sets the open field so that the budget is met. `tolerance` is the largest accepted error as a
/// share of the target.
///
/// Fails if the budget's network does not fit the images, if no value gives a network, or if the
/// error exceeds `tolerance`.
pub fn meet(
    model: &ModelSpec,
    budget: &Budget,
    input: Input,
    tolerance: Option<f64>,
    step_us: &dyn Fn(&ModelSpec) -> Result<u64, Error>,
) -> Result<(ModelSpec, MatchedBudget), Error> {
    // The search for a time starts at the value whose multiply-adds are equal.
    let is_time = budget.quantity == Quantity::Time;
    let counted = if is_time { Quantity::Macs } else { budget.quantity };
    let mut target = cost(&budget.reference, counted, input).ok_or_else(|| {
        Error::input(
            "the network of the budget does not fit these images",
            "match another network's cost",
        )
    })?;
    let at = |value| {
        budget.open.set(model, value).filter(|model| res2lab_arch::build(model, input).is_ok())
    };
    let mut found = nearest(target, &|value| cost(&at(value)?, counted, input));
    if let (true, Some((start, _))) = (is_time, found) {
        target = step_us(&budget.reference)?;
        let timed = |value| at(value).map(|model| step_us(&model)).transpose();
        found = Some(time::nearest(target, start, &timed)?);
    }
    let field = budget.open.name();
    let (value, found) = found.ok_or_else(|| {
        let cause = format!("no {field} up to {MOST} gives a network of this kind");
        Error::input(cause, "match another field, or change the arm's other fields")
    })?;
    let error = (found as f64 - target as f64) / target as f64;
    if let Some(tolerance) = tolerance.filter(|t| error.abs() > *t) {
        return Err(Error::input(
            format!(
                "{field}={value} comes nearest to {target} {}, with {found} ({:+.1} %), beyond the tolerance of {} %",
                budget.quantity.unit(),
                100.0 * error,
                100.0 * tolerance
            ),
            "match a field of finer steps (width), allow more with --tolerance PERCENT, or plan it all the same with --keep-going",
        ));
    }
    let met = MatchedBudget {
        field: field.to_owned(),
        value,
        quantity: budget.quantity.name().to_owned(),
        of: budget.of.clone().unwrap_or_else(|| "the base network".to_owned()),
        target,
        found,
        error_percent: 100.0 * error,
    };
    // `nearest` only returns values that give a network.
    let model = budget.open.set(model, value).unwrap_or_else(|| model.clone());
    Ok((model, met))
}

/// The value that an earlier plan of this sweep found for a budget of time. Measured times vary
/// between days, but the networks of a sweep must not.
pub fn frozen(
    model: &ModelSpec,
    budget: &Budget,
    coordinates: &[(String, String)],
    earlier: &[PlannedTrial],
) -> Option<(ModelSpec, MatchedBudget)> {
    let is_same = |met: &MatchedBudget| {
        met.quantity == Quantity::Time.name() && met.field == budget.open.name()
    };
    let same_arm =
        earlier.iter().filter(|t| t.coordinates == coordinates).filter_map(|t| t.budget.as_ref());
    let met = same_arm
        .into_iter()
        .find(|met| is_same(met))
        .filter(|_| budget.quantity == Quantity::Time)?;
    Some((budget.open.set(model, met.value)?, met.clone()))
}

fn cost(model: &ModelSpec, quantity: Quantity, input: Input) -> Option<u64> {
    let cost = res2lab_arch::cost(&res2lab_arch::build(model, input).ok()?);
    Some(match quantity {
        Quantity::Params => cost.parameters,
        Quantity::Macs => cost.macs,
        // Time is measured in `meet`.
        Quantity::Time => return None,
    })
}

/// Searches upwards until the cost exceeds twice the target. Costs rise with every open field, but
/// not every value gives a network. Steps are larger while the cost is far below the target, since
/// each step builds a graph.
fn nearest(target: u64, cost: &dyn Fn(usize) -> Option<u64>) -> Option<(usize, u64)> {
    let start = start(target, cost);
    let mut best: Option<(usize, u64)> = None;
    let mut since = 0;
    for value in start..=MOST {
        let Some(found) = cost(value) else { continue };
        if best.is_none_or(|(_, b)| found.abs_diff(target) < b.abs_diff(target)) {
            best = Some((value, found));
        }
        // Costs rise with the value, so no nearer cost follows after the first ones above the
        // target.
        since += usize::from(found > target);
        if found > 2 * target || since > 2 {
            break;
        }
    }
    // The plateau of the best cost may begin before the first value that was searched.
    let (mut value, found) = best?;
    while value > 1 && cost(value - 1) == Some(found) {
        value -= 1;
    }
    Some((value, found))
}

/// The smallest value whose cost is the largest one below half of the target, by doubling; 1 if
/// there is none.
fn start(target: u64, cost: &dyn Fn(usize) -> Option<u64>) -> usize {
    let mut start = 1;
    let mut value = 2;
    while value <= MOST {
        match cost(value) {
            Some(found) if found > target / 2 => break,
            Some(_) => start = value,
            None => {}
        }
        value *= 2;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_of_equally_near_values_is_found() {
        let steps = |value: usize| Some((value / 3 * 10) as u64);
        assert_eq!(nearest(100, &steps), Some((30, 100)));
        // 90 and 110 are equally near to 100; the lower plateau starts at 1.
        let gap = |value: usize| Some(if value < 12 { 90 } else { 110 });
        assert_eq!(nearest(100, &gap), Some((1, 90)));
        let odd = |value: usize| (value % 2 == 1).then_some(value as u64);
        assert_eq!(nearest(500, &odd), Some((499, 499)));
        assert_eq!(nearest(5, &|_| None), None);
    }
}
