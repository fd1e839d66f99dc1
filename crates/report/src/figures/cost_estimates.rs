//! Figure: predicted against measured training time.

use super::{Figure, Table, titled};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::format::{duration, fixed, signed};
use crate::stats::Sample;
use crate::study::{Arm, Study};
use res2lab_store::{Status, TrialRow};

/// The finished trials of an arm that have a prediction.
struct Priced<'s, 'a> {
    arm: &'s Arm<'a>,
    predicted_s: f64,
    measured_s: Sample,
}

/// Draws the figure; `None` if no trial with a predicted time has finished.
pub fn figure(study: &Study) -> Option<Figure> {
    let arms: Vec<Priced> = study.arms.iter().filter_map(priced).collect();
    if arms.is_empty() {
        return None;
    }
    let unit =
        if arms.iter().all(|a| a.predicted_s.max(a.measured_s.mean) >= 300.0) { 60.0 } else { 1.0 };
    let title =
        |what: &str| format!("{what} time per trial ({})", if unit == 1.0 { "s" } else { "min" });
    let reach = |a: &Priced| a.measured_s.interval().map_or(0.0, |(low, high)| (high - low) / 2.0);
    let ends = |a: &Priced| {
        [a.measured_s.mean - reach(a), a.measured_s.mean + reach(a), a.predicted_s]
            .map(|s| s / unit)
    };
    // Both chart axes have the same range, so that the line of agreement is the diagonal.
    let both = || arms.iter().flat_map(ends);
    let x = Scale::linear(both(), &title("predicted"));
    let y = Scale::linear(both(), &title("measured"));
    let diagonal = vec![(x.low, y.low), (x.high, y.high)];
    let mut marks = vec![Mark {
        points: diagonal,
        kind: Kind::Guide,
        title: "as predicted".into(),
        ..Mark::default()
    }];
    for a in &arms {
        let at = a.predicted_s / unit;
        let mean = a.measured_s.mean / unit;
        let reach = reach(a) / unit;
        if reach > 0.0 && a.arm.is_lead {
            marks.push(mark(a, Kind::Bar, vec![(at, mean - reach), (at, mean + reach)]));
        }
        marks.push(mark(a, Kind::Symbol, vec![(at, mean)]));
    }
    Some(Figure {
        id: "prices".into(),
        title: "Time as predicted and as measured".into(),
        drawing: Chart {
            label: "measured against predicted time".into(),
            height: 230,
            x,
            y,
            grid: Grid::Horizontal,
            marks,
        }.into(),
        how_to_read:
            "Symbols are arms: what the plan predicted from a few timed steps, and what their finished trials took \
                      on average (bars: 95 % confidence intervals). Above the line a trial took longer than predicted."
                .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", "predicted", "measured", "measured over predicted", "n"].map(str::to_owned).to_vec(),
            rows: arms.iter().map(cells).collect(),
        },
    })
}

fn priced<'s, 'a>(arm: &'s Arm<'a>) -> Option<Priced<'s, 'a>> {
    let pair =
        |t: &&TrialRow| Some((t.planned.cost_estimate.as_ref()?.wall_s, t.result.as_ref()?.wall_s));
    let done = arm.trials.iter().copied().filter(|t| t.status == Status::Done);
    let pairs: Vec<(f64, f64)> = done
        .filter_map(|t| pair(&t))
        .filter(|(p, m)| p.is_finite() && *p > 0.0 && m.is_finite())
        .collect();
    let of = |part: fn(&(f64, f64)) -> f64| Sample::of(&pairs.iter().map(part).collect::<Vec<_>>());
    Some(Priced { arm, predicted_s: of(|p| p.0)?.mean, measured_s: of(|p| p.1)? })
}

fn error_percent(a: &Priced) -> f64 {
    100.0 * (a.measured_s.mean / a.predicted_s - 1.0)
}

fn mark(a: &Priced, kind: Kind, points: Vec<(f64, f64)>) -> Mark {
    let title = format!(
        "{}: {} predicted, {} measured (n = {})",
        a.arm.label,
        duration(a.predicted_s),
        duration(a.measured_s.mean),
        a.measured_s.n
    );
    titled(a.arm, kind, points, title)
}

fn cells(a: &Priced) -> Vec<String> {
    let std = a.measured_s.std.map_or(String::new(), |s| format!(" ± {}", fixed(s, 1) + " s"));
    vec![
        a.arm.label.clone(),
        duration(a.predicted_s),
        duration(a.measured_s.mean) + &std,
        format!("{} %", signed(error_percent(a), 0)),
        a.measured_s.n.to_string(),
    ]
}
