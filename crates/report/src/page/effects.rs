//! The table of effects: main effects and interactions with their evidence.

use super::context::{Effects, TextTable};
use crate::design::{self, Design};
use crate::effects::{self, Effect, Trend};
use crate::findings::{Finding, Kind, Subject, Verdict};
use crate::format::{fixed, p_cell, plural, signed};
use crate::study::Study;

/// Builds the table; `None` if no axis could be analyzed.
pub(super) fn table(study: &Study) -> Option<Effects> {
    let grid = design::grid(study);
    let with_share = grid.is_some();
    let designs = match grid {
        Some(grid) => vec![grid],
        None => (0..study.axes.len()).filter_map(|axis| design::line(study, axis)).collect(),
    };
    let effects: Vec<Effect> =
        designs.iter().flat_map(|design| effects::of(study, design)).collect();
    if effects.is_empty() {
        return None;
    }
    let mut columns = vec!["axis".to_owned()];
    columns.extend(with_share.then(|| "share of variation".to_owned()));
    columns.extend(
        ["largest difference", "trend", "F", "p", "Holm-adjusted p", "verdict"].map(str::to_owned),
    );
    let mut rows: Vec<Vec<String>> =
        effects.iter().map(|effect| row(study, effect, with_share)).collect();
    if with_share {
        let rest = 1.0 - effects.iter().map(|e| e.test.share).sum::<f64>();
        let mut cells =
            vec!["seeds and the rest".to_owned(), format!("{} %", fixed(100.0 * rest.max(0.0), 0))];
        cells.resize(columns.len(), "–".into());
        rows.push(cells);
    }
    Some(Effects {
        how_to_read: how_to_read(study, &designs, with_share),
        table: TextTable::new(columns, rows),
    })
}

fn row(study: &Study, effect: &Effect, with_share: bool) -> Vec<String> {
    let found = finding(study, effect);
    let test = effect.test;
    let f = test.f.map_or("–".into(), |f| {
        format!("F({}, {}) = {}", test.freedom, test.error_freedom, fixed(f, 2))
    });
    let mut cells = vec![name(study, effect)];
    cells.extend(with_share.then(|| format!("{} %", fixed(100.0 * test.share, 0))));
    cells.push(largest(study, effect));
    cells.push(effect.trend.as_ref().map_or("–".into(), |trend| trend_text(study, effect, trend)));
    cells.push(f);
    cells.push(test.p.map_or("–".into(), p_cell));
    cells.push(found.and_then(|f| f.p_holm).map_or("–".into(), p_cell));
    cells.push(found.map_or("–".into(), |f| verdict(study, f)));
    cells
}

/// The verdict with its direction: `20 better`, `better with more`.
fn verdict(study: &Study, finding: &Finding) -> String {
    let name = finding.verdict.name();
    let is_directed = matches!(finding.verdict, Verdict::Better | Verdict::Worse);
    match (&finding.subject, &finding.widest) {
        (Subject::Axis(axis), Some(widest)) if is_directed => {
            let (from, to) = widest.between[0];
            let winner = if finding.verdict == Verdict::Better { to } else { from };
            format!("{} better", study.axes[*axis].values[winner])
        }
        (Subject::Trend(_), _) if is_directed => format!("{name} with more"),
        _ => name.to_owned(),
    }
}

/// The finding on the effect.
fn finding<'s>(study: &'s Study, effect: &Effect) -> Option<&'s Finding> {
    let is_it = |f: &&Finding| match (&f.subject, &effect.axes[..]) {
        (Subject::Axis(a) | Subject::Trend(a), [axis]) => a == axis,
        (Subject::Interaction(a, b), axes) => [*a, *b] == axes,
        _ => false,
    };
    study.findings.members.iter().find(is_it)
}

fn how_to_read(study: &Study, designs: &[Design], is_grid: bool) -> String {
    let what = if is_grid {
        "A complete grid: each axis with the others averaged out, all cells weighing alike; × stands for what two axes do \
         together beyond that."
    } else {
        "Each axis along its own line of arms."
    };
    let seeds = designs.iter().map(|design| design.fit.seed_count).max().unwrap_or(0);
    let test = if seeds > 1 {
        format!(
            " F and p are of an analysis of variance with seeds as blocks ({}), the error pooled over the cells; trends are \
             slopes of straight lines through the means, with 95 % intervals.",
            plural(seeds, "seed")
        )
    } else {
        " With one seed nothing can be tested.".into()
    };
    let family = match study.findings.kind {
        Kind::Axes => {
            " An ordered axis is judged by its trend; adjusted p-values and verdicts are those of the findings above."
        }
        _ => " The findings above rest on comparisons of arms; this table is for exploring.",
    };
    format!("{what}{test}{family}")
}

fn name(study: &Study, effect: &Effect) -> String {
    effect.axes.iter().map(|&a| study.axes[a].label.as_str()).collect::<Vec<_>>().join(" × ")
}

/// The difference between the best and the worst marginal mean.
fn largest(study: &Study, effect: &Effect) -> String {
    let (Some(widest), [axis]) = (effect.widest(), &effect.axes[..]) else { return "–".into() };
    let axis = &study.axes[*axis];
    let (from, to) = widest.between[0];
    let is_up = (widest.estimate.value > 0.0) == study.metric.higher_is_better;
    let (best, worst) = if is_up { (to, from) } else { (from, to) };
    let difference = fixed(widest.estimate.value.abs(), study.decimals + 1);
    format!(
        "{difference}{} ({} over {})",
        study.metric.difference_unit, axis.values[best], axis.values[worst]
    )
}

fn trend_text(study: &Study, effect: &Effect, trend: &Trend) -> String {
    // A slope per unit may be a thousandth of a point per channel, so two of its digits are shown.
    let slope = trend.slope;
    let decimals = (1.0 - slope.value.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize;
    let decimals = decimals.max(study.decimals);
    let per = if trend.per_doubling {
        "doubling".to_owned()
    } else {
        format!("unit of {}", study.axes[effect.axes[0]].label)
    };
    let interval = slope
        .interval()
        .map(|(low, high)| format!(" ({} to {})", fixed(low, decimals), fixed(high, decimals)));
    let unit = study.metric.difference_unit;
    format!("{}{unit} per {per}{}", signed(slope.value, decimals), interval.unwrap_or_default())
}
