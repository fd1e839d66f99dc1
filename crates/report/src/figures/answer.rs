//! Figure: the findings with their intervals, the first figure of the page. Without comparisons,
//! the means of the arms; without means, how the trials ended.

use super::{Figure, Table};
use crate::answer::range;
use crate::chart::{Drawing, Scale};
use crate::findings::{Finding, Kind, MOST_SEEDS, Step, Subject, Verdict, needed};
use crate::forest::{Forest, Row, Value};
use crate::format::{capital, fixed, p_cell, signed};
use crate::study::{Arm, Study};
use res2lab_store::Status;

/// Columns beside the plot of comparisons.
const COLUMNS: [&str; 5] = ["difference", "95 % interval", "adjusted p", "verdict", "seeds needed"];

/// Maximum number of seeds whose trials are shown one by one.
const MOST_SEEDS_OF_ENDS: usize = 12;

/// Draws the figure; `None` without means and with no trial or too many seeds.
pub fn figure(study: &Study) -> Option<Figure> {
    let findings = &study.findings;
    let is_compared = matches!(findings.kind, Kind::Axes | Kind::Pairs) && findings.tested() > 0;
    if study.rows.plan.is_smoke || findings.kind == Kind::Nothing {
        return ends(study);
    }
    if is_compared { Some(comparisons(study)) } else { Some(means(study)) }
}

fn comparisons(study: &Study) -> Figure {
    let findings = shown(study);
    let rows: Vec<Row> = findings.iter().filter_map(|finding| row(study, finding)).collect();
    let margin = study.margin();
    let ends = rows.iter().flat_map(|row| {
        let interval = row.interval.into_iter().flat_map(|(low, high)| [low, high]);
        row.values.iter().map(|value| value.at).chain(interval)
    });
    let unit = study.metric.difference_unit.trim();
    let title = match unit.is_empty() {
        true => format!("difference in {}", study.metric.name),
        false => format!("difference in {} ({unit})", study.metric.name),
    };
    let near = margin.into_iter().flat_map(|m| [-m, m]);
    let x = Scale::linear(ends.chain([0.0]).chain(near), &title);
    let is_trend = |f: &&Finding| matches!(f.subject, Subject::Trend(_));
    let trends = if findings.iter().any(is_trend) {
        " Trends are the change from one end of the axis to the other."
    } else {
        ""
    };
    let zone = margin.map_or(String::new(), |m| {
        format!(" The pale zone is the margin of ±{m}{}.", study.metric.difference_unit)
    });
    let table = Table {
        columns: std::iter::once("comparison").chain(COLUMNS).map(str::to_owned).collect(),
        rows: rows.iter().map(cells).collect(),
    };
    Figure {
        id: "answer".into(),
        title: "The findings with their intervals".into(),
        drawing: Drawing::Forest(Forest {
            label: title,
            x,
            reference: Some(0.0),
            zone: margin.map(|m| (-m, m)),
            columns: COLUMNS.map(str::to_owned).to_vec(),
            rows,
            stamp: String::new(),
        }),
        how_to_read: format!(
            "Bars are 95 % confidence intervals, not widened for the number of comparisons; p-values are adjusted. Filled \
             symbols are resolved, hollow ones are not.{zone}{trends}"
        ),
        legend: Vec::new(),
        table,
    }
}

fn cells(row: &Row) -> Vec<String> {
    std::iter::once(row.label.clone()).chain(row.cells.iter().cloned()).collect()
}

