//! Figures: the metric against each cost of an arm (parameters, multiply-adds, time, memory).

use super::{Figure, INTERVAL_COLUMNS, Table, interval_cells, of_arm};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::format::{capital, count, duration, fixed, plain, tick};
use crate::lines::along;
use crate::study::{Arm, Study};

/// One kind of cost.
struct Cost {
    id: &'static str,
    name: &'static str,
    /// Unit in the title of the chart axis.
    unit: &'static str,
    /// `None` if the cost is unknown.
    of: fn(&Arm) -> Option<f64>,
    tick: fn(f64) -> String,
    show: fn(f64) -> String,
    /// Smallest relative spread that is worth a figure. Measured costs vary by chance.
    least_spread: f64,
}

const COSTS: [Cost; 4] = [
    Cost {
        id: "parameters",
        name: "parameters",
        unit: "",
        of: |arm| Some(arm.trials[0].planned.parameters as f64),
        tick,
        show: |n| count(n as u64),
        least_spread: 0.0,
    },
    Cost {
        id: "macs",
        name: "multiply-adds",
        unit: "",
        of: |arm| Some(arm.trials[0].planned.macs as f64),
        tick,
        show: |n| count(n as u64),
        least_spread: 0.0,
    },
    Cost {
        id: "time",
        name: "time per trial",
        unit: " (s)",
        of: |arm| arm.mean_of(|t| Some(t.result.as_ref()?.wall_s)),
        tick: plain,
        show: duration,
        least_spread: 0.1,
    },
    Cost {
        id: "memory",
        name: "peak memory",
        unit: " (MiB)",
        of: |arm| arm.mean_of(|t| Some(t.result.as_ref()?.peak_memory_mib)),
        tick: plain,
        show: |mib| format!("{} MiB", fixed(mib, 0)),
        least_spread: 0.1,
    },
];

/// With more arms than this, only the leading ones have intervals.
const MOST_WITH_INTERVALS: usize = 16;

/// One figure per cost in which the arms differ.
pub fn figures(study: &Study) -> Vec<Figure> {
    COSTS.iter().filter_map(|cost| figure(study, cost)).collect()
}

/// An arm with its mean and its cost.
type Point<'s, 'a> = (&'s Arm<'a>, f64, f64);

fn figure(study: &Study, cost: &Cost) -> Option<Figure> {
    let arms: Vec<Point> = study
        .arms
        .iter()
        .filter_map(|arm| Some((arm, arm.sample?.mean, (cost.of)(arm).filter(|c| *c > 0.0)?)))
        .collect();
    let costs = || arms.iter().map(|(_, _, cost)| *cost);
    let least = costs().fold(f64::INFINITY, f64::min);
    let most = costs().fold(0.0, f64::max);
    if arms.len() < 2 || most <= least * (1.0 + cost.least_spread) {
        return None;
    }
    // Intervals of many arms would hide each other.
    let has_bar = |arm: &Arm| arms.len() <= MOST_WITH_INTERVALS || arm.is_lead;
    let interval = |arm: &Arm| {
        let interval = arm.sample.and_then(|s| s.interval());
        interval.filter(|_| has_bar(arm)).map(|interval| study.metric.possible(interval))
    };
    let ends = arms.iter().flat_map(|(arm, mean, _)| {
        interval(arm).map_or(vec![*mean], |(low, high)| vec![low, high, *mean])
    });
    let y = Scale::linear(ends, &study.metric.title());
    let x = Scale::positive(costs(), &format!("{}{}", cost.name, cost.unit), cost.tick);
    let sign = if study.metric.higher_is_better { 1.0 } else { -1.0 };
    let front = front(&arms.iter().map(|(_, mean, cost)| (*cost, sign * mean)).collect::<Vec<_>>());
    let joined: Vec<_> = front.iter().map(|&i| (x.position(arms[i].2), arms[i].1)).collect();
    let mut marks = guides(study, |arm| Some(x.position((cost.of)(arm)?)));
    // Where the front is the axis's line, one line over the other would hide it.
    marks.retain(|guide| !guide.points.iter().all(|point| joined.contains(point)));
    marks.push(Mark {
        points: joined,
        kind: Kind::Front,
        title: "Pareto front".into(),
        ..Mark::default()
    });
    for (arm, mean, cost) in &arms {
        let at = x.position(*cost);
        marks.extend(
            interval(arm)
                .map(|(low, high)| of_arm(study, arm, Kind::Bar, vec![(at, low), (at, high)])),
        );
        marks.push(of_arm(study, arm, Kind::Symbol, vec![(at, *mean)]));
    }
    let name = format!("{} against {}", study.metric.name, cost.name);
    let of_whom = if arms.iter().all(|(arm, ..)| has_bar(arm)) {
        ""
    } else {
        " (of the baseline and the best)"
    };
    let better = if study.metric.higher_is_better { "Up" } else { "Down" };
    Some(Figure {
        id: format!("cost-{}", cost.id),
        title: capital(&name),
        drawing: Chart { label: name, height: 230, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: format!(
            "Symbols are arms' means, bars their 95 % confidence intervals{of_whom}. Thin lines join arms along an axis, the \
             dashed line those that no cheaper arm reaches (Pareto front of the means). {better} and to the left is better."
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["arm", cost.name]
                .into_iter()
                .chain(INTERVAL_COLUMNS)
                .chain(["on the front"])
                .map(str::to_owned)
                .collect(),
            rows: arms
                .iter()
                .enumerate()
                .map(|(i, point)| cells(study, point, cost, front.contains(&i)))
                .collect(),
        },
    })
}

fn cells(study: &Study, (arm, _, value): &Point, cost: &Cost, on_front: bool) -> Vec<String> {
    let front = if on_front { "yes" } else { "" }.to_owned();
    [vec![arm.label.clone(), (cost.show)(*value)], interval_cells(study, arm), vec![front]].concat()
}

/// The Pareto front of points (cost, value): indices of the points whose value exceeds that of
/// every cheaper point, in ascending order of cost.
fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        points[a].0.total_cmp(&points[b].0).then(points[b].1.total_cmp(&points[a].1))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let is_better = points[i].1 > best;
        best = best.max(points[i].1);
        is_better
    });
    order
}

/// One line per axis if the arms form single lines. In a grid the lines would overlap.
fn guides(study: &Study, at: impl Fn(&Arm) -> Option<f64>) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (i, axis) in study.axes.iter().enumerate().filter(|(_, axis)| axis.numbers.is_some()) {
        let groups = along(study, i);
        let [group] = &groups[..] else { continue };
        let points =
            group.points.iter().filter_map(|(_, arm)| Some((at(arm)?, arm.sample?.mean))).collect();
        marks.push(Mark {
            points,
            kind: Kind::Guide,
            title: axis.label.clone(),
            ..Mark::default()
        });
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_no_cheaper_arm_reaches() {
        assert_eq!(
            front(&[(3.0, 97.0), (1.0, 96.0), (2.0, 95.0), (3.0, 96.5), (4.0, 97.5)]),
            [1, 0, 4]
        );
        assert_eq!(front(&[(2.0, 97.0), (1.0, 97.0)]), [1]);
        assert!(front(&[]).is_empty());
    }
}
