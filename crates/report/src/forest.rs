//! A forest plot: one row per comparison with its estimate and interval. A wide picture has names
//! and numbers in columns beside the plot, a narrow one has them in a line above each interval.

use crate::chart::{Area, Chart, Failed, Grid, Kind, Margins, Mark, Scale, TOP, draw_on};
use crate::encoding::Style;
use crate::svg::{FONT, Svg, UNIT, shorten, text_width};
use plotters::prelude::DrawingArea;
use std::cell::RefCell;
use std::rc::Rc;

/// The rows of a forest plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// Accessible name of the SVG.
    pub label: String,
    pub x: Scale,
    /// A value marked in all rows.
    pub reference: Option<f64>,
    /// Differences between these ends are smaller than the margin.
    pub zone: Option<(f64, f64)>,
    /// Titles of the columns beside the plot.
    pub columns: Vec<String>,
    /// The most important row first.
    pub rows: Vec<Row>,
    /// A word over the plot; none if empty.
    pub stamp: String,
}

/// A row of a forest plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub label: String,
    /// The estimates: one, or a value per trial.
    pub values: Vec<Value>,
    pub interval: Option<(f64, f64)>,
    /// Whether the estimate leaves its question open.
    pub is_open: bool,
    pub style: Style,
    /// The arm's id, which links the row with table rows.
    pub arm: String,
    /// One text for each column beside the plot.
    pub cells: Vec<String>,
    /// Tooltip.
    pub title: String,
}

/// A number of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    pub at: f64,
    /// The trial's id, if the number is of one trial.
    pub trial: String,
    /// Text drawn in place of a symbol.
    pub text: String,
    /// Tooltip; the row's if empty.
    pub title: String,
}

/// From this width on, numbers stand in columns.
const WIDE: i32 = 560;
/// Maximum number of rows of a wide and of a narrow picture.
const MOST: usize = 8;
const MOST_NARROW: usize = 5;
/// Height of a row in SVG units.
const HEIGHT: i32 = 24;
const HEIGHT_NARROW: i32 = 36;
/// Height of the column titles.
const HEAD: i32 = 18;
/// Maximum width of the names.
const NAMES: f64 = 250.0;
const GAP: f64 = 14.0;
/// Least width of the plot.
const LEAST_PLOT: f64 = 200.0;

impl Forest {
    pub(crate) fn draw(&self, width: i32) -> Result<String, Failed> {
        if width >= WIDE { self.wide(width) } else { self.narrow(width) }
    }

    fn narrow(&self, width: i32) -> Result<String, Failed> {
        let rows = &self.rows[..self.rows.len().min(MOST_NARROW)];
        let mut chart = self.chart(rows, HEIGHT_NARROW, 0.2);
        let left = self.x.low + 0.005 * (self.x.high - self.x.low);
        for (i, row) in rows.iter().enumerate() {
            let text = self.in_a_line(row, f64::from(width) - 40.0);
            chart.marks.push(Mark {
                points: vec![(left, i as f64 - 0.24)],
                kind: Kind::Text(text),
                arm: row.arm.clone(),
                title: row.title.clone(),
                ..Mark::default()
            });
        }
        let backend = Rc::new(RefCell::new(Svg::new(width, chart.height)));
        draw_on(&backend, &DrawingArea::from(&backend), &chart, width)?;
        let drawn = backend.borrow().finish(&self.label);
        Ok(drawn)
    }

    /// A row's name and as many of its first three numbers as have room.
    fn in_a_line(&self, row: &Row, room: f64) -> String {
        let named = |(i, cell): (usize, &String)| match (i, &self.columns[i][..]) {
            (0, _) => cell.clone(),
            (1, _) => format!(" ({cell})"),
            (_, "adjusted p") if cell.starts_with('<') => format!(", p {cell}"),
            (_, "adjusted p") => format!(", p = {cell}"),
            (_, name) => format!(", {name} = {cell}"),
        };
        let numbers: Vec<String> =
            row.cells.iter().enumerate().take(3).filter(|(_, c)| *c != "–").map(named).collect();
        let text = |n: usize| match n {
            0 => row.label.clone(),
            n => format!("{}: {}", row.label, numbers[..n].concat()),
        };
        let fits = |n: &usize| text_width(&text(*n)) <= room;
        text((1..=numbers.len()).rev().find(fits).unwrap_or(numbers.len().min(1)))
    }

