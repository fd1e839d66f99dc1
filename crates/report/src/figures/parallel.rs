//! Figure: parallel coordinates. Each arm is a line through its settings, costs and result.

use super::{Figure, Table};
use crate::chart::{Chart, Drawing, Grid, Kind, Mark, Scale, WIDE};
use crate::format::{capital, count, duration, fixed, listed};
use crate::marks::Brush;
use crate::study::{Arm, Study};
use crate::svg::shorten;

/// Maximum number of swept axes beside the costs.
const MOST_AXES: usize = 5;
/// Maximum number of lines.
const MOST_LINES: usize = 300;
/// Heights on two coordinates that differ by less look the same.
const ALIKE: f64 = 0.02;
/// Maximum number of values between the ends of a coordinate that are written at it.
const MOST_BETWEEN: usize = 8;
/// Pixels beside a coordinate for a value.
const BESIDE: f64 = 60.0;
/// Heights of the lower and the upper end of a coordinate.
const ENDS: (f64, f64) = (0.0, 1.0);

/// One vertical coordinate.
struct Coordinate {
    name: String,
    /// Each arm's height from 0 to 1 and its value as text; `None` if the arm has no value.
    places: Vec<Option<(f64, String)>>,
    /// Text at the lower and the upper end.
    ends: (String, String),
    brush: Brush,
    /// Costs that would look the same.
    alike: Vec<String>,
}

/// Draws the figure; `None` for fewer than three arms or fewer than three coordinates.
pub fn figure(study: &Study) -> Option<Figure> {
    let arms: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    let coordinates: Vec<Coordinate> = coordinates(study, &arms);
    if arms.len() < 3 || coordinates.len() < 3 {
        return None;
    }
    let shown = shown(&arms);
    let mut marks: Vec<Mark> =
        (0..coordinates.len()).map(|i| line_of_axis(i, &coordinates[i].name)).collect();
    marks.extend(shown.iter().flat_map(|&i| line_of_arm(study, arms[i], i, &coordinates)));
    marks.extend(coordinates.iter().enumerate().map(|(i, coordinate)| brush(i, coordinate)));
    let room = f64::from(WIDE) / coordinates.len() as f64 - 6.0;
    for (i, coordinate) in coordinates.iter().enumerate() {
        marks.extend(between(i, &coordinate.brush.values, room));
        marks.push(end_text(i, ENDS.1 + 0.07, &coordinate.ends.1, room));
        marks.push(end_text(i, ENDS.0 - 0.07, &coordinate.ends.0, room));
    }
    let names: Vec<String> = coordinates.iter().map(|c| shorten(&c.name, room)).collect();
    let x = Scale::points(&names, None, "", f64::from(WIDE));
    let mut y = Scale::linear([ENDS.0 - 0.1, ENDS.1 + 0.1], "");
    y.ticks.clear();
    let left_out = arms.len() - shown.len();
    let note = if left_out > 0 {
        format!(" {left_out} arms are left out; the baseline and the best are shown.")
    } else {
        String::new()
    };
    let alike = |c: &Coordinate| {
        let names = capital(&listed(&c.alike));
        (!c.alike.is_empty()).then(|| format!(" {names} would look like {}.", c.name))
    };
    let alike: String = coordinates.iter().filter_map(alike).collect();
    Some(Figure {
        id: "parallel".into(),
        title: "All arms at a glance".into(),
        drawing: Drawing::Wide(Chart {
            label: "parallel coordinates of the arms".into(),
            height: 230,
            x,
            y,
            grid: Grid::None,
            marks,
        }),
        how_to_read: format!(
            "Each line is an arm, from its settings over its cost to what it reached; each column has its minimum at the \
             bottom and its maximum at the top. Lines that cross between two columns show a negative relation. Drag along a column \
             to select a range of it; with the keyboard, up and down move the lower end, with Shift the upper one.{alike}{note}"
        ),
        legend: Vec::new(),
        table: table(&arms, &coordinates),
    })
}

/// The sweep's axes, the costs in which arms differ, and the metric.
fn coordinates(study: &Study, arms: &[&Arm]) -> Vec<Coordinate> {
    let mut all: Vec<Coordinate> =
        (0..study.axes.len().min(MOST_AXES)).map(|i| of_axis(study, arms, i)).collect();
    let planned = |arm: &Arm| arm.trials[0].planned.clone();
    all.extend(of_numbers(
        ("parameters", "parameters"),
        arms,
        |arm| Some(planned(arm).parameters as f64),
        |n| count(n as u64),
    ));
    all.extend(of_numbers(
        ("multiply-adds", "macs"),
        arms,
        |arm| Some(planned(arm).macs as f64),
        |n| count(n as u64),
    ));
    all.extend(of_numbers(
        ("time", "wall_s"),
        arms,
        |arm| arm.mean_of(|t| Some(t.result.as_ref()?.wall_s)),
        duration,
    ));
    // Costs that go with an earlier one would repeat its picture.
    let first_cost = study.axes.len().min(MOST_AXES);
    let mut i = first_cost;
    while i < all.len() {
        match (first_cost..i).find(|&earlier| is_alike(&all[earlier], &all[i])) {
            Some(earlier) => {
                let name = all.remove(i).name;
                all[earlier].alike.push(name);
            }
            None => i += 1,
        }
    }
    let decimals = study.decimals;
    let metric = study.metric.name.as_str();
    all.extend(of_numbers(
        (metric, "mean"),
        arms,
        |arm| arm.sample.map(|s| s.mean),
        move |v| fixed(v, decimals),
    ));
    all
}