/// The findings in order of importance: resolved ones first, then by p-value. Pairs that were asked
/// for keep the order in which they were asked. Shapes without a difference are left out.
fn shown<'s>(study: &'s Study) -> Vec<&'s Finding> {
    let findings = &study.findings;
    let is_shown =
        |f: &&Finding| !matches!(f.subject, Subject::Shape(_)) && f.any_estimate().is_some();
    let is_interaction = |f: &Finding| matches!(f.subject, Subject::Interaction(..));
    let mut members: Vec<&Finding> = findings.members.iter().filter(is_shown).collect();
    let detailed = |f: &Finding| match f.subject {
        Subject::Axis(a) => findings
            .details
            .iter()
            .any(|d| matches!(d.subject, Subject::Values { axis, .. } if axis == a)),
        _ => false,
    };
    members.retain(|f| !detailed(f));
    members.extend(findings.details.iter().filter(is_shown));
    if !study.has_asked_pairs {
        members.sort_by(|a, b| a.p.unwrap_or(1.0).total_cmp(&b.p.unwrap_or(1.0)));
        members.sort_by_key(|f| (!f.verdict.is_difference(), is_interaction(f)));
    }
    members
}

fn row(study: &Study, finding: &Finding) -> Option<Row> {
    let estimate = finding.any_estimate()?;
    // The widest of several differences is one difference; a slope covers the whole axis.
    let by = if finding.estimate.is_some() { finding.steps } else { 1.0 };
    let by = if finding.step == Step::Difference { 1.0 } else { by };
    let value = estimate.value * by;
    let interval = estimate
        .interval()
        .map(|(low, high)| study.metric.possible_difference((low * by, high * by)));
    let decimals = study.difference_decimals;
    let family = study.findings.tested();
    let needed = needed(finding, study.margin(), family)
        .map_or(String::new(), |n| n.seeds.map_or(format!("> {MOST_SEEDS}"), |n| n.to_string()));
    let cells = vec![
        signed(value, decimals),
        interval.map_or("–".into(), |interval| range(study, interval, decimals)),
        finding.p_holm.map_or("–".into(), p_cell),
        finding.verdict.name().to_owned(),
        needed,
    ];
    let label = label(study, finding);
    let arm = match finding.subject {
        Subject::Pair { arm, .. } => Some(&study.arms[arm]),
        _ => None,
    };
    let unit = study.metric.difference_unit;
    Some(Row {
        title: format!(
            "{label}: {}{unit}, 95 % CI {}, adjusted p {}, {}, n = {}",
            cells[0], cells[1], cells[2], cells[3], estimate.seeds
        ),
        label,
        values: vec![Value { at: value, ..Value::default() }],
        interval,
        is_open: matches!(finding.verdict, Verdict::NotResolved | Verdict::NotTested),
        style: arm.map(Arm::style).unwrap_or_default(),
        arm: arm.map_or_else(String::new, |arm| arm.id.to_owned()),
        cells,
    })
}

/// What is compared: `depth: 20 − 11`, `scale: 2 to 8`.
fn label(study: &Study, finding: &Finding) -> String {
    let axis = |a: usize| &study.axes[a];
    let difference = |a: usize, from: usize, to: usize| {
        format!("{}: {} − {}", axis(a).label, axis(a).values[to], axis(a).values[from])
    };
    match finding.subject {
        Subject::Axis(a) => match &finding.widest {
            Some(widest) => {
                let (from, to) = widest.between[0];
                difference(a, from, to)
            }
            None => axis(a).label.clone(),
        },
        Subject::Trend(a) | Subject::Shape(a) => {
            let values = &axis(a).values;
            let first = values.first().map_or("", String::as_str);
            let last = values.last().map_or("", String::as_str);
            format!("{}: {first} to {last}", axis(a).label)
        }
        Subject::Interaction(a, b) => format!("{} × {}", axis(a).label, axis(b).label),
        Subject::Values { axis, from, to } => difference(axis, from, to),
        Subject::Pair { arm, partner } => match study.common_partner() {
            Some(_) => study.arms[arm].label.clone(),
            None => format!("{} − {}", study.arms[arm].label, study.arms[partner].label),
        },
    }
}

