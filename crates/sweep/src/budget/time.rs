//! The value at which a step takes as long as the target. Each look costs seconds, so few are
//! taken, and what is near enough ends the search: a clock is no finer.

use crate::SweepError;
use std::collections::BTreeMap;

/// Looks at most.
const MOST: usize = 8;
/// As near as this, as a share of the target, is as near as a clock can tell.
const NEAR: f64 = 0.015;

/// The value whose time comes nearest to `target`, and its time, from `start` on. `timed` is None
/// where a value gives no network.
pub(super) fn nearest(
    target: u64,
    start: usize,
    timed: &dyn Fn(usize) -> Result<Option<u64>, SweepError>,
) -> Result<(usize, u64), SweepError> {
    let mut seen: BTreeMap<usize, u64> = BTreeMap::new();
    let mut value = start;
    for _ in 0..MOST {
        let Some((at, time)) = time_from(value, &seen, timed)? else { break };
        seen.insert(at, time);
        if (time as f64 - target as f64).abs() <= NEAR * target as f64 {
            break;
        }
        let Some(next) = next(target, &seen) else { break };
        value = next;
    }
    let best = seen.into_iter().min_by_key(|&(value, time)| (time.abs_diff(target), value));
    best.ok_or_else(|| {
        SweepError::input("no network of this kind could be timed", "match another field")
    })
}

/// The first value from `value` on that gives a network and was not looked at.
fn time_from(
    value: usize,
    seen: &BTreeMap<usize, u64>,
    timed: &dyn Fn(usize) -> Result<Option<u64>, SweepError>,
) -> Result<Option<(usize, u64)>, SweepError> {
    for value in value..value + 64 {
        if seen.contains_key(&value) {
            return Ok(None);
        }
        if let Some(time) = timed(value)? {
            return Ok(Some((value, time)));
        }
    }
    Ok(None)
}

/// Between the nearest values below and above the target in proportion; beyond the last one by the
/// ratio of times.
fn next(target: u64, seen: &BTreeMap<usize, u64>) -> Option<usize> {
    let below = seen.iter().rfind(|(_, time)| **time < target);
    let above = seen.iter().find(|(_, time)| **time >= target);
    let next = match (below, above) {
        (Some((&low, &fast)), Some((&high, &slow))) if low < high => {
            // In proportion, but well inside: costs that bend would creep up on one end.
            let share = ((target - fast) as f64 / (slow - fast).max(1) as f64).clamp(0.2, 0.8);
            let between = low + ((high - low) as f64 * share).round() as usize;
            (high - low > 1).then(|| between.clamp(low + 1, high - 1))?
        }
        // A part of the time does not depend on the value, so the ratio alone would be timid.
        (Some((&low, &fast)), _) => {
            low + ((2.0 * low as f64 * (target as f64 / fast as f64 - 1.0)) as usize).max(low)
        }
        (None, Some((&high, &slow))) => (high > 1)
            .then(|| ((high as f64 * target as f64 / slow as f64) as usize).clamp(1, high - 1))?,
        (None, None) => return None,
    };
    (!seen.contains_key(&next)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn few_looks_find_a_value_that_takes_as_long() {
        for (start, power, odd_only) in
            [(10, 1.0, false), (40, 1.6, false), (3, 0.8, true), (200, 2.0, false)]
        {
            let looks = Cell::new(0);
            let timed = |value: usize| {
                if odd_only && value.is_multiple_of(2) {
                    return Ok(None);
                }
                looks.set(looks.get() + 1);
                // A constant part, a rising part, and a clock that is one per cent off this way or
                // that.
                let noise = if value.is_multiple_of(3) { 1.01 } else { 0.99 };
                Ok(Some(((2_000.0 + 40.0 * (value as f64).powf(power)) * noise) as u64))
            };
            let target = timed(73).unwrap().unwrap();
            looks.set(0);
            let (value, time) = nearest(target, start, &timed).unwrap();
            let off = (time as f64 - target as f64).abs() / target as f64;
            assert!(
                off < 0.03 && looks.get() <= MOST,
                "from {start}: {value} is {off:.3} off after {} looks",
                looks.get()
            );
        }
        assert!(nearest(10, 1, &|_| Ok(None)).is_err());
    }
}