/// Whether all arms are at the same heights on both.
fn is_alike(a: &Coordinate, b: &Coordinate) -> bool {
    a.places.iter().zip(&b.places).all(|pair| match pair {
        (Some((a, _)), Some((b, _))) => (a - b).abs() < ALIKE,
        (a, b) => a.is_none() && b.is_none(),
    })
}

/// The coordinate of a swept axis; values are evenly spaced in the axis's order.
fn of_axis(study: &Study, arms: &[&Arm], i: usize) -> Coordinate {
    let axis = &study.axes[i];
    let last = (axis.values.len() - 1).max(1) as f64;
    let place = |arm: &&Arm| {
        let value = arm.places.first()?[i].as_ref()?;
        Some((axis.index(value)? as f64 / last, value.clone()))
    };
    let end = |value: Option<&String>| value.cloned().unwrap_or_default();
    Coordinate {
        name: axis.label.clone(),
        places: arms.iter().map(place).collect(),
        ends: (end(axis.values.first()), end(axis.values.last())),
        brush: Brush {
            column: axis.column().to_owned(),
            ends: (0.0, 1.0),
            is_log: false,
            values: axis.values.clone(),
        },
        alike: Vec::new(),
    }
}

/// The coordinate of a numeric quantity; `None` if all arms have the same value.
fn of_numbers(
    (name, column): (&str, &str),
    arms: &[&Arm],
    of: impl Fn(&Arm) -> Option<f64>,
    show: impl Fn(f64) -> String,
) -> Option<Coordinate> {
    let values: Vec<Option<f64>> =
        arms.iter().map(|arm| of(arm).filter(|v| v.is_finite())).collect();
    let known = || values.iter().flatten().copied();
    let least = known().fold(f64::INFINITY, f64::min);
    let most = known().fold(f64::NEG_INFINITY, f64::max);
    // Costs that span a factor of eight are placed by their logarithms.
    let is_log = least > 0.0 && most >= 8.0 * least;
    let at = |v: f64| if is_log { v.ln() } else { v };
    let height = |v: f64| (at(v) - at(least)) / (at(most) - at(least));
    (most > least).then(|| Coordinate {
        name: name.to_owned(),
        places: values.iter().map(|v| v.map(|v| (height(v), show(v)))).collect(),
        ends: (show(least), show(most)),
        brush: Brush { column: column.to_owned(), ends: (least, most), is_log, values: Vec::new() },
        alike: Vec::new(),
    })
}

/// The leading arms, and as many of the others as fit.
fn shown(arms: &[&Arm]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..arms.len()).collect();
    order.sort_by_key(|&i| !arms[i].is_lead);
    order.truncate(MOST_LINES);
    // Leading arms are drawn over the others.
    order.reverse();
    order
}

fn line_of_axis(i: usize, name: &str) -> Mark {
    let x = i as f64;
    Mark {
        points: vec![(x, ENDS.0), (x, ENDS.1)],
        kind: Kind::Guide,
        title: name.to_owned(),
        ..Mark::default()
    }
}

fn brush(i: usize, coordinate: &Coordinate) -> Mark {
    let x = i as f64;
    Mark {
        points: vec![(x, ENDS.0), (x, ENDS.1)],
        kind: Kind::Brush(coordinate.brush.clone()),
        ..Mark::default()
    }
}

/// The line of an arm, interrupted where a value is missing.
fn line_of_arm(study: &Study, arm: &Arm, index: usize, coordinates: &[Coordinate]) -> Vec<Mark> {
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (i, coordinate) in coordinates.iter().enumerate() {
        match &coordinate.places[index] {
            Some((height, _)) => {
                parts.last_mut().into_iter().for_each(|part| part.push((i as f64, *height)))
            }
            None => parts.push(Vec::new()),
        }
    }
    parts.retain(|part| part.len() > 1);
    parts.into_iter().map(|points| super::of_arm(study, arm, Kind::Line, points)).collect()
}

/// The values of a coordinate between its ends, beside it. The first one has half a column beside
/// it that no line crosses.
fn between(i: usize, values: &[String], room: f64) -> Vec<Mark> {
    let room = if i == 0 { (room / 2.0 - 12.0).max(BESIDE) } else { BESIDE };
    let last = values.len().saturating_sub(1).max(1) as f64;
    if values.len() > MOST_BETWEEN + 2 {
        return Vec::new();
    }
    let text = |(at, value): (usize, &String)| Mark {
        points: vec![(i as f64 - 0.04, at as f64 / last)],
        kind: Kind::TextEnd(shorten(value, room)),
        ..Mark::default()
    };
    values.iter().enumerate().skip(1).filter(|(at, _)| *at as f64 != last).map(text).collect()
}

/// The text at an end of a coordinate.
fn end_text(i: usize, height: f64, text: &str, room: f64) -> Mark {
    Mark {
        points: vec![(i as f64, height)],
        kind: Kind::Label(shorten(text, room)),
        ..Mark::default()
    }
}

fn table(arms: &[&Arm], coordinates: &[Coordinate]) -> Table {
    let cell = |c: &Coordinate, i: usize| {
        c.places[i].as_ref().map_or("–".into(), |(_, text)| text.clone())
    };
    let row = |(i, arm): (usize, &&Arm)| {
        std::iter::once(arm.label.clone()).chain(coordinates.iter().map(|c| cell(c, i))).collect()
    };
    Table {
        columns: std::iter::once("arm".to_owned())
            .chain(coordinates.iter().map(|c| c.name.clone()))
            .collect(),
        rows: arms.iter().enumerate().map(row).collect(),
    }
}