/// The means of the arms, the best first.
fn means(study: &Study) -> Figure {
    let mut arms: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    let sign = if study.metric.higher_is_better { -1.0 } else { 1.0 };
    let key = |arm: &Arm| arm.sample.map_or(f64::INFINITY, |s| sign * s.mean);
    arms.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let rows: Vec<Row> = arms.iter().filter_map(|arm| mean(study, arm)).collect();
    let ends = rows.iter().flat_map(|row| {
        let interval = row.interval.into_iter().flat_map(|(low, high)| [low, high]);
        row.values.iter().map(|value| value.at).chain(interval)
    });
    let x = Scale::linear(ends, &study.metric.title());
    let columns = ["mean", "95 % interval", "n"].map(str::to_owned).to_vec();
    Figure {
        id: "answer".into(),
        title: format!("{} of each arm", capital(&study.metric.name)),
        how_to_read: "Symbols are means over seeds, bars their 95 % confidence intervals; one seed has no interval.".into(),
        legend: Vec::new(),
        table: Table {
            columns: std::iter::once("arm".to_owned()).chain(columns.clone()).collect(),
            rows: rows.iter().map(cells).collect(),
        },
        drawing: Drawing::Forest(Forest {
            label: study.metric.title(),
            x,
            reference: None,
            zone: None,
            columns,
            rows,
            stamp: String::new(),
        }),
    }
}

fn mean(study: &Study, arm: &Arm) -> Option<Row> {
    let sample = arm.sample?;
    let interval = sample.interval().map(|interval| study.metric.possible(interval));
    let decimals = study.decimals;
    let text = interval.map_or("–".into(), |(low, high)| {
        format!("{} to {}", fixed(low, decimals), fixed(high, decimals))
    });
    Some(Row {
        label: arm.label.clone(),
        values: vec![Value { at: sample.mean, ..Value::default() }],
        interval,
        is_open: false,
        style: arm.style(),
        arm: arm.id.to_owned(),
        cells: vec![fixed(sample.mean, decimals), text, sample.n.to_string()],
        title: super::arm_title(study, arm),
    })
}

/// How the trials of each arm ended, by seed.
fn ends(study: &Study) -> Option<Figure> {
    let seeds: Vec<u64> = {
        let mut all: Vec<u64> = study.rows.trials.iter().map(|t| t.planned.spec.seed).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let row = |arm: &Arm| {
        let value = |trial: &&res2lab_store::TrialRow| Value {
            at: seeds.iter().position(|s| *s == trial.planned.spec.seed).unwrap_or(0) as f64,
            trial: trial.planned.id.clone(),
            text: sign(trial.status).to_owned(),
            title: format!(
                "{}, seed {}: {}",
                arm.label,
                trial.planned.spec.seed,
                trial.status.name()
            ),
        };
        let counts = crate::summary::Counts::of(arm.trials.iter().map(|t| t.status)).in_words();
        Row {
            label: arm.label.clone(),
            values: arm.trials.iter().map(value).collect(),
            arm: arm.id.to_owned(),
            title: format!("{}: {counts}", arm.label),
            cells: vec![counts],
            ..Row::default()
        }
    };
    let rows: Vec<Row> = study.arms.iter().map(row).collect();
    if rows.is_empty() || seeds.len() > MOST_SEEDS_OF_ENDS {
        return None;
    }
    let names: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let x = Scale::points(&names, None, "seed", 0.0);
    let columns = vec!["trials".to_owned()];
    Some(Figure {
        id: "answer".into(),
        title: "How the trials ended".into(),
        how_to_read:
            "✓ done, ✗ failed, ∞ diverged, ▶ running, ‖ interrupted, · pending, ■ stopped early."
                .into(),
        legend: Vec::new(),
        table: Table {
            columns: vec!["arm".to_owned(), "trials".to_owned()],
            rows: rows.iter().map(cells).collect(),
        },
        drawing: Drawing::Forest(Forest {
            label: "status of each trial by arm and seed".into(),
            x,
            reference: None,
            zone: None,
            columns,
            rows,
            stamp: String::new(),
        }),
    })
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Done => "✓",
        Status::Failed => "✗",
        Status::Diverged => "∞",
        Status::Running => "▶",
        Status::Interrupted => "‖",
        Status::Pending => "·",
        Status::Stopped => "■",
    }
}
