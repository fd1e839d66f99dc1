//! Numbers with their evidence: values with standard deviations, differences with intervals and
//! p-values.

use crate::findings::{Finding, Needed, Step, needed};
use crate::format::{decimals_for, fixed, p_value, plural, signed};
use crate::stats::{ALPHA, Estimate};
use crate::study::{Arm, Pair, Study};

/// Formats an arm's mean with its standard deviation: `97.4 ± 0.3 %`.
pub fn value_with_spread(study: &Study, arm: &Arm) -> String {
    let Some(sample) = arm.sample else { return "–".into() };
    let spread = sample.std.map(|s| format!(" ± {}", fixed(s, study.decimals))).unwrap_or_default();
    format!("{}{spread}{}", fixed(sample.mean, study.decimals), study.metric.unit)
}

/// The evidence for the difference of a pair: `95 % CI 0.1 to 0.5, n = 3, Holm-adjusted p = 0.012,
/// better`.
pub fn evidence(study: &Study, pair: &Pair) -> String {
    let Some(paired) = pair.paired else { return String::new() };
    let decimals = study.difference_decimals;
    let parts = [
        paired.interval().map(|interval| format!("95 % CI {}", range(study, interval, decimals))),
        Some(format!("n = {}", paired.difference.n)),
        pair.p_holm.map(|p| adjusted(p, study.pairs.len())),
        Some(pair.verdict.name().to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Formats an absolute difference: `0.76 points`.
pub(super) fn points(study: &Study, value: f64, decimals: usize) -> String {
    format!("{}{}", fixed(value.abs(), decimals), study.metric.difference_unit)
}

/// Formats a signed difference: `+0.76 points`.
pub(super) fn signed_points(study: &Study, value: f64, decimals: usize) -> String {
    format!("{}{}", signed(value, decimals), study.metric.difference_unit)
}

/// Formats an interval of differences: `−0.1 to 0.6`. Differences of percentages are clipped at
/// ±100.
pub fn range(study: &Study, (low, high): (f64, f64), decimals: usize) -> String {
    let (low, high) = study.metric.possible_difference((low, high));
    format!("{} to {}", fixed(low, decimals), fixed(high, decimals))
}

/// Formats a p-value: `p = 0.012`, or `Holm-adjusted p = 0.012` in a family of several.
pub(super) fn adjusted(p: f64, family: usize) -> String {
    if family > 1 { format!("Holm-adjusted {}", p_value(p)) } else { p_value(p) }
}

/// Formats the adjusted p-value. If only the correction makes the finding insignificant, the raw
/// p-value is shown too.
pub(super) fn adjusted_from(finding: &Finding, family: usize) -> String {
    match (finding.p, finding.p_holm) {
        (Some(alone), Some(p)) if alone < ALPHA && p >= ALPHA => {
            format!("{} alone, {}", p_value(alone), adjusted(p, family))
        }
        (_, p) => p.map_or(String::new(), |p| adjusted(p, family)),
    }
}

/// Formats the margin: `±0.5 points`.
pub(super) fn margin(study: &Study) -> String {
    format!("±{}{}", study.margin().unwrap_or_default(), study.metric.difference_unit)
}

/// The suffix for differences that are also shown to be smaller than the margin: `; less than the
/// margin of 0.5 points`.
pub(super) fn small(study: &Study, finding: &Finding) -> String {
    match (finding.p_equal_holm, study.margin()) {
        (Some(p), Some(margin)) if p < ALPHA => {
            format!("; less than the margin of {margin}{}", study.metric.difference_unit)
        }
        _ => String::new(),
    }
}

/// The number of decimals that shows about two digits of the interval's half width: as many as
/// values have, or one more. A slope per unit of an axis may be a thousandth of a point, and needs
/// more.
pub(super) fn decimals(study: &Study, estimate: &Estimate) -> usize {
    let half = estimate.interval().map_or(f64::INFINITY, |(low, high)| (high - low) / 2.0);
    let digits_of_value =
        (1.0 - estimate.value.abs().max(1e-9).log10().floor()).clamp(0.0, 9.0) as usize;
    decimals_for(half)
        .min(digits_of_value.max(study.decimals + 1))
        .clamp(study.decimals, study.decimals + 4)
}

/// The evidence for a finding: `95 % CI 0.85 to 1.07, n = 5 seeds, p < 0.001`.
pub(super) fn of_finding(study: &Study, finding: &Finding, family: usize) -> String {
    let mut parts = Vec::new();
    if let Some((estimate, interval)) = finding.estimate.and_then(|e| Some((e, e.interval()?))) {
        parts.push(format!("95 % CI {}", range(study, interval, decimals(study, &estimate))));
        parts.push(format!("n = {}", plural(estimate.seeds, "seed")));
    } else if let Some((test, f)) = finding.test.and_then(|t| Some((t, t.f?))) {
        parts.push(format!("F({}, {}) = {}", test.freedom, test.error_freedom, fixed(f, 2)));
    }
    parts.extend(finding.p_holm.map(|p| adjusted(p, family)));
    parts.join(", ")
}

/// The 90 % interval, which decides equality: `90 % CI −0.1 to 0.3`.
pub(super) fn narrow(study: &Study, estimate: &Estimate) -> String {
    let decimals = decimals(study, estimate);
    let interval = estimate.narrow_interval().map(|interval| range(study, interval, decimals));
    format!("90 % CI {}, n = {}", interval.unwrap_or_default(), plural(estimate.seeds, "seed"))
}

/// The suffix on required seeds: `; about 19 seeds would show 0.7 points`.
pub(super) fn seeds_needed(study: &Study, finding: &Finding) -> String {
    let family = study.findings.tested();
    let Some(Needed { seeds, size }) = needed(finding, study.margin(), family) else {
        return String::new();
    };
    let seeds = match seeds {
        Some(n) => format!("about {n} seeds"),
        None => format!("more than {} seeds", crate::findings::MOST_SEEDS),
    };
    let decimals = finding
        .any_estimate()
        .map_or(study.decimals, |estimate| decimals_of_size(study, &estimate));
    let what = if finding.step == Step::Difference { "" } else { "a change of " };
    format!("; {seeds} would show {what}{}", points(study, size, decimals))
}

/// Decimals of a difference that is named for planning, which needs fewer digits than a result.
fn decimals_of_size(study: &Study, estimate: &Estimate) -> usize {
    decimals(study, estimate).min(study.decimals + 1)
}