    fn wide(&self, width: i32) -> Result<String, Failed> {
        let rows = &self.rows[..self.rows.len().min(MOST)];
        let chart = self.chart(rows, HEIGHT, 0.0);
        let names = rows.iter().map(|row| text_width(&row.label)).fold(0.0, f64::max).min(NAMES);
        let mut widths = self.widths(rows);
        // The last columns give way to the plot.
        let plot = |widths: &[f64]| {
            f64::from(width) - names - GAP - widths.iter().map(|w| w + GAP).sum::<f64>()
        };
        while plot(&widths) < LEAST_PLOT && !widths.is_empty() {
            widths.pop();
        }
        let middle = plot(&widths) as i32;
        let left = (names + GAP) as i32;
        let backend = Rc::new(RefCell::new(Svg::new(width, chart.height + HEAD)));
        let tall = f64::from(chart.height) - TOP - Margins::of(&chart).bottom;
        let y_of = |i: usize| {
            let within = TOP + tall * (i as f64 + 0.5) / rows.len() as f64;
            ((f64::from(HEAD) + within) * f64::from(UNIT)) as i32
        };
        let mut right = f64::from(left + middle);
        for (column, column_width) in widths.iter().enumerate() {
            right += column_width + GAP;
            let x = (right * f64::from(UNIT)) as i32;
            let mut svg = backend.borrow_mut();
            svg.text(&self.columns[column], (x, HEAD / 2 * UNIT), "end", "label");
            for (i, row) in rows.iter().enumerate() {
                svg.text(&row.cells[column], (x, y_of(i)), "end", "title");
            }
        }
        for (i, row) in rows.iter().enumerate() {
            let mut svg = backend.borrow_mut();
            svg.open("mark muted", &row.arm, "", &row.title);
            svg.text(&shorten(&row.label, names), (0, y_of(i)), "start", "label");
            svg.close();
        }
        let whole: Area = DrawingArea::from(&backend);
        let area = whole.shrink((left * UNIT, HEAD * UNIT), (middle * UNIT, chart.height * UNIT));
        draw_on(&backend, &area, &chart, middle)?;
        let drawn = backend.borrow().finish(&self.label);
        Ok(drawn)
    }

    fn widths(&self, rows: &[Row]) -> Vec<f64> {
        let of = |column: usize| {
            let cells = rows.iter().map(|row| text_width(&row.cells[column]));
            cells.fold(text_width(&self.columns[column]), f64::max)
        };
        (0..self.columns.len()).map(of).collect()
    }

    /// The plot alone; marks are drawn `down` rows below the middle of their row.
    fn chart(&self, rows: &[Row], height: i32, down: f64) -> Chart {
        let y = Scale::rows(rows.len());
        let mut marks = Vec::new();
        let tall = |kind, from: f64, to: f64| Mark {
            points: vec![(from, y.low), (to, y.high)],
            kind,
            ..Mark::default()
        };
        let low = self.x.low;
        let high = self.x.high;
        marks.extend(self.zone.map(|(a, b)| tall(Kind::Zone, a.max(low), b.min(high))));
        marks.extend(self.reference.map(|at| tall(Kind::Guide, at, at)));
        for (i, row) in rows.iter().enumerate() {
            marks.extend(of_row(row, i as f64 + down));
        }
        if !self.stamp.is_empty() {
            let points = vec![((low + high) / 2.0, (y.low + y.high) / 2.0)];
            let kind = Kind::Stamp(self.stamp.clone());
            marks.push(Mark { points, kind, ..Mark::default() });
        }
        let axis = 12.0 + 2.5 * FONT;
        let height = height * rows.len() as i32 + (TOP + axis) as i32;
        let label = self.label.clone();
        Chart { label, height, x: self.x.clone(), y, grid: Grid::Vertical, marks }
    }
}

fn of_row(row: &Row, y: f64) -> Vec<Mark> {
    let mark = |kind, points| Mark {
        points,
        kind,
        color: row.style.color,
        shape: row.style.shape,
        arm: row.arm.clone(),
        title: row.title.clone(),
        ..Mark::default()
    };
    let mut marks = Vec::new();
    marks.extend(row.interval.map(|(low, high)| mark(Kind::Bar, vec![(low, y), (high, y)])));
    marks.extend(row.values.iter().map(|value| {
        let kind = match (&value.text[..], row.is_open) {
            ("", false) => Kind::Symbol,
            ("", true) => Kind::Open,
            (text, _) => Kind::Label(text.to_owned()),
        };
        let title = if value.title.is_empty() { &row.title } else { &value.title };
        let trial = value.trial.clone();
        Mark { trial, title: title.clone(), ..mark(kind, vec![(value.at, y)]) }
    }));
    marks
}
