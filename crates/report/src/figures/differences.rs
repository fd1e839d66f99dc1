//! Figure: arms against their partners. The mean paired difference has an interval; differences of
//! single seeds are dots.

use super::rows::{MOST, Row, chosen, cut, rows_chart};
use super::{Figure, Table, titled};
use crate::answer::evidence;
use crate::chart::{Kind, Scale};
use crate::format::{fixed, p_cell, signed};
use crate::stats::{Estimate, bootstrap};
use crate::study::{Arm, Pair, Study};

/// Draws the figure; `None` if nothing could be tested.
pub fn figure(study: &Study) -> Option<Figure> {
    let tested: Vec<&Pair> =
        study.pairs.iter().filter(|p| p.paired.is_some_and(|p| p.p().is_some())).collect();
    let rows: Vec<&Pair> = if study.has_asked_pairs {
        tested.iter().copied().take(MOST).collect()
    } else {
        let of = |arm: &Arm| tested.iter().copied().find(|pair| study.arms[pair.arm].id == arm.id);
        chosen(study, |arm| of(arm).is_some()).into_iter().filter_map(of).collect()
    };
    rows.first()?;
    let common = study.common_partner();
    let interval = |pair: &&Pair| pair.paired.and_then(|p| p.interval());
    let ends = rows.iter().filter_map(interval).flat_map(|(low, high)| [low, high]);
    let dots =
        rows.iter().flat_map(|pair| differences(study, pair)).map(|(_, difference)| difference);
    let unit = study.metric.difference_unit.trim();
    let title = if unit.is_empty() {
        format!("difference in {}", study.metric.name)
    } else {
        format!("difference in {} ({unit})", study.metric.name)
    };
    let x = Scale::linear(ends.chain(dots).chain([0.0]), &title);
    let marks = rows.iter().map(|pair| row(study, pair, common.is_none())).collect();
    let what = common.map_or_else(
        || "Differences between arms".to_owned(),
        |arm| format!("Difference from {}", arm.label),
    );
    let label = format!("{} of each arm", what.to_lowercase());
    Some(Figure {
        id: "differences".into(),
        title: what,
        drawing: rows_chart(marks, x, Some(0.0), label),
        how_to_read: format!(
            "Symbols are mean differences over the seeds that both arms have, bars their 95 % confidence intervals, small \
             dots the single seeds' differences. A bar that crosses zero leaves open which arm is better; it does not say \
             that they are equal. Intervals are not widened for the number of arms, p-values are.{}",
            cut(tested.len())
        ),
        legend: Vec::new(),
        table: table(study, &tested),
    })
}

fn table(study: &Study, tested: &[&Pair]) -> Table {
    let columns =
        ["arm", "against", "difference", "95 % CI", "n", "p", "verdict", "95 % CI (bootstrap)"];
    Table {
        columns: columns.map(str::to_owned).to_vec(),
        rows: tested.iter().map(|pair| cells(study, pair)).collect(),
    }
}

fn differences<'s>(study: &'s Study, pair: &Pair) -> impl Iterator<Item = (u64, f64)> + 's {
    let partner = &study.arms[pair.partner];
    study.arms[pair.arm]
        .values
        .iter()
        .filter_map(|(seed, v)| Some((*seed, v - partner.values.get(seed)?)))
}

fn row(study: &Study, pair: &Pair, names_partner: bool) -> Row {
    let decimals = study.difference_decimals;
    let unit = study.metric.difference_unit;
    let arm = &study.arms[pair.arm];
    let partner = &study.arms[pair.partner];
    let mark = |kind, points, title| titled(arm, kind, points, title);
    let mut marks = Vec::new();
    if let Some(paired) = pair.paired {
        let found = signed(paired.difference.mean, decimals);
        let title = format!(
            "{} minus {}: {found}{unit}, {}",
            arm.label,
            partner.label,
            evidence(study, pair)
        );
        marks.extend(
            paired
                .interval()
                .map(|(low, high)| mark(Kind::Bar, vec![(low, 0.0), (high, 0.0)], title.clone())),
        );
        marks.extend(differences(study, pair).map(|(seed, difference)| {
            let text =
                format!("{}, seed {seed}: {}{unit}", arm.label, signed(difference, decimals));
            mark(Kind::Dot, vec![(difference, 0.0)], text)
        }));
        marks.push(mark(Kind::Symbol, vec![(paired.difference.mean, 0.0)], title));
    }
    let label = if names_partner {
        format!("{} − {}", arm.label, partner.label)
    } else {
        arm.label.clone()
    };
    Row { label, marks }
}

fn cells(study: &Study, pair: &Pair) -> Vec<String> {
    let decimals = study.difference_decimals;
    let interval = |(low, high)| format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
    let arm = &study.arms[pair.arm];
    let partner = &study.arms[pair.partner];
    let estimate: Option<Estimate> = pair.paired.map(|p| p.estimate);
    let resampled =
        bootstrap(&differences(study, pair).map(|(_, difference)| difference).collect::<Vec<_>>());
    vec![
        arm.label.clone(),
        partner.label.clone(),
        estimate.map_or("–".into(), |e| signed(e.value, decimals)),
        estimate.and_then(|e| e.interval()).map_or("–".into(), interval),
        estimate.map_or(0, |e| e.seeds).to_string(),
        pair.p_holm.map_or("–".into(), p_cell),
        pair.verdict.name().to_owned(),
        resampled.map_or("–".into(), interval),
    ]
}
